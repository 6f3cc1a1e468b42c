"""What sounds like speech in the levels of one microphone."""

from __future__ import annotations

from random import Random

import pytest

from sfu.bench.speaker import sounds
from sfu.speaker import BLOCK_TICKS, SILENT, Voice
from sfu.speaker.level import MEDIUM_TICKS

NOISE = 70


def heard(levels_dbov: list[float], noise: int = NOISE) -> tuple[Voice, list[int]]:
    """A voice after a second of noise and then these levels; its activity after each of their blocks."""
    voice = Voice()
    quiet = [noise] * 50
    loud = [min(noise, round(-level)) for level in levels_dbov]
    loud += [noise] * (-len(loud) % BLOCK_TICKS)
    course = []
    for at, start in enumerate(range(0, 50 + len(loud), BLOCK_TICKS), start=1):
        voice.hear(bytes((quiet + loud)[start : start + BLOCK_TICKS]), at)
        if start >= 50:
            course.append(voice.activity)
    return voice, course


def test_speech_is_active_two_thirds_of_the_time() -> None:
    _, course = heard(sounds.phrase(Random(1), 3.0, -28))
    share = sum(course[6:]) / len(course[6:]) / MEDIUM_TICKS
    assert 0.5 < share < 0.9


@pytest.mark.parametrize("seed", range(20))
def test_what_fades_at_once_is_hardly_active(seed: int) -> None:
    voice, _ = heard(sounds.door(Random(seed)))
    assert voice.spell() < 10
    _, course = heard(sounds.cough(Random(seed))[:12])
    assert max(course) <= 8


def test_keys_make_no_spell() -> None:
    spells = []
    rng = Random(3)
    voice = Voice()
    levels = [min(NOISE, round(-level)) for level in sounds.typing(rng, 60)]
    for at, start in enumerate(range(0, len(levels) - 4, BLOCK_TICKS), start=1):
        voice.hear(bytes(levels[start : start + BLOCK_TICKS]), at)
        spells.append(voice.spell())
    assert sorted(spells)[len(spells) * 99 // 100] < 10


def test_noise_that_goes_on_becomes_noise() -> None:
    voice = Voice()
    for at in range(1, 11):
        voice.hear(bytes([75] * 5), at)
    course = []
    for at in range(11, 411):
        voice.hear(bytes([45] * 5), at)
        course.append(voice.activity)
    assert course[5] == MEDIUM_TICKS
    assert course[-1] == 0
    assert voice.noise == pytest.approx(45, abs=8)


def test_softer_noise_is_believed_at_once() -> None:
    voice, _ = heard([], noise=50)
    assert voice.noise == pytest.approx(50, abs=1)
    for at in range(11, 14):
        voice.hear(bytes([75] * 5), at)
    assert voice.noise == pytest.approx(75, abs=2)


def test_suppressed_noise_says_nothing_of_the_noise() -> None:
    voice, _ = heard([], noise=60)
    before = voice.noise
    for at in range(11, 111):
        voice.hear(bytes([SILENT] * 5), at)
    assert voice.noise == before


def test_blocks_that_were_not_heard_were_silent() -> None:
    voice, _ = heard(sounds.phrase(Random(1), 1.0, -28))
    assert voice.activity > 10
    end = 10 + 10
    voice.rest(end + 3)
    assert set(voice.levels[-15:]) == {SILENT}
    half = voice.activity
    voice.hear(bytes([NOISE] * 5), end + 6)
    assert voice.activity < half or half == 0
    assert voice.activity == 0
    assert not voice.is_speaking_now


def test_loudness_is_that_of_the_active_ticks() -> None:
    voice, _ = heard([-30.0] * 20)
    assert voice.loudness() == pytest.approx(30)
    assert heard([])[0].loudness() == SILENT
