"""The scenario ``ramp``: subscribers join and leave until the largest load within the limits is known.

The streams stay as they are and the number of subscribers changes, so that every step has the traffic of a real
meeting. Publishers are silent while subscribers join, for a full server lets nobody in. Steps grow by half, or by less
when the server's processor time tells that its end is near, until one fails; then the distance between the largest that
holds and the smallest that fails is halved until they lie close together. A narrow failure, or one of a server that had
processor time to spare, is measured a second time, so that one hiccup decides nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sfu.bench.meter import GENERATOR_SATURATED, Meter, Window
from sfu.bench.session import WARM_UP_S, Progress, publish, session, subscribe
from sfu.dtls.srtp import SrtpProfile

GROWTH = 1.5
CLOSE = 1.06
"""The search ends when the smallest load that fails is so many times the largest that holds."""
LOSS_LIMIT = 0.001

_HEADROOM = 1.05
"""Beyond what a whole processor should bear, so that the limit is met and not only approached."""
_NARROW = 2.0
"""A limit missed by up to so many times is measured again."""
_FULL = 0.9
"""Share of its processor from which on a server's failure needs no other explanation."""


class Limit(StrEnum):
    """What ended the growth."""

    LOSS = "loss"
    LATENCY = "latency"
    GENERATOR = "generator"
    """The clients' processor was full when a limit was passed: the server may have more to give."""
    SUBSCRIBERS = "subscribers"
    """No limit was met with as many as were allowed."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. ``start`` and ``most`` are numbers of subscribers."""

    publishers: int
    start: int
    most: int
    video_kbps: int
    audio: bool
    step_s: float
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True
    max_p99_us: int = 20_000


@dataclass(frozen=True, slots=True)
class Step:
    """One load and how the server bore it."""

    subscribers: int
    packets_per_s: float
    loss_share: float
    latency_us: dict[str, int]
    cpu_us_per_packet: float | None
    cpu_share: float | None
    """Of one processor, by the server."""
    generator_cpu_share: float
    generator_late_us: int
    limit: Limit | None
    """What it passed; None: it was within the limits."""


@dataclass(frozen=True, slots=True)
class Result:
    """``steps`` in the order of measuring. None: not one load was within the limits, or costs are not known."""

    options: dict[str, Any]
    capacity_packets_per_s: float | None
    """Of the largest load within the limits."""
    capacity_subscribers: int | None
    cpu_share_at_capacity: float | None
    packets_per_s_per_full_core: float | None
    """An extrapolation, not a measurement: capacity divided by the share of a processor that it took."""
    limit: Limit
    steps: list[Step]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Search:
    """Which load is next. Sans-IO."""

    def __init__(self, start: int, most: int) -> None:
        self._most = most
        self._next = min(start, most)
        self._holds = 0
        self._fails: int | None = None
        self._failed_once = False

    def next(self) -> int | None:
        """Subscribers of the next step; None: it is known well enough."""
        return self._next or None

    def note(self, *, holds: bool, narrowly: bool = False, cpu_share: float | None = None) -> None:
        """How the step went; ``narrowly`` when it failed by little, ``cpu_share`` of the server's processor."""
        now = self._next
        if narrowly and not holds and not self._failed_once:
            self._failed_once = True
            return
        self._failed_once = False
        if holds:
            self._holds = now
        else:
            self._fails = now
        if self._fails is None:
            growth = min(GROWTH, _HEADROOM / cpu_share) if cpu_share else GROWTH
            larger = max(now + 1, round(now * max(growth, CLOSE)))
            self._next = 0 if now >= self._most else min(self._most, larger)
        elif self._fails <= max(1.0, self._holds * CLOSE) or self._fails - self._holds <= 1:
            self._next = 0
        else:
            self._next = (self._holds + self._fails) // 2


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when it cannot."""
    steps: list[Step] = []
    async with session(options.profile, url=options.url, pin=options.pin) as (target, load):
        meetings = [f"bench-{secrets.token_hex(4)}-{number}" for number in range(options.publishers)]
        await publish(target, load, meetings, video_kbps=options.video_kbps, audio=options.audio, progress=progress)
        meter, search, present = Meter(target, load), Search(options.start, options.most), 0
        while (wanted := search.next()) is not None:
            load.pause(paused=True)
            await subscribe(target, load, meetings, range(present, wanted), audio=options.audio, progress=progress)
            load.leave(present - wanted)
            load.pause(paused=False)
            present = wanted
            await asyncio.sleep(WARM_UP_S)
            window = await meter.measure(options.step_s, progress, f"{wanted} subscribers")
            steps.append(step(wanted, window, options.max_p99_us))
            search.note(
                holds=steps[-1].limit is None,
                narrowly=_is_narrow(steps[-1], options.max_p99_us),
                cpu_share=steps[-1].cpu_share,
            )
    return result(options, steps)


def step(subscribers: int, window: Window, max_p99_us: int) -> Step:
    """Judges a window."""
    return Step(
        subscribers=subscribers,
        packets_per_s=window.packets_per_s,
        loss_share=window.loss_share,
        latency_us=window.counted["latency_us"],
        cpu_us_per_packet=window.cpu_us_per_packet,
        cpu_share=window.cpu_share,
        generator_cpu_share=window.generator_cpu_share,
        generator_late_us=window.counted["late_us"],
        limit=_limit_passed(window, max_p99_us),
    )


def _is_narrow(step: Step, max_p99_us: int) -> bool:
    """Also a failure of a server that had processor time to spare: something else disturbed it."""
    if step.cpu_share is not None and step.cpu_share < _FULL:
        return True
    return step.loss_share <= LOSS_LIMIT * _NARROW and step.latency_us["p99"] <= max_p99_us * _NARROW


def _limit_passed(window: Window, max_p99_us: int) -> Limit | None:
    loss = window.loss_share > LOSS_LIMIT
    if not loss and window.counted["latency_us"]["p99"] <= max_p99_us:
        return None
    if window.generator_cpu_share >= GENERATOR_SATURATED:
        return Limit.GENERATOR
    return Limit.LOSS if loss else Limit.LATENCY


def result(options: Options, steps: list[Step]) -> Result:
    """What the steps say together."""
    held = [step for step in steps if step.limit is None]
    best = max(held, key=lambda step: step.subscribers, default=None)
    failed = [
        step for step in steps if step.limit is not None and (best is None or step.subscribers > best.subscribers)
    ]
    nearest = min(failed, key=lambda step: step.subscribers, default=None)
    capacity, share = (best.packets_per_s, best.cpu_share) if best is not None else (None, None)
    return Result(
        options=asdict(options),
        capacity_packets_per_s=capacity,
        capacity_subscribers=best.subscribers if best is not None else None,
        cpu_share_at_capacity=share,
        packets_per_s_per_full_core=capacity / share if capacity and share else None,
        limit=nearest.limit if nearest is not None and nearest.limit is not None else Limit.SUBSCRIBERS,
        steps=steps,
    )
