"""A running meeting watched in short windows: before something happens to the server, while it does, and after."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sfu.bench.meter import Meter, Window, loss_share, merged, percentiles

WINDOW_S = 0.5


class Phase(StrEnum):
    """Relative to what disturbs."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Point:
    """One window, for the plot."""

    at_s: float
    """Its end, from the start of watching."""
    phase: Phase
    packets: int
    lost: int
    p50_us: int
    p99_us: int
    max_us: int
    generator_late_us: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One phase as a whole."""

    duration_s: float
    packets: int
    lost: int
    loss_share: float
    latency_us: dict[str, int]
    latency_counts: list[tuple[int, int]]
    cpu_share: float | None
    generator_cpu_share: float
    generator_late_us: int
    keyframe_requests: int
    busiest_keyframe_requests: int
    """The most that one encoding was asked for within a second."""


class Watch:
    """Cuts time into windows as long as it runs; counting never pauses, so nothing is lost between two."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.phase = Phase.BEFORE
        self._windows: list[tuple[Phase, Window]] = []
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on."""
        self._meter.restart()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Takes the last window. Raises what watching raised: TargetError when the server went away."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            phase = self.phase
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WINDOW_S)
            # A window in which the phase changed belongs to what disturbs.
            mixed = phase if phase is self.phase else Phase.DURING
            self._windows.append((mixed, self._meter.read()))
            self._meter.restart()

    def series(self) -> list[Point]:
        """All windows."""
        return [_point(phase, window, self._windows[0][1].start_s) for phase, window in self._windows]

    def summary(self, phase: Phase) -> Summary:
        """Of all windows of a phase."""
        return _summary([window for of, window in self._windows if of is phase])


def _point(phase: Phase, window: Window, start_s: float) -> Point:
    counted = window.counted
    latency = counted["latency_us"]
    at_s = window.start_s + window.duration_s - start_s
    return Point(
        at_s, phase, window.packets, window.lost, latency["p50"], latency["p99"], latency["max"], counted["late_us"]
    )


def _summary(windows: Sequence[Window]) -> Summary:
    duration_s = sum(window.duration_s for window in windows)
    packets, lost = sum(window.packets for window in windows), sum(window.lost for window in windows)
    counts = merged(window.counted["latency_counts"] for window in windows)
    costs = [window.server_cpu_s for window in windows if window.server_cpu_s is not None]
    return Summary(
        duration_s=duration_s,
        packets=packets,
        lost=lost,
        loss_share=loss_share(packets - sum(window.counted["duplicates"] for window in windows), lost),
        latency_us=percentiles(counts),
        latency_counts=counts,
        cpu_share=sum(costs) / duration_s if costs and duration_s else None,
        generator_cpu_share=_mean([(window.generator_cpu_share, window.duration_s) for window in windows]),
        generator_late_us=max((window.counted["late_us"] for window in windows), default=0),
        keyframe_requests=sum(window.counted["keyframe_requests"] for window in windows),
        busiest_keyframe_requests=max((window.counted["busiest_keyframe_requests"] for window in windows), default=0),
    )


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    weight = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / weight if weight else 0.0
