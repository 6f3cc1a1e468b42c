"""When Python looks for garbage that refers to itself.

To look through all objects stops the control plane for as long as that takes, 144 ms with a thousand participants, and
the interpreter does it again and again while they come. Here it is done by the clock, so rarely that it takes a
thousandth of the time at most, and when there is little else to do. The interpreter itself looks through young objects
alone, some thousands at a time: most of them are gone by then, and those that stay, as nearly all that a join makes
does, are looked at once and not twice.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from sfu.clock import Clock, Timer

SHARE = 0.001
"""Of the time, for full collections."""
SHORTEST_S = 30.0
"""Between two of them, also when they are quick. What refers to itself is freed later than before by so much."""
YOUNG = 10_000
"""Objects more than there were before the interpreter looks through them, which takes it a millisecond."""
NEVER = 1 << 30
"""Collections of younger objects before the interpreter looks through older ones by itself."""
BUSY = 0.4
"""Of the last second: while the control plane works more than that a full collection waits, because in a storm of joins
everybody waits for it.
"""
LOOK_S = 1.0
LONGEST_S = 300.0
"""So long it waits."""


class FullCollections:
    """``collect`` looks through all objects; ``stopwatch`` reads seconds, ``worked`` those that this thread worked."""

    def __init__(
        self,
        clock: Clock,
        *,
        collect: Callable[[], object] = gc.collect,
        stopwatch: Callable[[], float] = time.perf_counter,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._collect = collect
        self._stopwatch = stopwatch
        self._worked = worked
        self._worked_s = 0.0
        """At the last look."""
        self._latest = 0.0
        self._thresholds = gc.get_threshold()
        self._timer: Timer | None = None

    def start(self) -> None:
        """What there is now (modules, and what start made) stays for good, and is never looked through again. Full
        collections are by the clock from here on.
        """
        self._collect()
        gc.freeze()
        gc.set_threshold(YOUNG, NEVER, NEVER)
        self._pause(SHORTEST_S)

    def stop(self) -> None:
        """The interpreter does it by itself again. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.set_threshold(*self._thresholds)

    def _pause(self, seconds: float) -> None:
        self._latest = self._clock.now() + seconds + LONGEST_S
        self._timer = self._clock.call_later(seconds - LOOK_S, self._look)

    def _look(self) -> None:
        self._worked_s = self._worked()
        self._timer = self._clock.call_later(LOOK_S, self._turn)

    def _turn(self) -> None:
        if self._worked() - self._worked_s > BUSY * LOOK_S and self._clock.now() < self._latest:
            self._look()
            return
        start = self._stopwatch()
        self._collect()
        took_s = self._stopwatch() - start
        self._pause(max(SHORTEST_S, took_s / SHARE))
