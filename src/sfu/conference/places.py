"""How many may be in a meeting, and that one identity is in it once."""

from __future__ import annotations

from collections.abc import Callable

from sfu.conference.members import Members
from sfu.conference.options import Duplicates
from sfu.conference.participant import Participant
from sfu.conference.returning import Returning
from sfu.errors import RemoteError

FULL_S = 10.0
"""So soon it may be worth to come again to a full meeting: somebody may have left."""


class Places:
    """``most`` says how many participants there may be now; ``take_out`` ends the stay of who is replaced."""

    def __init__(
        self,
        members: Members,
        returning: Returning,
        duplicates: Duplicates,
        *,
        most: Callable[[], int],
        take_out: Callable[[Participant], None],
    ) -> None:
        self._members = members
        self._returning = returning
        self._duplicates = duplicates
        self._most = most
        self._take_out = take_out

    def require(self, beyond: int = 0) -> None:
        """Raises ``RemoteError`` ``meeting_full`` unless there is one for who comes, and for ``beyond`` others. Who
        lost its connection keeps its place for the resume window, also when it was the server that was lost.
        """
        most = self._most()
        if len(self._members.participants) + len(self._returning) + beyond >= most:
            raise RemoteError(
                "meeting_full", f"the meeting has its {most} participants", status=409, retry_after_s=FULL_S
            )

    def replace(self, double: Participant | None) -> None:
        """Who is in by the identity that comes leaves, or nobody comes. Raises ``RemoteError``
        ``duplicate_identity``.
        """
        if double is None:
            return
        if self._duplicates is Duplicates.REJECT:
            raise RemoteError(
                "duplicate_identity", f"{double.name} is in the meeting already", "leave there first", status=409
            )
        self._take_out(double)
