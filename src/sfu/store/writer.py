"""Brings what running meetings note to the database, in order and in batches, and to the journal while it is away.

Nobody waits for it: ``note`` appends to a bounded queue. A task takes from the queue; when the database does not
answer, what is queued goes to disk, and everything that comes after it behind it, until the database is back and has
taken the whole journal. A batch that was cut off is brought again: the store passes over what it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

import structlog

from sfu.conference.ledger import Fact, LedgerStats, unavailable
from sfu.errors import RemoteError
from sfu.store.journal import Journal

log = structlog.get_logger(__name__)

MAX_QUEUED = 50_000
"""Facts in memory: what a storm of joins makes in the seconds until a database is taken to be away."""
BATCH = 500
LINGER_S = 0.05
"""What is noted within this time is one transaction, unless somebody waits for it: in a storm of joins one for each
would cost the control plane more than the joins.
"""
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Between attempts to reach a database that is away."""
PING_S = 5.0
"""A database that nobody writes to is asked so often whether it is there."""
SETTLE_S = 2.0
FAREWELL_S = 5.0


class FactStore(Protocol):
    """What the writer needs of a store."""

    async def bring(self, facts: Sequence[Fact]) -> None:
        """All of them or none. Raises ``RemoteError`` ``store_unavailable``, anything else for facts that are wrong."""

    async def ping(self) -> None:
        """Raises ``RemoteError`` ``store_unavailable``."""


class Writer:
    """Implements ``sfu.conference.ledger.Ledger``. ``start`` it, and ``close`` it at the end."""

    def __init__(self, store: FactStore, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._queue: deque[Fact] = deque()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        """Set while somebody waits for what is queued."""
        self._moved = asyncio.Event()
        """Set, and replaced, whenever something was brought or the database went away."""
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self._is_closing = False
        self._noted = 0
        self._done = 0
        """Of those noted, how many are in the database, or lost."""
        self._written = self._dropped = self._rejected = 0

    async def start(self) -> None:
        """Brings what an earlier life of the process left in the journal, then goes on by itself. Raises
        ``RemoteError`` ``store_unavailable``.
        """
        if self._journal.bytes:
            log.info("journal_found", bytes=self._journal.bytes)
        await self._replay()
        self._task = asyncio.create_task(self._run(), name="store writer")

    # what others call

    def note(self, fact: Fact) -> None:
        """See ``Ledger``. Where there is no room any more, the fact is lost, counted and told."""
        self._noted += 1
        if len(self._queue) >= MAX_QUEUED:
            self._done += 1
            self._drop(1)
            return
        self._queue.append(fact)
        self._wake.set()

    def defer(self, fact: Fact) -> None:
        """See ``Ledger``."""
        if self._journal.is_full or len(self._queue) >= MAX_QUEUED:
            raise unavailable("the database does not answer, and no more can be kept for it")
        self.note(fact)

    async def settle(self) -> bool:
        """See ``Ledger``."""
        target = self._noted
        if self._done < target:
            self._hurry.set()
        try:
            async with asyncio.timeout(SETTLE_S):
                while self._done < target and not self._is_away:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return not self._is_away

    def stats(self) -> LedgerStats:
        """Counters since the start."""
        return LedgerStats(
            is_away=self._is_away,
            waiting=len(self._queue),
            journal_bytes=self._journal.waiting_bytes,
            written=self._written,
            dropped=self._dropped,
            rejected=self._rejected,
            damaged=self._journal.damaged,
        )

    async def close(self) -> None:
        """Brings what is left, to the journal if need be. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._is_closing = True
        self._wake.set()
        self._hurry.set()
        await asyncio.wait({task}, timeout=FAREWELL_S)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            task.result()
        await self._to_disk()
        if self._queue:
            log.error("facts_lost", count=len(self._queue), hint="the database is away and the journal takes no more")
            self._dropped += len(self._queue)
        self._journal.close()

    # the task

    async def _run(self) -> None:
        while not (self._is_closing and not self._queue):
            try:
                await self._go_on()
            except Exception:  # a mistake of ours must not end the writing of everything that comes
                log.exception("store_writer_failed")
                await asyncio.sleep(RETRY_S[-1])

    async def _go_on(self) -> None:
        try:
            await self._bring_queued()
            if not self._queue:
                await self._rest()
            await self._linger()
        except RemoteError:
            await self._stay_away()

    async def _rest(self) -> None:
        """Until there is something to do, and now and then looks whether the database is there."""
        while not self._queue and not self._is_closing:
            self._wake.clear()
            try:
                async with asyncio.timeout(PING_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._store.ping()

    async def _linger(self) -> None:
        """For what else comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._hurry.wait()
        if not self._is_closing:
            self._hurry.clear()

    async def _bring_queued(self) -> None:
        """All of it, but for what came meanwhile and is no whole batch."""
        while self._queue:
            batch = list(islice(self._queue, BATCH))
            await self._bring(batch)
            self._forget(len(batch))
            if len(self._queue) < BATCH:
                return

    async def _stay_away(self) -> None:
        """Keeps what comes on disk until the database has taken all of that."""
        self._is_away = True
        self._tell_moved()
        log.warning("store_away", waiting=len(self._queue))
        attempt = 0
        while self._is_away:
            await self._to_disk()
            if self._is_closing:
                return
            pause_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
            attempt += 1
            await self._sleep(pause_s)
            try:
                await self._replay()
            except RemoteError:
                continue
            self._is_away = False
        log.info("store_back", written=self._written)
        self._tell_moved()

    async def _sleep(self, pause_s: float) -> None:
        """What is noted meanwhile goes to disk at once."""
        loop = asyncio.get_running_loop()
        end = loop.time() + pause_s
        while (left_s := end - loop.time()) > 0 and not self._is_closing:
            self._wake.clear()
            if self._queue:
                await self._to_disk()
            if self._queue:  # found no room: it waits in memory, and is tried again with the database
                await asyncio.sleep(left_s)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()

    async def _replay(self) -> None:
        """Brings the whole journal. What is noted meanwhile waits behind it."""
        await self._store.ping()
        while self._journal.waiting_bytes:
            facts, position = await asyncio.to_thread(self._journal.read, BATCH)
            await self._bring(facts)
            await asyncio.to_thread(self._journal.take, position)

    async def _to_disk(self) -> None:
        """What is queued, as far as there is room; the rest of it stays in memory."""
        while self._queue:
            batch = list(islice(self._queue, BATCH))
            try:
                count = await asyncio.to_thread(self._journal.append, batch)
            except OSError as error:
                log.error("journal_failed", reason=error.strerror)  # noqa: TRY400 - the trace says no more
                return
            self._forget(count)
            if count < len(batch):
                log.error("journal_full", bytes=self._journal.bytes)
                return

    async def _bring(self, facts: Sequence[Fact]) -> None:
        """Where the database does not accept a batch, each fact by itself: one that is wrong holds up no others."""
        if not facts:
            return
        try:
            await self._store.bring(facts)
        except RemoteError:
            raise
        except Exception as error:
            if len(facts) == 1:
                self._rejected += 1
                log.exception("fact_rejected", fact=type(facts[0]).__name__, exc_info=error)
                return
            for fact in facts:
                await self._bring((fact,))
            return
        self._written += len(facts)

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._queue.popleft()
        self._done += count
        self._tell_moved()

    def _drop(self, count: int) -> None:
        if self._dropped % 1000 == 0:
            log.error("facts_dropped", dropped=self._dropped + count, hint="the database is away and the journal full")
        self._dropped += count

    def _tell_moved(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
