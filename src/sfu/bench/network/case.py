"""What a case of the scoreboard is: a scenario for each seed, the figures taken from a run, what they must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfu.bench.network.figures import Course
from sfu.bench.network.scenario import Scenario
from sfu.bench.network.stage import Notice


@dataclass(frozen=True, slots=True)
class Played:
    """What a run gave: the courses of those who are judged, what they were told, what downloads beside them got."""

    scenario: Scenario
    courses: tuple[Course, ...]
    notices: tuple[Notice, ...]
    tcp_bytes: tuple[int, ...]

    @property
    def course(self) -> Course:
        """Of the first who is judged."""
        return self.courses[0]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the scoreboard. ``limit``: the worst that its median over seeds may be; None: for information."""

    name: str
    unit: str
    take: Callable[[Played], float]
    limit: float | None = None
    at_least: bool = False
    """The limit is a lower one."""
    meanwhile: float | None = None
    """What it is held to as long as the limit is not reached, so that it does not get worse."""

    def reaches(self, value: float, limit: float | None) -> bool:
        """Whether a median is as good as ``limit``."""
        return limit is None or (value >= limit if self.at_least else value <= limit)

    def holds(self, value: float) -> bool:
        """Whether a median is as good as it is held to."""
        return self.reaches(value, self.held_to)

    @property
    def held_to(self) -> float | None:
        """The bound that fails."""
        return self.limit if self.meanwhile is None else self.meanwhile

    @property
    def bound(self) -> str:
        """As text."""
        return "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Case:
    """``scenario`` makes the run for a seed."""

    name: str
    title: str
    scenario: Callable[[int], Scenario]
    figures: tuple[Figure, ...]
