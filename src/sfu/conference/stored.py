"""What a conference has kept by its own store: seats and chats, on their way through the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sfu.clock import Clock
from sfu.conference.chat_history import ChatLog, highest_seq
from sfu.conference.chat_lines import KeptLine
from sfu.conference.chat_views import ChatEntry
from sfu.conference.ledger import Hushed, Ledger, Ordered, Said, Seated
from sfu.conference.returning import Seat
from sfu.conference.store import MeetingStore


async def forget_chat_orders(store: MeetingStore, ledger: Ledger, meeting_id: str, at: datetime) -> None:
    """Other rules for its chat were agreed while nobody had the meeting at hand: they hold when it is opened again, not
    what a host said before. Settled in the store when it returns, unless that is away.
    """
    orders = (await store.recall(meeting_id)).orders
    forgotten = replace(orders, chat=None, direct=None)
    if forgotten != orders:
        ledger.note(Ordered(meeting_id, at, forgotten))
        await ledger.settle()


class StoredSeats:
    """See ``SeatKeeper``."""

    def __init__(self, store: MeetingStore, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    def seated(self, meeting_id: str, seat: Seat) -> None:
        """See ``SeatKeeper``."""
        self._ledger.note(Seated(meeting_id, seat))

    def freed(self, meeting_id: str, seat: Seat) -> None:
        """See ``SeatKeeper``. The end of its stay says so already."""

    async def seats(self, meeting_id: str) -> Sequence[Seat]:
        """See ``SeatKeeper``."""
        return await self._store.seats(meeting_id, self._clock.wall())


class StoredHistory:
    """See ``HistoryKeeper``."""

    def __init__(self, store: MeetingStore, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    def keep(self, meeting_id: str, log: str, entry: ChatEntry) -> None:
        """See ``HistoryKeeper``."""
        self._ledger.note(Said(meeting_id, KeptLine.of(log, entry, self._clock.wall())))

    def forget(self, meeting_id: str) -> None:
        """See ``HistoryKeeper``."""
        self._ledger.note(Hushed(meeting_id, self._clock.wall()))

    async def load(self, meeting_id: str) -> ChatLog | None:
        """See ``HistoryKeeper``."""
        lines = await self._store.said(meeting_id)
        if not lines:
            return None
        last = lines[-1]
        since_s = (self._clock.wall() - last.at).total_seconds()
        return ChatLog(last.log, [line.entry for line in lines], highest_seq(last.seq, since_s))
