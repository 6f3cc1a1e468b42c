"""Virtual time: a ``sfu.clock.Clock`` that stands until it is told to move."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualTimer:
    """A callback that waits for its time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None] | None) -> None:
        self.callback = callback

    def cancel(self) -> None:
        """It will not be called."""
        self.callback = None


class VirtualClock:
    """Seconds since the beginning of the simulation, which is second 1,000, so that no time is ever zero."""

    START_S = 1000.0

    def __init__(self) -> None:
        self._now = self.START_S
        self._order = count()
        self._timers: list[tuple[float, int, VirtualTimer]] = []

    def now(self) -> float:
        return self._now

    def wall(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._now - self.START_S)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(callback)
        heapq.heappush(self._timers, (self._now + max(0.0, delay_s), next(self._order), timer))
        return timer

    def next_timer(self) -> float | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def move_to(self, now: float) -> None:
        """Sets the time (never back) and calls what is due, each once; what they start anew waits for the next call."""
        self._now = max(self._now, now)
        due = []
        while self._timers and self._timers[0][0] <= self._now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
