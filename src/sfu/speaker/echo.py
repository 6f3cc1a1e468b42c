"""Whether two microphones hear the same voice: their levels rise and fall together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sfu.speaker.level import MEDIUM_TICKS

SAME = 0.8
"""Correlation from which two courses are one voice. Two voices at once stay below 0.6, but for a tick now and then."""
LEAD_TICKS = 2
"""A tick's place differs by so much between two senders."""
FLOOR = 75
"""What is softer is the microphones' own affair."""
FLAT = 30.0
"""Sum of squares below which a course has no shape to compare."""


def is_same_voice(levels: bytes, of: bytes, delay_ticks: int) -> bool:
    """Whether ``levels`` follow the course of ``of``, at most so many ticks later. Both as ``Voice.levels``."""
    newest = len(levels) - LEAD_TICKS
    shape = _shape(levels[newest - MEDIUM_TICKS : newest])
    if shape is None:
        return False
    for lag in range(-LEAD_TICKS, delay_ticks + 1):
        end = len(of) - LEAD_TICKS - lag
        other = _shape(of[end - MEDIUM_TICKS : end])
        if other is not None and sum(map(_times, shape, other)) >= SAME:
            return True
    return False


def _shape(levels: bytes) -> Sequence[float] | None:
    """Without mean, of length 1; None when it is flat."""
    limited = [min(level, FLOOR) for level in levels]
    mean = sum(limited) / len(limited)
    centred = [level - mean for level in limited]
    squares = sum(map(_times, centred, centred))
    if squares < FLAT:
        return None
    length = math.sqrt(squares)
    return [value / length for value in centred]


def _times(one: float, other: float) -> float:
    return one * other
