"""The scenario ``joins``: a storm of joins at a steady rate beside a meeting that runs.

The storm is open-loop: a join starts when its time has come, whether or not the ones before it are done, and its time
counts from then on. Those who join come to other meetings, ten to each, in which nobody publishes, and stay.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sfu.bench.fanout import join_percentiles_ms
from sfu.bench.load import JoinError, Load
from sfu.bench.meter import Meter
from sfu.bench.phases import Phase, Point, Summary, Watch
from sfu.bench.session import WARM_UP_S, Progress, publish, session, subscribe
from sfu.bench.target import Target
from sfu.dtls.srtp import SrtpProfile

QUIET_S = 3.0
"""How long the running meeting is watched before and after."""
MEETING_SIZE = 10
MAX_JOINS = 9_000
"""Sockets of one process."""
_BYSTANDERS = 1
"""The group of those who join: the running meeting alone is counted."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. The running meeting has ``publishers`` and ``subscribers``, as in ``fanout``."""

    rate: float
    duration_s: float
    publishers: int
    subscribers: int
    video_kbps: int
    audio: bool
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """``phases``: the running meeting before, during and after the storm."""

    options: dict[str, Any]
    joins: int
    failed: int
    errors: dict[str, int]
    """The first few kinds of failure, and how often each happened."""
    joins_per_s: float
    """Joins that came about, from the start of the first to the end of the last."""
    join_ms: dict[str, float]
    most_at_once: int
    """Joins under way at the same time: it grows when the server or the generator does not keep up."""
    rss_bytes: int | None
    phases: dict[str, Summary]
    series: list[Point]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Storm:
    """What is known of it so far."""

    times_s: list[float]
    errors: Counter[str]
    under_way: int = 0
    most_at_once: int = 0
    duration_s: float = 0.0

    async def join(self, target: Target, load: Load, meeting: str, due: float) -> None:
        """One of the joins; ``due`` is when it was to start."""
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await load.subscribe(target.subscriber(meeting), audio=True, group=_BYSTANDERS)
            self.times_s.append(time.monotonic() - due)
        except JoinError as error:
            self.errors[str(error)] += 1
        finally:
            self.under_way -= 1

    async def run(self, options: Options, target: Target, load: Load, progress: Progress) -> None:
        """Starts each join when it is due, and waits for the last."""
        run_id, start = secrets.token_hex(4), time.monotonic()
        total = round(options.rate * options.duration_s)
        async with asyncio.TaskGroup() as joins:
            for number in range(total):
                due = start + number / options.rate
                # Also without waiting: the others must have their turn.
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                joins.create_task(self.join(target, load, f"storm-{run_id}-{number // MEETING_SIZE}", due))
                progress("joining", number + 1, total)
        self.duration_s = time.monotonic() - start


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when the running meeting does not come about."""
    settings = {"SFU_MEETING__MAX_MEETINGS": "10000"}
    async with session(options.profile, url=options.url, pin=options.pin, settings=settings) as (target, load):
        meetings = [f"bench-{secrets.token_hex(4)}-{number}" for number in range(options.publishers)]
        await publish(target, load, meetings, video_kbps=options.video_kbps, audio=options.audio, progress=progress)
        numbers = range(options.subscribers)
        await subscribe(target, load, meetings, numbers, audio=options.audio, progress=progress)
        await asyncio.sleep(WARM_UP_S)
        storm, watch = _Storm([], Counter()), Watch(Meter(target, load))
        watch.start()
        try:
            progress("before the storm", 0, 1)
            await asyncio.sleep(QUIET_S)
            watch.phase = Phase.DURING
            await storm.run(options, target, load, progress)
            watch.phase = Phase.AFTER
            progress("after the storm", 0, 1)
            await asyncio.sleep(QUIET_S)
        finally:
            await watch.stop()
        usage = target.usage()
        return _result(options, storm, watch, usage.rss_bytes if usage is not None else None)


def _result(options: Options, storm: _Storm, watch: Watch, rss_bytes: int | None) -> Result:
    failed = storm.errors.total()
    return Result(
        options=asdict(options),
        joins=len(storm.times_s) + failed,
        failed=failed,
        errors=dict(storm.errors.most_common(5)),
        joins_per_s=len(storm.times_s) / storm.duration_s if storm.duration_s else 0.0,
        join_ms=join_percentiles_ms(storm.times_s),
        most_at_once=storm.most_at_once,
        rss_bytes=rss_bytes,
        phases={phase.value: watch.summary(phase) for phase in Phase},
        series=watch.series(),
    )
