"""What one microphone sounds like, from its levels alone.

A *level* is that of RFC 6464: 0..127 dB below the loudest possible, so a smaller number is a louder sound and 127 is
silence. A *tick* is 20 ms of it, a *block* five ticks: what is decided on at once.

Volfin & Cohen, "Dominant speaker identification for multipoint videoconferencing" (2012), judge by the sub-bands in
which there is activity, over an immediate, a medium and a long time. There is one level here instead of sub-bands, so
what they tell apart by spectrum is told apart by the level's course: a tick counts when it stands out of the
microphone's own noise *and* is near the peak of the last 200 ms. Speech does both two thirds of the time; a cough, a
door and a key do it for the first few ticks only, because they fade at once.
"""

from __future__ import annotations

TICK_S = 0.02
BLOCK_TICKS = 5
BLOCK_S = BLOCK_TICKS * TICK_S
SILENT = 127

MEDIUM_TICKS = 30
"""The medium time: long enough for two or three syllables."""

LONG_TICKS = 60
"""The long time: what goes on for so long is speech."""

ABOVE_NOISE_DB = 10
FAINTEST = 60
"""Softer than this nothing counts as speech."""

PEAK_TICKS = 10
NEAR_PEAK_DB = 12
"""Between syllables speech falls further, but is back within a syllable; what fades is not."""

PAUSE_TICKS = 10
"""Syllables follow each other sooner. The bursts of a cough do not."""

DENSITY = 0.4
"""Of active ticks: two thirds in speech, a third at most in quick typing."""

NO_SOUND = 110
"""So soft is no microphone's noise: the sender suppresses it. It says nothing of the noise."""

NOISE_MIN, NOISE_MAX = 20.0, 90.0
NOISE_FALLS, NOISE_FOLLOWS, NOISE_RISES_DB = 0.67, 0.23, 0.3
"""Of a block: the noise is believed to be softer at once, a little louder slowly, and much louder (that may be speech)
by 3 dB a second: so music and fans become noise."""
NOISE_NEAR_DB = 6

USUAL_GAIN = 0.02
RING_TICKS = 80

_MEDIUM_MASK = (1 << MEDIUM_TICKS) - 1
_LONG_MASK = (1 << LONG_TICKS) - 1
_BLOCK_MASK = (1 << BLOCK_TICKS) - 1
_SILENT_BLOCK = bytes([SILENT]) * BLOCK_TICKS


class Voice:
    """One microphone. ``at`` counts blocks: those that were not heard were silent."""

    __slots__ = ("_at", "_noise", "_ticks", "levels", "usual")

    def __init__(self, at: int = 0) -> None:
        """``at``: of the block before the first."""
        self._at = at
        self._ticks = 0
        self._noise: float | None = None
        self.levels = bytes([SILENT]) * RING_TICKS
        """The last 1.6 s, the newest last."""
        self.usual: float | None = None
        """How loud this person is when speaking: a level."""

    @property
    def noise(self) -> float | None:
        """The level of what is heard when nobody speaks; None before anything was heard."""
        return self._noise

    @property
    def activity(self) -> int:
        """Ticks of the medium time in which this sounds like speech."""
        return (self._ticks & _MEDIUM_MASK).bit_count()

    @property
    def long_activity(self) -> int:
        """The same of the long time."""
        return self._ticks.bit_count()

    @property
    def is_speaking_now(self) -> bool:
        """The immediate time: the last block."""
        return (self._ticks & _BLOCK_MASK).bit_count() >= 2

    def hear(self, block: bytes, at: int) -> None:
        """The five levels of a block, the newest last."""
        self.rest(at - 1)
        self._at = at
        self.levels = (self.levels + block)[-RING_TICKS:]
        noise = self._noise if self._noise is not None else _first_noise(block)
        if noise is None:
            self._ticks = self._ticks << BLOCK_TICKS & _LONG_MASK
            return
        threshold = min(noise - ABOVE_NOISE_DB, FAINTEST)
        active = self._active(threshold) if min(block) <= threshold else 0
        self._ticks = (self._ticks << BLOCK_TICKS | active) & _LONG_MASK
        self._noise = _followed(noise, block)

    def rest(self, at: int) -> None:
        """Silent until and with this block."""
        blocks = min(at - self._at, RING_TICKS // BLOCK_TICKS)
        if blocks > 0:
            self._at = at
            self._ticks = self._ticks << blocks * BLOCK_TICKS & _LONG_MASK
            self.levels = (self.levels + _SILENT_BLOCK * blocks)[-RING_TICKS:]

    def spell(self) -> int:
        """Active ticks since the last pause that is longer than one between syllables; 0 when they are too sparse for
        speech, as keys are.
        """
        count = span = pause = seen = 0
        ticks = self._ticks & _MEDIUM_MASK
        while ticks and pause < PAUSE_TICKS:
            seen += 1
            if ticks & 1:
                count, span, pause = count + 1, seen, 0
            else:
                pause += 1
            ticks >>= 1
        return count if count >= span * DENSITY else 0

    def loudness(self) -> float:
        """The mean level of the active ticks of the medium time; ``SILENT`` without any."""
        ticks, levels = self._ticks, self.levels
        active = [levels[-1 - age] for age in range(MEDIUM_TICKS) if ticks >> age & 1]
        return sum(active) / len(active) if active else float(SILENT)

    def learn_usual(self) -> None:
        """To be called while this person has the floor: the long time."""
        level = self.loudness()
        self.usual = level if self.usual is None else self.usual + (level - self.usual) * USUAL_GAIN

    def _active(self, threshold: float) -> int:
        levels, bits = self.levels, 0
        for age in range(BLOCK_TICKS - 1, -1, -1):
            end = len(levels) - age
            level = levels[end - 1]
            is_active = level <= threshold and level <= min(levels[end - PEAK_TICKS : end]) + NEAR_PEAK_DB
            bits = bits << 1 | is_active
        return bits


def _first_noise(block: bytes) -> float | None:
    return next((float(level) for level in block if level < NO_SOUND), None)


def _followed(noise: float, block: bytes) -> float:
    heard = [level for level in block if level < NO_SOUND]
    if not heard:
        return noise
    level = sum(heard) / len(heard)
    if level > noise:
        noise += (level - noise) * NOISE_FALLS
    elif level >= noise - NOISE_NEAR_DB:
        noise -= (noise - level) * NOISE_FOLLOWS
    else:
        noise -= NOISE_RISES_DB
    return max(NOISE_MIN, min(NOISE_MAX, noise))
