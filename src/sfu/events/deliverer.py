"""Brings what waits in the outbox to one sink: each meeting's in order, one at a time, and several meetings at once.

A meeting whose next happening is not taken waits longer each time, and holds up no other. After so many attempts that
happening is dead, and what follows goes on. A sink that takes nothing at all is asked by one attempt now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from random import Random

import structlog

from sfu.clock import Clock
from sfu.conference.outbox import Entry, Lane, Outbox
from sfu.errors import RemoteError
from sfu.events.patience import Breaker, pause_s
from sfu.events.sink import NotTaken, Sink, SinkOptions, wants

log = structlog.get_logger(__name__)

BATCH = 50
"""Happenings of a meeting that are told in a row, before others have their turn and how far it is is written down."""
POLL_S = 1.0
"""Between looks for what another process left, and for what is due again."""
CLAIM_S = 30.0
"""A claim is good for so long and two attempts more; what was claimed by a process that died waits that long."""
FAREWELL_S = 3.0
UNKNOWN_S = 5.0
"""After a mistake of ours."""


class Deliverer:
    """``start`` it, and ``close`` it at the end. Counters are since the start."""

    def __init__(self, outbox: Outbox, sink: Sink, options: SinkOptions, clock: Clock, chance: Random) -> None:
        self.sink = sink
        self.delivered = self.failed = self.died = 0
        """Taken; attempts that were not; given up."""
        self.breaker = Breaker()
        self._outbox = outbox
        self._options = options
        self._wants = wants(options.types)
        self._clock = clock
        self._chance = chance
        self._claim_s = CLAIM_S + 2 * options.timeout_s
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        """Set when there was nothing to do at the last look."""
        self._telling: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Goes on by itself."""
        self._task = asyncio.create_task(self._run(), name=f"tell {self.sink.name}")

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def close(self) -> None:
        """Tells what can be told within some seconds. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        self._idle.clear()
        self._wake.set()
        await asyncio.wait({task, idle := asyncio.create_task(self._idle.wait())}, timeout=FAREWELL_S)
        idle.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        telling = tuple(self._telling)
        for one in telling:
            one.cancel()
        await asyncio.gather(*telling, return_exceptions=True)
        await self.sink.close()

    # the task

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                has_begun = await self._begin()
            except RemoteError:
                has_begun = False  # the database is away; so is everything that there would be to tell
            except Exception:
                log.exception("events_failed", sink=self.sink.name)
                await asyncio.sleep(UNKNOWN_S)
                continue
            if not has_begun:
                if not self._telling:
                    self._idle.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()

    async def _begin(self) -> bool:
        """Claims as many meetings as there is room for; whether there were any."""
        room = self._options.concurrency - len(self._telling)
        allowed = self.breaker.allows(self._clock.now())
        limit = room if allowed is None else min(room, allowed)
        if limit <= 0:
            return False
        now = self._clock.wall()
        claimed_at = self._clock.now()
        lanes = await self._outbox.claim(self.sink.name, now, now + timedelta(seconds=self._claim_s), limit)
        for lane in lanes:
            is_trial = self.breaker.is_open
            self.breaker.trying()
            task = asyncio.create_task(self._go_along(lane, claimed_at, is_trial=is_trial), name="tell a meeting")
            self._telling.add(task)
            task.add_done_callback(self._ended)
        return bool(lanes)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("events_failed", sink=self.sink.name, exc_info=error)

    # one meeting

    async def _go_along(self, lane: Lane, claimed_at: float, *, is_trial: bool) -> None:
        try:
            with suppress(RemoteError):  # another turn, when the database is back and the claim has lapsed
                await self._tell(lane, claimed_at)
        finally:
            if is_trial:
                self.breaker.given_up()

    async def _tell(self, lane: Lane, claimed_at: float) -> None:
        position, attempts = lane.position, lane.attempts
        entries = await self._outbox.load(lane, BATCH)
        try:
            for entry in entries:
                if self._clock.now() - claimed_at > self._claim_s / 2:
                    break  # what is left of the claim is for writing down how far it is
                if not self._is_wanted(lane, entry):
                    position = entry.number
                    continue
                try:
                    await self.sink.tell(entry)
                except NotTaken as error:
                    await self._not_taken(lane, claimed_at, position, entry=entry, attempts=attempts + 1, error=error)
                    return
                self.delivered += 1
                self.breaker.succeeded()
                position, attempts = entry.number, 0
            else:
                if len(entries) < BATCH:
                    position = lane.last  # what is missing before was forgotten
        except asyncio.CancelledError:
            await self._outbox.release(lane, position, self._clock.wall())
            raise
        await self._write(claimed_at, lambda: self._outbox.release(lane, position, self._clock.wall()))

    def _is_wanted(self, lane: Lane, entry: Entry) -> bool:
        return bool(lane.branch) or self._wants(entry.happening.type)

    async def _not_taken(
        self, lane: Lane, claimed_at: float, position: int, *, entry: Entry, attempts: int, error: NotTaken
    ) -> None:
        self.failed += 1
        if error.is_away:
            self._is_away(error)
        else:
            self.breaker.succeeded()  # somebody answered
        wall = self._clock.wall
        if attempts >= self._options.max_attempts:
            self.died += 1
            log.error("event_dead", sink=self.sink.name, id=entry.happening.id, reason=error.detail)
            await self._write(claimed_at, lambda: self._outbox.bury(lane, entry, wall(), attempts, error.detail))
            return
        due_at = wall() + timedelta(seconds=pause_s(attempts, self._chance, error.retry_after_s))
        await self._write(claimed_at, lambda: self._outbox.postpone(lane, position, due_at, attempts))

    def _is_away(self, error: NotTaken) -> None:
        was_open = self.breaker.is_open
        self.breaker.failed(self._clock.now())
        if self.breaker.is_open and not was_open:
            log.warning("event_sink_away", sink=self.sink.name, reason=error.detail)

    async def _write(self, claimed_at: float, write: Callable[[], Awaitable[bool]]) -> None:
        """How far it is; again, if need be, while the claim is good. What comes to nothing is told once more."""
        while True:
            try:
                await write()
            except RemoteError:
                if self._clock.now() - claimed_at + POLL_S > self._claim_s:
                    raise
                await asyncio.sleep(POLL_S)
            else:
                return
