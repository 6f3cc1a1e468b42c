"""The outbox in memory: as the one in a database, but gone with the process, and the oldest make room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice

from sfu.conference.happenings import Happening
from sfu.conference.outbox import MAX_ERROR_CHARS, Backlog, DeadEntry, DeadPlace, Entry, Lane

MAX_ENTRIES = 10_000
"""Some 500 bytes each."""

LaneKey = tuple[str, str, int]
"""Sink, meeting and branch."""


@dataclass(slots=True)
class _Lane:
    position: int
    last: int
    due_at: datetime | None
    attempts: int = 0
    owner: str = ""


class MemoryOutbox:
    """See ``Outbox``. ``sinks``: which types each wants; ``now``: the time of day."""

    def __init__(
        self, sinks: Mapping[str, Callable[[str], bool]], now: Callable[[], datetime], max_entries: int = MAX_ENTRIES
    ) -> None:
        self.now = now
        self.on_appended: Callable[[], None] = _nobody
        self.lost = 0
        """What had to make room and somebody had not been told."""
        self._sinks = sinks
        self._max_entries = max_entries
        self._entries: dict[str, dict[int, Entry]] = {}
        self._numbers: dict[str, int] = {}
        self._order: deque[tuple[str, int]] = deque()
        self._lanes: dict[LaneKey, _Lane] = {}
        self._dead: dict[LaneKey, DeadEntry] = {}
        """By sink, meeting and number."""
        self._owners = count(1)

    def append(self, happenings: Iterable[Happening]) -> None:
        """In this order."""
        appended = False
        for happening in happenings:
            wanted = [sink for sink, wants in self._sinks.items() if wants(happening.type)]
            if not wanted:
                continue
            appended = True
            number = self._numbers[happening.meeting_id] = self._numbers.get(happening.meeting_id, 0) + 1
            self._entries.setdefault(happening.meeting_id, {})[number] = Entry(number, happening)
            self._order.append((happening.meeting_id, number))
            for sink in wanted:
                key = sink, happening.meeting_id, 0
                lane = self._lanes.setdefault(key, _Lane(number - 1, number, happening.at))
                lane.last = number
                lane.due_at = lane.due_at or happening.at
            if len(self._order) > self._max_entries:
                self._make_room()
        if appended:
            self.on_appended()

    async def claim(self, sink: str, now: datetime, until: datetime, limit: int) -> Sequence[Lane]:
        """See ``Outbox``."""
        due = [(lane.due_at, key) for key, lane in self._lanes.items() if key[0] == sink and _is_due(lane.due_at, now)]
        claimed = []
        for _, key in islice(sorted(due), limit):
            lane = self._lanes[key]
            lane.due_at, lane.owner = until, str(next(self._owners))
            claimed.append(Lane(*key, lane.position, lane.last, lane.attempts, lane.owner))
        return claimed

    async def load(self, lane: Lane, limit: int) -> Sequence[Entry]:
        """See ``Outbox``."""
        entries = self._entries.get(lane.meeting_id, {})
        return list(islice((one for number, one in entries.items() if lane.position < number <= lane.last), limit))

    async def release(self, lane: Lane, position: int, now: datetime) -> bool:
        """See ``Outbox``."""
        return self._release(lane, position, now)

    async def postpone(self, lane: Lane, position: int, due_at: datetime, attempts: int) -> bool:
        """See ``Outbox``."""
        return self._release(lane, position, due_at, attempts)

    async def bury(self, lane: Lane, entry: Entry, now: datetime, attempts: int, error: str) -> bool:
        """See ``Outbox``."""
        if not self._release(lane, entry.number, now):
            return False
        self._dead[lane.sink, lane.meeting_id, entry.number] = DeadEntry(
            lane.sink, entry.number, entry.happening, attempts, error[:MAX_ERROR_CHARS], now
        )
        return True

    def _release(self, claimed: Lane, position: int, due_at: datetime, attempts: int = 0) -> bool:
        key = claimed.sink, claimed.meeting_id, claimed.branch
        lane = self._lanes.get(key)
        if lane is None or lane.owner != claimed.owner:
            return False
        lane.position, lane.attempts, lane.owner = position, attempts, ""
        lane.due_at = due_at if lane.last > position else None
        if claimed.branch and lane.due_at is None:
            del self._lanes[key]
        return True

    async def dead(self, sink: str | None, limit: int, after: DeadPlace | None = None) -> Sequence[DeadEntry]:
        """See ``Outbox``."""
        found = (one for one in self._dead.values() if sink in {None, one.sink})
        behind = (one for one in found if after is None or one.place > after)
        return sorted(behind, key=lambda one: one.place)[:limit]

    async def revive(self, sinks: Collection[str], now: datetime, ids: Collection[str] | None = None) -> int:
        """See ``Outbox``."""
        found = [
            key for key, one in self._dead.items() if one.sink in sinks and (ids is None or one.happening.id in ids)
        ]
        for key in found:
            sink, meeting_id, number = key
            self._lanes[sink, meeting_id, number] = _Lane(number - 1, number, now)
            del self._dead[key]
        if found:
            self.on_appended()
        return len(found)

    async def backlog(self, sinks: Collection[str]) -> Mapping[str, Backlog]:
        """See ``Outbox``."""
        return {sink: self._backlog(sink) for sink in sinks}

    def _backlog(self, sink: str) -> Backlog:
        waiting = [(key[1], lane) for key, lane in self._lanes.items() if key[0] == sink and lane.last > lane.position]
        heads = (self._head(meeting_id, lane) for meeting_id, lane in waiting)
        oldest_at = min((head.happening.at for head in heads if head is not None), default=None)
        return Backlog(len(waiting), oldest_at, sum(one.sink == sink for one in self._dead.values()))

    def _head(self, meeting_id: str, lane: _Lane) -> Entry | None:
        entries = self._entries.get(meeting_id, {})
        return next((one for number, one in entries.items() if number > lane.position), None)

    async def forget(self, told_before: datetime, before: datetime) -> int:
        """See ``Outbox``."""
        lost = 0
        kept: deque[tuple[str, int]] = deque()
        for meeting_id, number in self._order:
            entry = self._entries[meeting_id][number]
            needed = self._is_needed(meeting_id, number)
            if entry.happening.at < (before if needed else told_before):
                lost += needed and not self._is_dead(meeting_id, number)
                self._delete(meeting_id, number)
            else:
                kept.append((meeting_id, number))
        self._order = kept
        return lost

    def _make_room(self) -> None:
        meeting_id, number = self._order.popleft()
        self.lost += self._is_needed(meeting_id, number)
        self._delete(meeting_id, number)

    def _is_dead(self, meeting_id: str, number: int) -> bool:
        return any((sink, meeting_id, number) in self._dead for sink in self._sinks)

    def _is_needed(self, meeting_id: str, number: int) -> bool:
        """Somebody has still to be told, or was not told."""
        lanes = (self._lanes.get((sink, meeting_id, branch)) for sink in self._sinks for branch in (0, number))
        waits = any(lane is not None and lane.position < number <= lane.last for lane in lanes)
        return waits or self._is_dead(meeting_id, number)

    def _delete(self, meeting_id: str, number: int) -> None:
        entries = self._entries[meeting_id]
        del entries[number]
        for sink in self._sinks:
            self._dead.pop((sink, meeting_id, number), None)
        if not entries:
            del self._entries[meeting_id]
            for key in [key for key, lane in self._lanes.items() if key[1] == meeting_id and lane.due_at is None]:
                del self._lanes[key]


def _is_due(due_at: datetime | None, now: datetime) -> bool:
    return due_at is not None and due_at <= now


def _nobody() -> None:
    """Nobody waits for what is appended."""
