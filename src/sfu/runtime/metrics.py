"""How late the event loop is: the one thing about Python that a user can feel (media does not wait for it)."""

from __future__ import annotations

from collections import deque

from sfu.clock import Clock, Timer

TICK_S = 0.5
"""Each tick wakes a thread that may have nothing else to do. Stalls that last longer are all seen."""
WINDOW_S = 15.0
"""A usual scrape interval, so that a stall between two scrapes is seen."""


class LoopLag:
    """Sets a timer for every ``TICK_S`` and sees how late it comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected = 0.0
        self._timer: Timer | None = None
        self._recent: deque[float] = deque(maxlen=int(WINDOW_S / TICK_S))

    def start(self) -> None:
        """Measures from now on."""
        self._expected = self._clock.now() + TICK_S
        self._timer = self._clock.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._recent.append(max(0.0, self._clock.now() - self._expected))
        self.start()

    def worst_s(self) -> float:
        """The worst of the last 15 s, seconds; a stall that still goes on does not get this far."""
        return max(self._recent, default=0.0)

    def stop(self) -> None:
        """Measures no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
