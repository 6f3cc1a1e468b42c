"""Those whom hosts keep out of a meeting, removed for good or sent away for some minutes, and letting them back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from sfu.conference.authority import Action, Caller, require
from sfu.conference.beat import Beat
from sfu.conference.events import KeptOutChanged
from sfu.conference.standings import DENIED_FOR, Decision, Standing
from sfu.conference.views import KeptOutPage, KeptOutView, timestamp
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting

TELL_S = 1.0
"""Between two messages to hosts."""
MAX_PAGE = 200


class KeptOut:
    """Of one meeting. That somebody stays out is the default; what is here is a host's word and nothing else lifts it.
    All but ``changed`` and ``close`` raise ``RemoteError`` ``forbidden`` for who may not.
    """

    def __init__(self, meeting: Meeting, tell: Callable[[KeptOutChanged], None]) -> None:
        """``tell`` reaches the hosts."""
        self._meeting = meeting
        self._beat = Beat(meeting.clock, lambda: TELL_S, lambda: tell(KeptOutChanged()))

    def page(self, caller: Caller, after: str | None, limit: int) -> KeptOutPage:
        """Some of them, the last decided first, those behind ``after``. Raises ``participant_not_found`` for an
        ``after`` that is kept out no longer.
        """
        require(caller.role, Action.READMIT)
        ones = self._meeting.standings.kept_out(self._meeting.clock.wall())
        if after is not None and not any(one.person_id == after for one in ones):
            raise _nobody(after)
        limit = min(limit, MAX_PAGE)
        found = list(islice(ones, limit + 1))
        following = found[limit - 1].person_id if len(found) > limit else None
        return KeptOutPage(tuple(map(_view, found[:limit])), following)

    def readmit(self, caller: Caller, person_id: str) -> None:
        """That one may come again, as somebody who never came: past no waiting room and no lock. Raises
        ``participant_not_found``.
        """
        require(caller.role, Action.READMIT)
        lifted = self._meeting.standings.readmit(person_id, self._meeting.clock.wall())
        if lifted is None:
            raise _nobody(person_id)
        view = _view(lifted)
        self._meeting.chronicle.tell(
            "participant.readmitted",
            kept_out_id=view.id,
            name=view.name,
            reason=view.reason,
            by=caller.participant_id,
        )
        self.changed()

    def readmit_identity(self, caller: Caller, identity: str) -> None:
        """As ``readmit``, by the identity that was kept out."""
        require(caller.role, Action.READMIT)
        one = self._meeting.standings.kept_out_as(identity, self._meeting.clock.wall())
        if one is None:
            raise _nobody(identity)
        self.readmit(caller, one.person_id)

    def changed(self) -> None:
        """Others than before are: hosts are told, gathered."""
        self._beat.due()

    def close(self) -> None:
        """The meeting is over. Idempotent."""
        self._beat.stop()


def _view(one: Standing) -> KeptOutView:
    is_removed = one.decision is Decision.REMOVED
    until = None if is_removed else timestamp(one.at + DENIED_FOR)
    reason = Decision.REMOVED if is_removed else Decision.DENIED
    return KeptOutView(one.person_id, one.name, reason.value, timestamp(one.at), until)


def _nobody(who: str) -> RemoteError:
    return RemoteError("participant_not_found", f"nobody is kept out as {who[:64]!r}", "look at the list", status=404)
