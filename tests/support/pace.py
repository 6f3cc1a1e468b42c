"""What work costs, in seconds of a processor at its ordinary pace.

A share of a core is a statement about the code only where the processor is at its usual speed and the heap holds what
the work itself made. Neither is so at the end of a long test run on a shared machine: neighbours take the memory's
time, and a full garbage collection visits the objects of every test before. So each piece of work is paired with a
fixed piece of Python that is slowed by the same neighbours, and what lives already is kept out of the collections.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

ORDINARY_S = 0.00115
"""What ``_fixed_work`` takes on the machine that the bounds were written on, when nothing else runs there."""


@dataclass(slots=True)
class _Thing:
    name: str
    weight: float
    rank: int = 0


class Pace:
    """Adds up what work costs; ``with pace.of_work(): ...`` as often as wanted, then ``pace.spent_s``."""

    def __init__(self) -> None:
        self._things = [_Thing(str(number), number * 7919 % 3001 / 7.0) for number in range(3_000)]
        self._raw_s = self._fixed_s = 0.0
        self._pieces = 0

    @contextmanager
    def of_work(self) -> Iterator[None]:
        """Counts the process's CPU time within, the collections of its own garbage among it."""
        gc.freeze()
        try:
            begun = time.process_time()
            self._fixed_work()
            started = time.process_time()
            yield
            self._raw_s += time.process_time() - started
            self._fixed_s += started - begun
            self._pieces += 1
        finally:
            gc.unfreeze()

    @property
    def spent_s(self) -> float:
        """CPU seconds of all the work, as if the processor had been at its ordinary pace."""
        return self._raw_s / self.slowness

    @property
    def slowness(self) -> float:
        """How many times as long as ordinarily the fixed work took beside this work."""
        return self._fixed_s / (self._pieces * ORDINARY_S)

    def _fixed_work(self) -> None:
        by_name: dict[str, float] = {}
        for rank, thing in enumerate(sorted(self._things, key=lambda thing: thing.weight)):
            thing.rank = rank
            by_name[thing.name] = max(thing.weight, by_name.get(str(rank // 2), 0.0)) + 0.5
        self._things.reverse()
