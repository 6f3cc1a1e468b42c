from __future__ import annotations

import dataclasses
from pathlib import Path

from bench.peers.adapter import Peer, Running
from bench.peers.comparison import OURS, OURS_ALONE, Run, Spread, rows

from sfu.bench.fanout import Result


class Named(Peer):
    """Of which nothing runs."""

    install = "nobody can"

    def __init__(self, name: str, target_ratio: float | None) -> None:
        self.name = name
        self.target_ratio = target_ratio

    def is_installed(self) -> str | None:
        return "it is only a name"

    async def start(self, cpu: int | None, folder: Path) -> Running:
        raise NotImplementedError


def result(cpu_us: float, *, packets: int = 1000, lost: int = 0) -> Result:
    values: dict[str, object] = {field.name: 0 for field in dataclasses.fields(Result)}
    latency = {"p50": 500, "p90": 800, "p99": 1500, "p99_9": 2000, "max": 3000}
    values |= {"cpu_us_per_packet": cpu_us, "packets": packets, "lost": lost, "latency_us": latency, "join_ms": {}}
    return Result(**values)  # type: ignore[arg-type]


def test_a_ratio_is_of_the_same_round() -> None:
    ours, theirs = (1.0, 2.0, 4.0), (5.0, 8.0, 24.0)
    runs = [Run(OURS, 200, number, True, True, result(cost)) for number, cost in enumerate(ours)]
    runs += [Run("other", 200, number, True, True, result(cost)) for number, cost in enumerate(theirs)]
    mine, other = rows(runs, [Named("other", 4.5)])
    assert mine.cpu_us_per_packet == Spread(2.0, 1.0, 4.0)
    assert other.ratio == Spread(5.0, 4.0, 6.0)
    assert not other.misses


def test_a_target_is_missed_when_no_round_reaches_it() -> None:
    runs = [Run(OURS, 200, 0, True, True, result(2.0)), Run("other", 200, 0, True, True, result(8.0))]
    assert rows(runs, [Named("other", 4.1)])[1].misses
    assert not rows(runs, [Named("other", 4.0)])[1].misses
    assert not rows(runs, [Named("other", None)])[1].misses


def test_targets_are_set_for_200_subscribers_alone() -> None:
    runs = [Run(OURS, 10, 0, True, True, result(2.0)), Run("other", 10, 0, True, True, result(2.0))]
    assert rows(runs, [Named("other", 9)])[1].target_ratio is None


def test_video_alone_is_compared_with_video_alone() -> None:
    runs = [Run(OURS, 200, 0, True, True, result(1.0)), Run(OURS, 200, 0, False, True, result(2.0))]
    runs.append(Run("other", 200, 0, False, True, result(6.0)))
    other = rows(runs, [Named("other", None)])[2]
    assert (other.server, other.audio, other.ratio) == ("other", False, Spread(3.0, 3.0, 3.0))


def test_who_estimates_no_network_is_compared_with_ours_forwarding_alone() -> None:
    runs = [Run(OURS, 200, 0, True, True, result(2.0)), Run(OURS_ALONE, 200, 0, True, False, result(1.0))]
    runs += [Run("with", 200, 0, True, True, result(6.0)), Run("without", 200, 0, True, False, result(6.0))]
    ratios = {row.server: row.ratio and row.ratio.median for row in rows(runs, [])}
    assert ratios == {OURS: 1.0, OURS_ALONE: 1.0, "with": 3.0, "without": 6.0}


def test_a_run_that_failed_is_kept_with_its_reason_and_counts_as_a_miss() -> None:
    runs = [Run(OURS, 200, 0, True, True, result(1.0)), Run("other", 200, 0, True, True, None, "it ended")]
    other = rows(runs, [Named("other", 3)])[1]
    assert (other.rounds, other.ratio, other.loss, other.failures) == (0, None, 1.0, ["it ended"])
    assert other.misses


def test_loss_is_of_all_that_should_have_come() -> None:
    runs = [Run(OURS, 10, number, True, True, result(1.0, packets=99, lost=1)) for number in range(2)]
    assert rows(runs, [])[0].loss == 0.01
