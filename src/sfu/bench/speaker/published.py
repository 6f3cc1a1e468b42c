"""Volfin & Cohen's algorithm with the constants that are in use elsewhere, to compare with.

The paper's number of active sub-bands is replaced by the level above the microphone's softest, in 13 steps. Facts and
constants: the paper (2012), and those that Jitsi and mediasoup use (13, 5 and 10 parts; thresholds 7 and 4; relative
scores of 3, 2 and 0; a decision every 300 ms).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sfu.speaker.level import NO_SOUND

IMMEDIATE, MEDIUM, LONG = 13, 5, 10
MEDIUM_THRESHOLD, LONG_THRESHOLD = 7, 4
RATES = (0.78, 24.0, 47.0)
MARGINS = (3.0, 2.0, 0.0)
DECIDE_EVERY = 3
"""Blocks of 100 ms."""

_STEP_DB = 2
_NOISE_MARGIN_DB = 6
_NOISE_RISES_DB = 0.02
_SOFTEST = 90


def _scores(parts: int, rate: float) -> tuple[float, ...]:
    """Of 0..parts active ones: how much likelier speech is than noise."""
    return tuple(
        math.log(math.comb(parts, active)) + parts * math.log(0.5) - math.log(rate) + rate * active
        for active in range(parts + 1)
    )


class Published:
    """A detector as ``score.Decide`` wants it."""

    _TABLES = tuple(_scores(parts, rate) for parts, rate in zip((IMMEDIATE, MEDIUM, LONG), RATES, strict=True))

    def __init__(self, people: int) -> None:
        self._activity = [[0] * (MEDIUM * LONG) for _ in range(people)]
        self._noise = [0.0] * people
        self._blocks = 0
        self._dominant: int | None = None

    def __call__(self, blocks: Sequence[bytes]) -> int | None:
        """The next 100 ms of everybody."""
        for who, block in enumerate(blocks):
            self._activity[who] = [*self._steps(who, block), *self._activity[who]][: MEDIUM * LONG]
        self._blocks += 1
        if self._blocks % DECIDE_EVERY == 0:
            self._decide([self._score(activity) for activity in self._activity])
        return self._dominant

    def _steps(self, who: int, block: bytes) -> list[int]:
        """The newest first."""
        steps: list[int] = []
        for level in block:
            if level < NO_SOUND:
                self._noise[who] = max(min(level, _SOFTEST), self._noise[who] - _NOISE_RISES_DB)
            above = self._noise[who] - level - _NOISE_MARGIN_DB
            steps.insert(0, max(0, min(IMMEDIATE, int(above / _STEP_DB))))
        return steps

    def _score(self, activity: Sequence[int]) -> tuple[float, float, float]:
        mediums = [
            sum(step > MEDIUM_THRESHOLD for step in activity[at : at + MEDIUM])
            for at in range(0, len(activity), MEDIUM)
        ]
        actives = (activity[0], mediums[0], sum(medium > LONG_THRESHOLD for medium in mediums))
        immediate, medium, long = (table[active] for table, active in zip(self._TABLES, actives, strict=True))
        return immediate, medium, long

    def _decide(self, scores: Sequence[tuple[float, float, float]]) -> None:
        if self._dominant is None:
            self._dominant = max(range(len(scores)), key=lambda who: scores[who][2])
            return
        held = scores[self._dominant]
        most = MARGINS[1]
        for who, score in enumerate(scores):
            ahead = [mine - other for mine, other in zip(score, held, strict=True)]
            if all(gap > margin for gap, margin in zip(ahead, MARGINS, strict=True)) and ahead[1] > most:
                self._dominant, most = who, ahead[1]
