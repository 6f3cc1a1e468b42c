"""What happens in running meetings, on its way to the store.

A meeting is synchronous and a store is not, and a store may be away while a meeting goes on. So a meeting only notes
facts here, which never waits and never fails; whoever keeps the ledger brings them to the store, in order. Each may be
brought twice without harm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from sfu.conference.chat_lines import KeptLine
from sfu.conference.happenings import Happening
from sfu.conference.memory_store import MemoryStore
from sfu.conference.orders import Orders
from sfu.conference.records import MeetingRecord, ParticipantRecord
from sfu.conference.returning import Seat
from sfu.conference.standings import Standing
from sfu.conference.store import MeetingStore
from sfu.errors import RemoteError

MAX_NOTED = 100_000
"""Facts that wait in memory for the next look at the store, some 300 bytes each; the oldest are given up."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A stay began. ``is_back``: it goes on from another one of the same participant, whose seat it has."""

    record: ParticipantRecord
    is_back: bool = False


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


@dataclass(frozen=True, slots=True)
class Added:
    """A meeting was made while the store was away."""

    record: MeetingRecord


@dataclass(frozen=True, slots=True)
class Changed:
    """Something else was agreed while the store was away."""

    record: MeetingRecord
    at: datetime | None = None
    """None: an older program wrote it down."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A meeting is to be forgotten."""

    meeting_id: str
    at: datetime | None = None
    """As in ``Changed``."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that is in no record, and that others are to be told."""

    happening: Happening


@dataclass(frozen=True, slots=True)
class Became:
    """Somebody has another role from now on."""

    session_id: str
    role: str
    is_host: bool


@dataclass(frozen=True, slots=True)
class Seated:
    """The seat of a stay is new, or another than before."""

    meeting_id: str
    seat: Seat


@dataclass(frozen=True, slots=True)
class Ordered:
    """Hosts have the meeting so."""

    meeting_id: str
    at: datetime
    orders: Orders


@dataclass(frozen=True, slots=True)
class Decided:
    """A host decided something about somebody."""

    meeting_id: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Said:
    """An entry of the chat."""

    meeting_id: str
    line: KeptLine


@dataclass(frozen=True, slots=True)
class Hushed:
    """What was said is to be forgotten."""

    meeting_id: str
    at: datetime


KeptFact = Became | Seated | Ordered | Decided | Said | Hushed
"""What is kept for when a meeting is opened again."""

Fact = Joined | Left | Ended | Added | Changed | Removed | Happened | KeptFact


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """How it goes. ``waiting``: facts in memory; ``journal_bytes``: of those on disk. ``dropped``: lost for want of
    room; ``rejected``: not accepted by the database; ``damaged``: lines of the journal that could not be read.
    """

    is_away: bool
    waiting: int
    journal_bytes: int
    written: int
    dropped: int
    rejected: int
    damaged: int


class Ledger(Protocol):
    """All calls are made on the control plane's thread."""

    def note(self, fact: Fact) -> None:
        """Takes a fact down; at once, and whatever the store does."""

    def defer(self, fact: Fact) -> None:
        """As ``note``, for what somebody asked for and will be told that it is done. Raises ``RemoteError``
        ``store_unavailable`` when it can not be kept until the store is back.
        """

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
        case Added(record):
            await store.add(record)
        case Changed(record):
            await store.update(record.id, record.version - 1, changes_of(record))
        case Removed(meeting_id):
            await store.remove(meeting_id)
        case Happened():
            pass  # a store without an outbox tells nobody
        case _:
            await store.keep(fact)


def changes_of(record: MeetingRecord) -> dict[str, Any]:
    """What was agreed, in contrast to what happened, as ``MeetingStore.update`` takes it."""
    happened = {"id", "created_at", "status", "started_at", "ended_at", "version"}
    return {item.name: getattr(record, item.name) for item in fields(record) if item.name not in happened}


def unavailable(detail: str = "the database does not answer") -> RemoteError:
    """What to tell who needed the store."""
    return RemoteError("store_unavailable", detail, "try again in a few seconds", status=503)


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
            case Happened(happening):
                self._store.note_happened(happening)
            case Added() | Changed() | Removed():
                raise unavailable()
            case _:
                self._store.note_kept(fact)

    def defer(self, fact: Fact) -> None:
        """See ``Ledger``. This store is never away, so nothing is ever put off."""
        self.note(fact)

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

    def defer(self, fact: Fact) -> None:
        """See ``Ledger``. Memory is no promise."""
        del fact
        raise unavailable()

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
