"""The engine's timers: a heap of moments and callbacks, run by whoever drives the engine. No clock here."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

TimerCallback = Callable[[float], None]
"""Called with ``now``, seconds."""

AT_ONCE = float("-inf")
"""Before every moment: due as soon as the driver comes by."""


class Timer:
    """One callback at one moment."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: TimerCallback) -> None:
        self.when = when
        self.callback: TimerCallback | None = callback

    def cancel(self) -> None:
        """It will not be called. Idempotent; harmless after it was called."""
        self.callback = None


class Timers:
    """Cancelled timers stay in the heap until their moment, so their number is bounded by what was set
    within the longest delay in use (30 s).
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self.on_earlier: Callable[[], None] | None = None
        """Called when ``poll_timeout`` has become earlier: the driver has to look again."""

    def at(self, when: float, callback: TimerCallback) -> Timer:
        """Calls back at ``when``, seconds on the caller's clock."""
        timer = Timer(when, callback)
        earliest = self._heap[0][0] if self._heap else float("inf")
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if when < earliest and self.on_earlier is not None:
            self.on_earlier()
        return timer

    def soon(self, callback: TimerCallback) -> Timer:
        """Calls back at the next ``handle_timeout``: for what needs to know the time and has not been told."""
        return self.at(AT_ONCE, callback)

    def poll_timeout(self) -> float | None:
        """The moment of the next timer that is not cancelled."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[Timer]:
        """Removes and returns what is due, in order. What callbacks set anew waits for the next call."""
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due
