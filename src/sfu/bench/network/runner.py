"""Plays cases over seeds."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sfu.bench.network.case import Figure, Played
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


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one run: the figures of its case, in their order."""

    values: tuple[float, ...]
    virtual_s: float
    cpu_s: float


def run(
    only: Sequence[str] = (),
    seeds: int = 5,
    progress: Callable[[str], None] = lambda _: None,
    first_seed: int = 1,
    jobs: int = 1,
) -> Board:
    """All cases or those named. ``jobs``: processes that share the runs; what comes out does not depend on it."""
    cases = [case for case in CASES if not only or case.name in only]
    numbers = range(first_seed, first_seed + seeds)
    runs = [(case.name, seed) for case in cases for seed in numbers]
    board = Board(seeds, first_seed, runs=len(runs))
    with _players(min(jobs, len(runs))) as each:
        outcomes = each(_measure, runs)
        for case in cases:
            progress(case.name)
            of_case = list(islice(outcomes, seeds))
            board.virtual_s += sum(outcome.virtual_s for outcome in of_case)
            board.cpu_s += sum(outcome.cpu_s for outcome in of_case)
            columns = zip(*(outcome.values for outcome in of_case), strict=True)
            board.rows += [
                Row(case.name, case.title, figure, column) for figure, column in zip(case.figures, columns, strict=True)
            ]
    return board


def first_runs(only: Sequence[str] = (), first_seed: int = 1) -> dict[str, Played]:
    """The first run of each case, by its name: to be drawn."""
    return {case.name: play(case.scenario(first_seed), first_seed) for case in CASES if not only or case.name in only}


@contextmanager
def _players(jobs: int) -> Iterator[Callable[..., Iterator[_Outcome]]]:
    """Something like ``map``: results come in order, as soon as they are there."""
    if jobs <= 1:
        yield map
        return
    # Not forked: this process may have threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _quiet) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _quiet() -> None:
    """As the process that asked: errors alone (``cli``), and Ctrl-C is that one's."""
    logging.getLogger("sfu").setLevel(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _measure(which: tuple[str, int]) -> _Outcome:
    name, seed = which
    case = next(case for case in CASES if case.name == name)
    began = time.process_time()
    played = play(case.scenario(seed), seed)
    values = tuple(figure.take(played) for figure in case.figures)
    return _Outcome(values, played.scenario.length_s, time.process_time() - began)
