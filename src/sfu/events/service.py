"""All sinks of a server, and what has to be looked after besides telling them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import structlog

from sfu.clock import Clock
from sfu.conference.outbox import Backlog, DeadEntry, DeadPlace, Outbox, SinkStats
from sfu.errors import RemoteError
from sfu.events.deliverer import Deliverer
from sfu.events.sink import Sink, SinkOptions

log = structlog.get_logger(__name__)

LOOK_S = 10.0
"""Between looks at how much waits."""
LOOKS_TO_TIDY = 6
"""So many looks, and what is not needed any more is deleted."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long: what was told (``told_s``), and what was not (``waiting_s``), dead or not."""

    told_s: float = 86_400.0
    waiting_s: float = 604_800.0


class EventService:
    """``start`` it, and ``close`` it at the end."""

    def __init__(
        self,
        outbox: Outbox,
        sinks: Sequence[tuple[Sink, SinkOptions]],
        clock: Clock,
        keeping: Keeping,
        chance: Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._keeping = keeping
        chance = chance or Random()  # noqa: S311 - spreads attempts, nothing else
        self._deliverers = [Deliverer(outbox, sink, options, clock, chance) for sink, options in sinks]
        self._names = [one.sink.name for one in self._deliverers]
        self._backlogs: Mapping[str, Backlog] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Goes on by itself."""
        self._outbox.on_appended = self._wake
        for one in self._deliverers:
            one.start()
        self._task = asyncio.create_task(self._look_after(), name="look after events")

    def _wake(self) -> None:
        for one in self._deliverers:
            one.wake()

    async def close(self) -> None:
        """Tells what can be told within some seconds. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, *(one.close() for one in self._deliverers), return_exceptions=True)

    # for those who look after it

    def stats(self) -> Mapping[str, SinkStats]:
        """By sink."""
        return {
            one.sink.name: SinkStats(
                one.delivered,
                one.failed,
                one.died,
                one.breaker.is_open,
                self._backlogs.get(one.sink.name, Backlog()),
            )
            for one in self._deliverers
        }

    async def dead(self, sink: str | None, limit: int, after: DeadPlace | None = None) -> Sequence[DeadEntry]:
        """See ``Outbox``."""
        return await self._outbox.dead(sink, limit, after)

    async def retry(self, sink: str | None = None, ids: Collection[str] | None = None) -> int:
        """Has dead ones told again: all, or those of a sink or with these ids; how many."""
        sinks = [name for name in self._names if sink in {None, name}]
        return await self._outbox.revive(sinks, self._clock.wall(), ids)

    async def _look_after(self) -> None:
        looks = 0
        while True:
            try:
                self._backlogs = await self._outbox.backlog(self._names)
                if looks % LOOKS_TO_TIDY == 0:
                    await self._tidy()
                looks += 1
            except RemoteError:
                pass  # the database is away, which is told elsewhere
            except Exception:
                log.exception("events_failed")
            await asyncio.sleep(LOOK_S)

    async def _tidy(self) -> None:
        now, keeping = self._clock.wall(), self._keeping
        told_before = now - timedelta(seconds=keeping.told_s)
        lost = await self._outbox.forget(told_before, now - timedelta(seconds=keeping.waiting_s))
        if lost:
            log.error("events_lost", count=lost, hint=f"no sink took them within {keeping.waiting_s:g} s")
