"""Windows of time: what was received, what it cost the server and the generator, how long packets took."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sfu.bench.load import Load
from sfu.bench.session import TICK_S, Progress
from sfu.bench.target import Target

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
GENERATOR_SATURATED = 0.9
"""Share of its processor from which on the generator may be what limits: what it loses, the server did not."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings. Latencies are counted in buckets: (largest value in us, packets)."""

    start_s: float
    """On the monotonic clock."""
    duration_s: float
    counted: dict[str, Any]
    """As ``LoadGen.report`` gives it."""
    server_cpu_s: float | None
    generator_cpu_share: float

    @property
    def packets(self) -> int:
        """That subscribers received."""
        return int(self.counted["packets"])

    @property
    def lost(self) -> int:
        """Numbers missing from subscribers' streams."""
        return int(self.counted["lost"])

    @property
    def packets_per_s(self) -> float:
        """Received, all subscribers together."""
        return self.packets / self.duration_s

    @property
    def cpu_us_per_packet(self) -> float | None:
        """Of the server, user and system; None when it is not known or nothing came."""
        return self.server_cpu_s * 1e6 / self.packets if self.server_cpu_s is not None and self.packets else None

    @property
    def cpu_share(self) -> float | None:
        """Of one processor, by the server."""
        return self.server_cpu_s / self.duration_s if self.server_cpu_s is not None else None

    @property
    def loss_share(self) -> float:
        """Of what was expected; 1 when nothing came."""
        return loss_share(self.packets - int(self.counted["duplicates"]), self.lost)


class Meter:
    """Reads the counters of a server and of the clients together, window after window."""

    def __init__(self, target: Target, load: Load) -> None:
        self._target = target
        self._load = load
        self.restart()

    def restart(self) -> None:
        """A window begins."""
        self._load.reset()
        self._usage = self._target.usage()
        self._start_s, self._own_cpu_s = time.monotonic(), time.process_time()

    def read(self) -> Window:
        """The window up to now; it goes on. TargetError when the server is gone."""
        counted, usage = self._load.report(), self._target.usage()
        duration_s = counted["elapsed_us"] / 1e6
        cpu_s = usage.cpu_s - self._usage.cpu_s if usage is not None and self._usage is not None else None
        own_share = (time.process_time() - self._own_cpu_s) / (time.monotonic() - self._start_s)
        return Window(self._start_s, duration_s, counted, cpu_s, own_share)

    async def measure(self, duration_s: float, progress: Progress, what: str = "measuring") -> Window:
        """A window of this length."""
        self.restart()
        start = time.monotonic()
        while (elapsed_s := time.monotonic() - start) < duration_s:
            progress(what, elapsed_s, duration_s)
            await asyncio.sleep(min(TICK_S, duration_s - elapsed_s))
        return self.read()


def loss_share(received: int, lost: int) -> float:
    """Of what was expected; 1 when nothing came, for that is no success."""
    return lost / (received + lost) if received + lost else 1.0


def merged(counts: Iterable[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Buckets of several windows as those of one, values rising."""
    total: Counter[int] = Counter()
    for buckets in counts:
        for value, count in buckets:
            total[value] += count
    return sorted(total.items())


def percentiles(counts: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Of buckets with rising values: p50 to p99_9 and max; all 0 when nothing was counted."""
    return {name: bucket_at(counts, share) for name, share in PERCENTILES.items()} | {
        "max": counts[-1][0] if counts else 0
    }


def bucket_at(counts: Sequence[tuple[int, int]], share: float) -> int:
    """The value that ``share`` (0 to 1) of what was counted does not exceed."""
    wanted, sum_ = share * sum(count for _, count in counts), 0
    for value, count in counts:
        sum_ += count
        if sum_ >= wanted:
            return value
    return counts[-1][0] if counts else 0


def quantile(ascending: Sequence[float], share: float) -> float:
    """The value that ``share`` of them does not exceed; 0 of none."""
    if not ascending:
        return 0.0
    return ascending[max(0, min(len(ascending) - 1, round(share * len(ascending)) - 1))]
