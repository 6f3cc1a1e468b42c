"""How well a detector follows a labelled trace."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfu.bench.speaker.sounds import TICK_S, ticks
from sfu.bench.speaker.traces import Trace

STEP = ticks(0.1)
"""A detector decides ten times a second."""
JUST_NOW = ticks(1.0)
"""Who had the floor so short a time ago is no false choice."""

Decide = Callable[[Sequence[bytes]], int | None]
"""From everybody's levels of the last 100 ms to the dominant speaker's number."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one trace."""

    minutes: float
    speech_s: float
    correct: float
    """Share of the time in which somebody with the floor speaks."""
    latencies_s: tuple[float, ...]
    """From the tick from which only the new one has the floor."""
    missed: int
    """Turns of a second and longer that were over before they were noticed."""
    false_switches: int

    @property
    def false_per_10_minutes(self) -> float:
        return self.false_switches / self.minutes * 10


class Floor:
    """Who has it, by tick."""

    def __init__(self, trace: Trace) -> None:
        self.holders: list[tuple[int, ...]] = [()] * trace.length
        self.speaking = bytearray(trace.length)
        for turn in trace.turns:
            for offset, is_said in enumerate(turn.said):
                at = turn.start + offset
                if at >= trace.length:
                    break
                self.holders[at] = (*self.holders[at], turn.who)
                if is_said:
                    self.speaking[at] = 1
        self._starts = {
            who: sorted((turn.start, turn.end) for turn in trace.turns if turn.who == who)
            for who in range(len(trace.levels))
        }

    def had_just_now(self, who: int, at: int) -> bool:
        """Within the last second, or now."""
        spans = self._starts[who]
        index = bisect_right(spans, (at, 1 << 60)) - 1
        return index >= 0 and spans[index][1] + JUST_NOW > at


def score(trace: Trace, decide: Decide) -> Score:
    """Plays the trace to a detector."""
    floor = Floor(trace)
    chosen: int | None = None
    course: list[int | None] = []
    false_switches = 0
    for at in range(0, trace.length - STEP + 1, STEP):
        now = decide([levels[at : at + STEP] for levels in trace.levels])
        course += [chosen] * STEP if at else [None] * STEP  # The decision counts from the end of what it is made of.
        if now != chosen and now is not None and not floor.had_just_now(now, at + STEP):
            false_switches += 1
        chosen = now
    spoken = correct = 0
    for at, who in enumerate(course):
        if floor.speaking[at]:
            spoken += 1
            correct += who in floor.holders[at]
    latencies, missed = _latencies(trace, course)
    return Score(
        trace.length * TICK_S / 60, spoken * TICK_S, correct / max(1, spoken), tuple(latencies), missed, false_switches
    )


def _latencies(trace: Trace, course: Sequence[int | None]) -> tuple[list[float], int]:
    latencies: list[float] = []
    missed = 0
    free_from, before = 0, -1
    for turn in trace.turns:
        start = max(turn.start, free_from)
        if turn.who != before and start < min(turn.end, len(course)):
            found = next((at for at in range(start, min(turn.end, len(course))) if course[at] == turn.who), None)
            if found is not None:
                latencies.append((found - start) * TICK_S)
            elif turn.end - start >= ticks(1):
                missed += 1
        free_from, before = max(free_from, turn.end), turn.who
    return latencies, missed
