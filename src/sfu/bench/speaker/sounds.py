"""What microphones hear, as levels: one number every 20 ms, in dBov (RFC 6464: 0 is the loudest, -127 is silence).

Sounds are added as powers. Speech is drawn as syllables (four to five a second, with the dips of closures between them)
in phrases with pauses between; figures are those of the phonetics of conversation, rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random

TICK_S = 0.02
SILENT_DBOV = -127
HANGOVER = 15
"""Ticks after a sound until a gate closes."""

_SILENCE = 10 ** (SILENT_DBOV / 10)


def ticks(seconds: float) -> int:
    """How many levels so long a time has."""
    return round(seconds / TICK_S)


class Microphone:
    """The power that one microphone hears over time."""

    def __init__(self, length: int, rng: Random, noise_dbov: float, *, gated: bool = False) -> None:
        """``gated``: between sounds the client sends nothing at all (noise suppression, DTX)."""
        self._rng = rng
        self._power = [0.0] * length
        self._noise_dbov = noise_dbov
        self._gated = gated

    def add(self, start: int, levels_dbov: Iterable[float]) -> int:
        """A sound that begins at a tick; the tick after its end. What lies beyond the end of the trace is cut off."""
        at = start
        for level in levels_dbov:
            if 0 <= at < len(self._power):
                self._power[at] += 10 ** (level / 10)
            at += 1
        return at

    def hear(self, other: Microphone, *, delay: int, loss_db: float) -> None:
        """Everything that another microphone hears so far, later and softer: the same room, or a loudspeaker's echo."""
        factor = 10 ** (-loss_db / 10)
        heard = other._power[: len(self._power) - delay]
        for at, power in enumerate(heard, start=delay):
            self._power[at] += power * factor * 10 ** (self._rng.gauss(0, 1.5) / 10)

    def levels(self) -> bytes:
        """As RFC 6464 has them: 0..127, the loudest first."""
        out = bytearray()
        wander = 0.0
        quiet = 0
        for power in self._power:
            wander = 0.98 * wander + self._rng.gauss(0, 0.3)
            noise = self._noise_dbov + wander + self._rng.gauss(0, 1.2)
            total = power + 10 ** (noise / 10)
            quiet = quiet + 1 if power < 10 ** ((self._noise_dbov + 6) / 10) else 0
            if self._gated and quiet > HANGOVER:
                total = _SILENCE
            out.append(min(127, max(0, round(-10 * math.log10(max(total, _SILENCE))))))
        return bytes(out)


def phrase(rng: Random, seconds: float, loudness_dbov: float) -> list[float]:
    """Speech without a pause: ``loudness_dbov`` is the level of its stressed syllables."""
    out: list[float] = []
    end = ticks(seconds)
    while len(out) < end:
        length = max(4, ticks(rng.gauss(0.21, 0.06)))
        peak = loudness_dbov - abs(rng.gauss(0, 4))
        closure = rng.choice((0, 1, 1, 2, 3))
        body = length - closure
        for index in range(body):
            arch = math.sin(math.pi * (index + 0.7) / (body + 0.4))
            out.append(peak - 14 * (1 - arch) + rng.gauss(0, 1.5))
        out.extend(peak - rng.uniform(18, 30) for _ in range(closure))
    return out[:end]


def utterance(rng: Random, seconds: float, loudness_dbov: float) -> tuple[list[float], list[bool]]:
    """Phrases with breaths between them: the levels, and at which ticks something is said."""
    levels: list[float] = []
    said: list[bool] = []
    left = ticks(seconds)
    while left > 0:
        part = min(left, ticks(rng.uniform(0.8, 3.2)))
        if left - part < ticks(0.4):
            part = left
        spoken = phrase(rng, part * TICK_S, loudness_dbov + rng.gauss(0, 1.5))
        levels += spoken
        said += [True] * len(spoken)
        left -= part
        if left > 0:
            pause = min(left, ticks(min(1.5, rng.lognormvariate(math.log(0.35), 0.5))))
            levels += [SILENT_DBOV] * pause
            said += [False] * pause
            left -= pause
    return levels, said


def cough(rng: Random) -> list[float]:
    """One to three bursts, each of a sharp rise and a fall of a quarter of a second."""
    out: list[float] = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        peak = rng.uniform(-24, -8)
        out += [
            peak - 4,
            peak,
            peak - 2,
            *(peak - 4 - 3.5 * step + rng.gauss(0, 2) for step in range(rng.randint(4, 9))),
        ]
        out += [SILENT_DBOV] * rng.randint(3, 14)
    return out


def typing(rng: Random, seconds: float) -> list[float]:
    """Keys, four to eight a second, in runs."""
    out: list[float] = []
    end = ticks(seconds)
    while len(out) < end:
        for _ in range(rng.randint(3, 25)):
            peak = rng.uniform(-48, -30)
            out += [peak, peak - 9, *([SILENT_DBOV] * max(1, ticks(rng.gauss(0.14, 0.05))))]
        out += [SILENT_DBOV] * ticks(rng.uniform(0.3, 3))
    return out[:end]


def door(rng: Random) -> list[float]:
    """A bang that fades, and often the latch before it."""
    latch = [rng.uniform(-35, -25), -50.0, *([SILENT_DBOV] * rng.randint(5, 20))] if rng.random() < 0.6 else []
    peak = rng.uniform(-18, -6)
    return [*latch, *(peak - 2.2 * step + rng.gauss(0, 1) for step in range(rng.randint(10, 20)))]


def music(rng: Random, seconds: float) -> list[float]:
    """A song in the background: beats, bars that swell, never a pause."""
    out: list[float] = []
    loudness = rng.uniform(-32, -24)
    beat = ticks(rng.uniform(0.4, 0.6))
    swell = 0.0
    for at in range(ticks(seconds)):
        if at % (beat * 4) == 0:
            swell = max(-4.0, min(4.0, swell + rng.gauss(0, 1.5)))
        out.append(loudness + swell - 6 * (at % beat) / beat + rng.gauss(0, 1))
    return out
