"""Labelled meetings: the speaker is found as often and as fast as docs/speaker-scoreboard.md says."""

from __future__ import annotations

import os

import pytest
from tests.support.noise import repeatable
from tests.support.pace import Pace

from sfu.bench.speaker import board, spoken
from sfu.bench.speaker.score import score
from sfu.bench.speaker.traces import SPOKEN, TRACES, conversation
from sfu.speaker import BLOCK_S, BLOCK_TICKS, SpeakerDetector

SEEDS = 3
SHORT = [name for name in TRACES if name not in board.LONG_TRACES]
MOST_OF_A_CORE = 0.05
"""Of the tenth that decisions for a thousand participants may take, detection is half at most."""


@pytest.mark.parametrize("name", SHORT)
def test_the_speaker_is_found(name: str) -> None:
    if name == SPOKEN:
        try:
            spoken.check()
        except spoken.SpeechError as error:
            if "SFU_REQUIRE_SPEECH" in os.environ:
                pytest.fail(str(error))
            pytest.skip(str(error))
    (ours,) = board.run([name], SEEDS, lambda *_: None, [board.OURS])
    assert ours.correct >= board.MIN_CORRECT - 0.01
    assert ours.latency_p50_s <= 0.4
    assert ours.false_per_10_minutes <= 2


def test_a_detector_that_always_names_the_same_one_scores_badly() -> None:
    found = score(conversation(1), lambda _: 0)
    assert found.correct < 0.5
    assert found.missed > 20


@repeatable
def test_a_thousand_microphones_cost_a_fraction_of_a_core() -> None:
    trace = conversation(1, minutes=1)
    noise = [bytes(60 + (who * 7 + tick * 3) % 6 for tick in range(BLOCK_TICKS)) for who in range(996)]
    detector: SpeakerDetector[int] = SpeakerDetector()
    pace = Pace()
    decisions = 300
    for at in range(0, decisions * BLOCK_TICKS, BLOCK_TICKS):
        blocks = dict(enumerate((levels[at : at + BLOCK_TICKS] for levels in trace.levels), start=len(noise)))
        blocks |= dict(enumerate(noise))
        with pace.of_work():
            detector.update(blocks)
    used = pace.spent_s / (decisions * BLOCK_S)
    print(f"{used:.1%} of a core")
    assert used < MOST_OF_A_CORE
    assert detector.dominant is not None
    assert detector.dominant >= len(noise)
