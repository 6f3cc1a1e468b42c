"""Plays cases over seeds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sfu.bench.network.case import Case, Figure, Played
from sfu.bench.network.cases import CASES
from sfu.bench.network.figures import Course, quantile
from sfu.bench.network.scenario import Scenario
from sfu.bench.network.stage import Stage


@dataclass(frozen=True, slots=True)
class Row:
    """A figure over seeds. ``p95`` is towards the worse end."""

    case: str
    title: str
    figure: Figure
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        return quantile(self.values, 0.05 if self.figure.at_least else 0.95)

    @property
    def holds(self) -> bool:
        """Whether the median is as good as it is held to."""
        return self.figure.holds(self.median)

    @property
    def reached(self) -> bool:
        """Whether the median is as good as it must be."""
        return self.figure.reaches(self.median, self.figure.limit)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what never happened is None."""
        figure = self.figure
        finite = [None if value == float("inf") else value for value in (self.median, self.p95, *self.values)]
        return {
            "case": self.case,
            "title": self.title,
            "figure": figure.name,
            "unit": figure.unit,
            "bound": figure.bound,
            "median": finite[0],
            "p95": finite[1],
            "holds": self.holds,
            "reached": self.reached,
            "values": finite[2:],
        }


@dataclass(slots=True)
class Board:
    """All rows, and how fast they were got."""

    seeds: int
    first_seed: int = 1
    rows: list[Row] = field(default_factory=list)
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    runs: int = 0

    @property
    def holds(self) -> bool:
        """Whether no row is worse than its bound."""
        return all(row.holds for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "seeds": self.seeds,
            "first_seed": self.first_seed,
            "runs": self.runs,
            "virtual_s": self.virtual_s,
            "cpu_s": self.cpu_s,
            "holds": self.holds,
            "rows": [row.as_dict() for row in self.rows],
        }


def play(scenario: Scenario, seed: int) -> Played:
    """One run."""
    stage = Stage(scenario, seed)
    try:
        stage.run()
        courses = tuple(Course.of(stage.sim.client_report(stage.client_of(person))) for person in scenario.watched)
        tcp_bytes = tuple(stage.sim.downlink_report(0)["tcp_bytes"])
        notices = tuple(notice for notice in stage.notices if notice.person in scenario.watched)
        return Played(scenario, courses, notices, tcp_bytes)
    finally:
        stage.close()


def run(
    only: Sequence[str] = (),
    seeds: int = 5,
    progress: Callable[[str], None] = lambda _: None,
    first_seed: int = 1,
) -> tuple[Board, dict[str, Played]]:
    """All cases or those named; the board, and the first run of each case."""
    board = Board(seeds, first_seed)
    firsts: dict[str, Played] = {}
    for case in CASES:
        if only and case.name not in only:
            continue
        progress(case.name)
        _play_case(board, firsts, case)
    return board, firsts


def _play_case(board: Board, firsts: dict[str, Played], case: Case) -> None:
    values: list[list[float]] = [[] for _ in case.figures]
    for seed in range(board.first_seed, board.first_seed + board.seeds):
        began = time.process_time()
        played = play(case.scenario(seed), seed)
        firsts.setdefault(case.name, played)
        for column, figure in zip(values, case.figures, strict=True):
            column.append(figure.take(played))
        board.cpu_s += time.process_time() - began
        board.virtual_s += played.scenario.length_s
        board.runs += 1
    board.rows += [
        Row(case.name, case.title, figure, tuple(column)) for figure, column in zip(case.figures, values, strict=True)
    ]
