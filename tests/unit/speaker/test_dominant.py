"""Who has the floor."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from sfu.bench.speaker import sounds
from sfu.bench.speaker.sounds import Microphone, ticks
from sfu.speaker import BLOCK_TICKS, SILENT, SpeakerDetector

SILENCE = bytes([SILENT]) * BLOCK_TICKS


def microphone(*said: tuple[float, Sequence[float]], seconds: float = 12.0, seed: int = 1) -> Microphone:
    """One that hears sounds from these seconds on."""
    one = Microphone(ticks(seconds), Random(seed), -70)
    for start, levels in said:
        one.add(ticks(start), levels)
    return one


def speech(seconds: float, loudness: float = -28.0, seed: int = 1) -> list[float]:
    return sounds.utterance(Random(seed), seconds, loudness)[0]


def played(detector: SpeakerDetector[str], **microphones: Microphone) -> list[str | None]:
    """The dominant speaker after each 100 ms."""
    levels = {name: one.levels() for name, one in microphones.items()}
    length = min(map(len, levels.values()))
    return [
        detector.update({name: of[at : at + BLOCK_TICKS] for name, of in levels.items()})
        for at in range(0, length - BLOCK_TICKS + 1, BLOCK_TICKS)
    ]


def test_nobody_has_the_floor_until_somebody_speaks() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    course = played(detector, ann=microphone((3.0, speech(4))), bob=microphone(seed=2))
    assert set(course[:30]) == {None}
    assert course[36] == "ann"
    assert set(course[36:]) == {"ann"}, "who had it last keeps it through silence"


def test_the_next_one_takes_over_within_half_a_second() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    course = played(detector, ann=microphone((1.0, speech(4))), bob=microphone((5.2, speech(4, seed=5)), seed=2))
    assert course[50] == "ann"
    assert course[57] == "bob"
    assert detector.recent == ("bob", "ann")


def test_who_is_only_louder_does_not_take_the_floor_from_somebody_who_speaks() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    ann = microphone((1.0, sounds.phrase(Random(3), 9, -34)))
    bob = microphone((4.0, sounds.phrase(Random(4), 0.7, -20)), seed=2)
    assert set(played(detector, ann=ann, bob=bob)[15:]) == {"ann"}


@pytest.mark.parametrize("seed", range(20))
def test_coughs_doors_and_keys_take_no_floor(seed: int) -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    rng = Random(seed)
    burst = sounds.cough(rng)[:12]
    sounds_of = (burst, sounds.door(rng), sounds.typing(rng, 5), burst)
    noisy = microphone(*zip((4.5, 5.5, 6.3, 11.6), sounds_of, strict=True), seed=2)
    course = played(detector, ann=microphone((1.0, speech(3, seed=seed))), noisy=noisy)
    assert set(course[20:]) == {"ann"}


def test_a_soft_word_of_somebody_who_is_usually_louder_takes_no_floor() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    mumbled = sounds.phrase(Random(2), 0.4, -36)
    bob = microphone((1.0, speech(4, -24, seed=2)), (9.5, mumbled), seed=2)
    course = played(detector, ann=microphone((5.2, speech(4, -24, seed=3))), bob=bob)
    assert "bob" in course[:50]
    assert set(course[60:]) == {"ann"}


def test_the_same_voice_in_two_microphones_belongs_to_the_nearer_one() -> None:
    near, far = microphone(), microphone(seed=2)
    own = microphone((1.0, sounds.phrase(Random(6), 10, -24)))
    near.hear(own, delay=0, loss_db=0)
    far.hear(own, delay=0, loss_db=9)
    detector: SpeakerDetector[str] = SpeakerDetector()
    assert set(played(detector, far=far, near=near)[20:]) == {"near"}


def test_an_echo_does_not_take_the_floor_when_the_voice_pauses() -> None:
    own = microphone(*((1.0 + 2 * turn, sounds.phrase(Random(turn), 1.6, -24)) for turn in range(5)))
    echo = microphone(seed=2)
    echo.hear(own, delay=ticks(0.3), loss_db=12)
    detector: SpeakerDetector[str] = SpeakerDetector()
    assert set(played(detector, ann=own, echo=echo)[16:]) == {"ann"}


def test_everybody_who_speaks_is_audible_the_most_active_first() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    ann, bob = microphone((1.0, [-30.0] * 100)), microphone((1.6, [-30.0] * 100), seed=2)
    played(detector, ann=Microphone(0, Random(1), -70), bob=Microphone(0, Random(1), -70))
    levels = {"ann": ann.levels(), "bob": bob.levels(), "eve": microphone(seed=3).levels()}
    for at in range(0, ticks(2.0), BLOCK_TICKS):
        detector.update({name: of[at : at + BLOCK_TICKS] for name, of in levels.items()})
    assert detector.audible == ("ann", "bob")


def test_who_leaves_leaves_the_floor_to_nobody() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    played(detector, ann=microphone((1.0, speech(4))), bob=microphone((5.2, speech(4, seed=5)), seed=2))
    detector.remove("bob")
    detector.remove("never there")
    assert (detector.dominant, detector.recent, detector.audible) == (None, (), ())
    assert detector.update({"ann": SILENCE}) is None


def test_a_thousand_silent_microphones_need_not_be_told_of() -> None:
    told, untold = SpeakerDetector[str](), SpeakerDetector[str]()
    levels = microphone((1.0, speech(3)), (6.0, speech(3, seed=2))).levels()
    gated = bytes(level if level < 60 else SILENT for level in levels)
    for at in range(0, len(gated) - BLOCK_TICKS + 1, BLOCK_TICKS):
        block = gated[at : at + BLOCK_TICKS]
        everybody = {"ann": block} | {f"silent {number}": SILENCE for number in range(20)}
        assert told.update(everybody) == untold.update({} if block == SILENCE else {"ann": block})


def test_a_block_of_another_length_is_refused_and_changes_nothing() -> None:
    detector: SpeakerDetector[str] = SpeakerDetector()
    with pytest.raises(ValueError, match=r"'ann' has 4 levels, accepted are 5"):
        detector.update({"bob": bytes(5), "ann": bytes(4)})
    assert detector.audible == ()
