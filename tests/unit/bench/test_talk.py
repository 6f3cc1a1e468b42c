from __future__ import annotations

from itertools import islice

from sfu.bench.choices import Noise
from sfu.bench.talk import SILENT, gated, microphones


def test_the_first_microphones_talk_in_turns_and_the_others_have_the_noise_of_rooms() -> None:
    hearing = list(islice(microphones(1, 3, Noise.ROOM), 40))
    assert not any(microphone.dtx for microphone in hearing)
    talkers, others = hearing[:3], hearing[3:]
    assert all(min(microphone.levels) < 35 for microphone in talkers)
    assert all(45 < min(microphone.levels) <= max(microphone.levels) < 95 for microphone in others)
    # One conversation: all traces are equally long, and mostly one of them is loud at a time.
    assert len({len(microphone.levels) for microphone in talkers}) == 1
    loud = [sum(levels[at] < 40 for levels in (m.levels for m in talkers)) for at in range(len(talkers[0].levels))]
    assert loud.count(1) > 5 * loud.count(3) > 0 or loud.count(3) == 0
    # Rooms differ, and who shares one hears it at another time.
    assert len({microphone.levels for microphone in others}) == len(others)


def test_with_dtx_who_does_not_talk_hears_nothing() -> None:
    hearing = list(islice(microphones(1, 2, Noise.DTX), 6))
    assert all(microphone.dtx for microphone in hearing)
    assert all(set(microphone.levels) == {SILENT} for microphone in hearing[2:])
    assert all(SILENT in microphone.levels and min(microphone.levels) < 35 for microphone in hearing[:2])


def test_the_same_seed_gives_the_same_meeting() -> None:
    one, same, other = (list(islice(microphones(seed, 2, Noise.ROOM), 8)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_gate_closes_some_time_after_what_is_spoken() -> None:
    levels = gated([30] * 3 + [70] * 40 + [30])
    assert levels[:3] == bytes([30] * 3)
    assert levels[3:18] == bytes([70] * 15)
    assert set(levels[18:43]) == {SILENT}
    assert levels[43] == 30


def test_nobody_talks_where_there_are_no_talkers() -> None:
    assert min(next(microphones(1, 0, Noise.ROOM)).levels) > 45
