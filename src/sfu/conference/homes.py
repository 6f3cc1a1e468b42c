"""Where several servers share their meetings: what a conference asks before it has one at hand, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Homes(Protocol):
    """A meeting is at hand in one process at a time, its home. What does not wait returns at once, whatever happens."""

    async def take(self, meeting_id: str) -> None:
        """This process has the meeting at hand from now on, until ``let_go``. Raises ``RemoteError``: ``conflict`` when
        it is at hand elsewhere, ``cluster_unavailable`` while that can not be known.
        """

    def let_go(self, meeting_id: str, *, is_over: bool) -> None:
        """It is not at hand any more. ``is_over``: nor will it be elsewhere."""

    def changed(self, meeting_id: str, participant_id: str) -> None:
        """Something of that participant is another now, or it is gone."""

    def revoked(self, *, identity: str | None, token_id: str | None) -> None:
        """These are good no longer, wherever they are used."""

    async def elsewhere(self) -> frozenset[str]:
        """The meetings that others have. Raises ``RemoteError`` ``cluster_unavailable``."""

    async def counts(self, meeting_ids: Sequence[str]) -> Mapping[str, int] | None:
        """How many are in meetings that others have; 0: nobody has it. Takes a second at most; None: that can not be
        known now.
        """


class Alone:
    """Of a server that shares its meetings with nobody."""

    async def take(self, meeting_id: str) -> None:
        """See ``Homes``."""

    def let_go(self, meeting_id: str, *, is_over: bool) -> None:
        """See ``Homes``."""

    def changed(self, meeting_id: str, participant_id: str) -> None:
        """See ``Homes``."""

    def revoked(self, *, identity: str | None, token_id: str | None) -> None:
        """See ``Homes``."""

    async def elsewhere(self) -> frozenset[str]:
        """See ``Homes``."""
        return frozenset()

    async def counts(self, meeting_ids: Sequence[str]) -> Mapping[str, int] | None:
        """See ``Homes``."""
        return dict.fromkeys(meeting_ids, 0)


@dataclass(frozen=True, slots=True)
class ClusterStats:
    """How a process gets on with the others. What is there now, and counters since the start, by name."""

    is_up: bool
    homes: int
    """Meetings that are this process'."""
    carried_sockets: int
    """Of clients here."""
    hosted_sockets: int
    """Of clients elsewhere."""
    carried: Mapping[str, int]
    hosted: Mapping[str, int]
    bytes_out: int
    bytes_in: int
    events: Mapping[str, int]
