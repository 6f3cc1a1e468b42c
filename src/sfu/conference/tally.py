"""Counts of things that took some time, in the form that histograms have."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Tally:
    """Durations by upper bounds, seconds; what is longer than the last bound is in a class of its own."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = tuple(bounds_s)
        self._counts = [0] * (len(self.bounds_s) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self.bounds_s, seconds)] += 1
        self.total_s += seconds

    def cumulative(self) -> list[int]:
        """How many took so long at most, for each bound, and then all."""
        total, sums = 0, []
        for count in self._counts:
            total += count
            sums.append(total)
        return sums
