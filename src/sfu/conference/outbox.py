"""Where happenings wait until all who want to be told have been told: the interface, and what goes over it.

A meeting's happenings are numbered 1, 2, 3 … without a gap, whoever notes them. Each sink has a *lane* for each
meeting: the number up to which it has been told. Who delivers claims lanes for a time, so that of several processes on
one database only one tells a sink about a meeting; when it dies, the claim lapses, and another goes on from there. So
everything is told at least once, and in order.

A happening that a sink refuses for good is *dead*: the lane goes on behind it. To retry it is a lane of its own, a
*branch* that begins and ends with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sfu.conference.happenings import Happening
from sfu.errors import RemoteError

MAX_DEAD_PAGE = 200
MAX_ERROR_CHARS = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A happening with its number within its meeting."""

    number: int
    happening: Happening


@dataclass(frozen=True, slots=True)
class Lane:
    """A claimed one. ``position``: told up to here; ``last``: there is something up to here. ``attempts``: that what
    comes next has failed so often. ``owner``: names the claim.
    """

    sink: str
    meeting_id: str
    branch: int
    position: int
    last: int
    attempts: int
    owner: str


@dataclass(frozen=True, slots=True, order=True)
class DeadPlace:
    """Where a list of dead ones goes on: behind this one, which may be gone. To clients it is an opaque text."""

    died_at: datetime
    sink: str
    meeting_id: str
    number: int

    def __str__(self) -> str:
        fields = [self.died_at.isoformat(), self.sink, self.meeting_id, self.number]
        return base64.urlsafe_b64encode(json.dumps(fields, ensure_ascii=False).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> DeadPlace:
        """That of a page before. Raises ``RemoteError`` ``bad_request`` for what no page has given."""
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
                case [str(at), str(sink), str(meeting_id), int(number)] if abs(number) < 2**63:
                    instant = datetime.fromisoformat(at)
                    if instant.tzinfo is UTC and meeting_id.isprintable() and sink.isprintable():
                        return cls(instant, sink, meeting_id, number)
        except (ValueError, RecursionError):
            pass
        raise RemoteError("bad_request", "the cursor is none of ours", "take it from the page before")


@dataclass(frozen=True, slots=True)
class DeadEntry:
    """Something that a sink was not told. ``number``, ``meeting_id`` and ``sink`` name it."""

    sink: str
    number: int
    happening: Happening
    attempts: int
    error: str
    died_at: datetime

    @property
    def place(self) -> DeadPlace:
        """In the order of dying."""
        return DeadPlace(self.died_at, self.sink, self.happening.meeting_id, self.number)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Of one sink. ``lanes``: meetings of which it has not been told everything; ``oldest_at``: since when something
    waits; ``dead``: how much it was not told.
    """

    lanes: int = 0
    oldest_at: datetime | None = None
    dead: int = 0


@dataclass(frozen=True, slots=True)
class SinkStats:
    """How a sink does. Counts are since the start: ``delivered``; ``failed`` attempts; ``died``: given up. ``is_away``:
    it takes nothing at present. ``backlog`` is of some seconds ago.
    """

    delivered: int
    failed: int
    died: int
    is_away: bool
    backlog: Backlog


class Outbox(Protocol):
    """Times are arguments; they are compared with those of other processes on the same database, whose clocks should
    be right to the second. Raises ``RemoteError`` ``store_unavailable`` where there is a database.
    """

    on_appended: Callable[[], None]
    """Called when something is there that was not."""

    async def claim(self, sink: str, now: datetime, until: datetime, limit: int) -> Sequence[Lane]:
        """Lanes that are due and nobody else's until then, those that are due longest first."""

    async def load(self, lane: Lane, limit: int) -> Sequence[Entry]:
        """What comes next in a lane, also of types that its sink does not want; fewer than ``limit``: that is all up to
        its end.
        """

    async def release(self, lane: Lane, position: int, now: datetime) -> bool:
        """Told up to ``position``; False: the claim had lapsed, and nothing is changed."""

    async def postpone(self, lane: Lane, position: int, due_at: datetime, attempts: int) -> bool:
        """As ``release``, but what follows failed and is due later."""

    async def bury(self, lane: Lane, entry: Entry, now: datetime, attempts: int, error: str) -> bool:
        """As ``release`` up to this one, which is dead."""

    async def dead(self, sink: str | None, limit: int, after: DeadPlace | None = None) -> Sequence[DeadEntry]:
        """Those of a sink or of all, in the order of dying, behind ``after``."""

    async def revive(self, sinks: Collection[str], now: datetime, ids: Collection[str] | None = None) -> int:
        """Has dead ones told again, all or those with these ids; how many."""

    async def backlog(self, sinks: Collection[str]) -> Mapping[str, Backlog]:
        """How far each is."""

    async def forget(self, told_before: datetime, before: datetime) -> int:
        """Deletes what happened before ``told_before`` and was told to all or buried before, and whatever happened
        before ``before``. Gives how many of the latter were waiting still.
        """
