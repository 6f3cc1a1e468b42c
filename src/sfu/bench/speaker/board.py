"""All traces with several seeds: how good the detector is, beside the published one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sfu.bench.speaker.published import Published
from sfu.bench.speaker.score import Decide, Score, score
from sfu.bench.speaker.traces import TRACES
from sfu.speaker import SpeakerDetector

MIN_CORRECT = 0.92
MAX_LATENCY_S = 0.6
MAX_FALSE = 1.0
"""In ten minutes."""

LONG_TRACES = {"three hours": 1}
"""Played with no more seeds than these."""

_HEAD = """# Speaker scoreboard

Written by `{command}`: who is taken for the speaker in labelled meetings
({minutes:.0f} minutes; `src/sfu/bench/speaker/traces.py` makes them), by this server's detector and by Volfin & Cohen's
with the constants that other servers use. [speaker.md](speaker.md) explains both the detector and the figures.

"Correct" is the share of the time in which somebody who has the floor speaks, median and worst over the seeds. It must
be at least {correct:.2f}; half of all switches must be done within {latency} s, and a false one may happen
{false:.0f} time in ten minutes (median over the seeds).

| meeting | detector | correct | worst | switched after, p50 | p95 | false in 10 min | turns missed | |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of meeting, one detector."""

    trace: str
    detector: str
    seeds: int
    minutes: float
    correct: float
    worst: float
    latency_p50_s: float
    latency_p95_s: float
    false_per_10_minutes: float
    missed: int
    turns: int

    @property
    def holds(self) -> bool:
        return (
            self.correct >= MIN_CORRECT
            and self.latency_p50_s <= MAX_LATENCY_S
            and self.false_per_10_minutes <= MAX_FALSE
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "holds": self.holds}

    def cells(self) -> tuple[str, ...]:
        verdict = "" if self.detector != OURS else "yes" if self.holds else "**no**"
        return (
            self.trace,
            self.detector,
            f"{self.correct:.3f}",
            f"{self.worst:.3f}",
            f"{self.latency_p50_s:.2f} s",
            f"{self.latency_p95_s:.2f} s",
            f"{self.false_per_10_minutes:.1f}",
            f"{self.missed} of {self.turns}",
            verdict,
        )


OURS, PUBLISHED = "ours", "as published"


def ours(people: int) -> Decide:  # noqa: ARG001 - as any detector's maker
    detector: SpeakerDetector[int] = SpeakerDetector()
    return lambda blocks: detector.update(dict(enumerate(blocks)))


DETECTORS: dict[str, Callable[[int], Decide]] = {OURS: ours, PUBLISHED: Published}


def run(
    names: Sequence[str],
    seeds: int,
    progress: Callable[[str, int, int], None],
    detectors: Sequence[str] = tuple(DETECTORS),
) -> list[Row]:
    """The rows of these meetings; ``spoken.SpeechError`` when one needs speech that cannot be had."""
    rows = []
    counts = {name: min(seeds, LONG_TRACES.get(name, seeds)) for name in names}
    done, total = 0, sum(counts.values())
    for name in names:
        scores: dict[str, list[Score]] = {detector: [] for detector in detectors}
        for seed in range(1, counts[name] + 1):
            progress(name, done, total)
            trace = TRACES[name](seed)
            for detector, results in scores.items():
                results.append(score(trace, DETECTORS[detector](len(trace.levels))))
            done += 1
        rows += [_row(name, detector, of) for detector, of in scores.items()]
    return rows


def _row(name: str, detector: str, scores: Sequence[Score]) -> Row:
    latencies = sorted(latency for one in scores for latency in one.latencies_s)
    missed = sum(one.missed for one in scores)
    return Row(
        trace=name,
        detector=detector,
        seeds=len(scores),
        minutes=sum(one.minutes for one in scores),
        correct=median(one.correct for one in scores),
        worst=min(one.correct for one in scores),
        latency_p50_s=median(latencies) if latencies else float("inf"),
        latency_p95_s=latencies[int(len(latencies) * 0.95)] if latencies else float("inf"),
        false_per_10_minutes=median(one.false_per_10_minutes for one in scores),
        missed=missed,
        turns=len(latencies) + missed,
    )


def markdown(rows: Sequence[Row], seeds: int) -> str:
    """The page."""
    head = _HEAD.format(
        command=f"sfu bench speaker --seeds {seeds} --scoreboard docs/speaker-scoreboard.md",
        minutes=sum(row.minutes for row in rows if row.detector == OURS),
        correct=MIN_CORRECT,
        latency=MAX_LATENCY_S,
        false=MAX_FALSE,
    )
    return head + "".join(f"| {' | '.join(row.cells())} |\n" for row in rows)
