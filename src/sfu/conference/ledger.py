"""What happens in running meetings, on its way to the store.

A meeting is synchronous and a store is not, and a store may be away while a meeting goes on. So a meeting only notes
facts here, which never waits and never fails; whoever keeps the ledger brings them to the store, in order. Each may be
brought twice without harm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sfu.conference.memory_store import MemoryStore
from sfu.conference.records import ParticipantRecord
from sfu.conference.store import MeetingStore

MAX_NOTED = 100_000
"""Facts that wait in memory for the next look at the store, some 300 bytes each; the oldest are given up."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A stay began."""

    record: ParticipantRecord


@dataclass(frozen=True, slots=True)
class Left:
    """A stay is over."""

    session_id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A meeting is over, and every stay in it."""

    meeting_id: str
    at: datetime


Fact = Joined | Left | Ended


class Ledger(Protocol):
    """All calls are made on the control plane's thread."""

    def note(self, fact: Fact) -> None:
        """Takes a fact down; at once, and whatever the store does."""

    async def settle(self) -> bool:
        """Waits until the store has what was noted, but not for a store that is away: then it gives False."""


async def bring(store: MeetingStore, fact: Fact) -> None:
    """Tells the store."""
    match fact:
        case Joined(record):
            await store.joined(record)
        case Left(session_id, at, reason):
            await store.left(session_id, at, reason)
        case Ended(meeting_id, at):
            await store.end(meeting_id, at)


class MemoryLedger:
    """For the store in memory, which needs no waiting."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def note(self, fact: Fact) -> None:
        """See ``Ledger``."""
        match fact:
            case Joined(record):
                self._store.note_joined(record)
            case Left(session_id, at, reason):
                self._store.note_left(session_id, at, reason)
            case Ended(meeting_id, at):
                self._store.note_end(meeting_id, at)

    async def settle(self) -> bool:
        """See ``Ledger``."""
        return True


class PlainLedger:
    """For any store, without a task of its own: what was noted is brought when the store is looked at next. A server
    has ``sfu.store.writer`` instead.
    """

    def __init__(self, store: MeetingStore) -> None:
        self._store = store
        self._facts: deque[Fact] = deque(maxlen=MAX_NOTED)

    def note(self, fact: Fact) -> None:
        """See ``Ledger``."""
        self._facts.append(fact)

    async def settle(self) -> bool:
        """See ``Ledger``. What the store raises goes on to who asked."""
        while self._facts:
            fact = self._facts.popleft()
            try:
                await bring(self._store, fact)
            except BaseException:
                self._facts.appendleft(fact)
                raise
        return True


def ledger_of(store: MeetingStore) -> Ledger:
    """The one for a store that came without."""
    return MemoryLedger(store) if isinstance(store, MemoryStore) else PlainLedger(store)
