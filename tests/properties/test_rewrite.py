"""The consumer's rewrite, seen by a subscriber: whatever happens to the publishers' packets and whatever the control
plane decides meanwhile, the streams that arrive are such as one sender would make them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from tests.properties.rewrite_checks import check_all, check_settled
from tests.properties.rewrite_sources import PACKETS_IN_FRAME, Sent
from tests.properties.rewrite_world import Fate, World
from tests.support.examples import examples

MAX_STEPS = 60
FRAMES_TO_SETTLE = 300
"""3 s: the server asks for a keyframe at most every 500 ms, and may pass over the first one."""
GROUP = 4


class Step(NamedTuple):
    """A method of ``World`` and its arguments."""

    do: str
    arguments: dict[str, Any]


def step(do: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(do), st.fixed_dictionaries(arguments))


video_producer, audio_producer = st.sampled_from([1, 2]), st.sampled_from([3, 4])
fate = st.sampled_from(["twice", "held", "lost"])
flag = st.booleans()
rarely = st.sampled_from([False, False, True])


def frames(fates: st.SearchStrategy[dict[int, str]], is_reversed: st.SearchStrategy[bool]) -> st.SearchStrategy[Step]:
    return step(
        "frame",
        producer=video_producer,
        keys=st.sampled_from([0, 0, 0, 0, 1, 2, 4, 7, 7]),
        is_sync=flag,
        fates=fates,
        is_reversed=is_reversed,
        is_single=flag,
    )


calm_frames = frames(st.dictionaries(st.integers(0, 8), st.just("twice"), max_size=1), st.just(False))
rough_frames = frames(st.dictionaries(st.integers(0, 8), fate, max_size=4), st.sampled_from([False, False, True]))


def audio(fates: list[str]) -> st.SearchStrategy[Step]:
    return step("audio_packet", producer=audio_producer, fate=st.sampled_from(fates))


def weighted(*kinds: tuple[int, st.SearchStrategy[Step]]) -> st.SearchStrategy[Step]:
    """Each so many times as likely; ``one_of`` would have all alike."""
    return st.sampled_from([kind for weight, kind in kinds for _ in range(weight)]).flatmap(lambda kind: kind)


def scripts(*kinds: tuple[int, st.SearchStrategy[Step]]) -> st.SearchStrategy[list[Step]]:
    """Long ones most of the time."""
    one = weighted(*kinds)
    return st.sampled_from([0, 15, 40]).flatmap(lambda least: st.lists(one, min_size=least, max_size=MAX_STEPS))


commands = weighted(
    (5, step("switch", producer=st.sampled_from([1, 2, 1, 2, 1, 2, None]))),
    (5, step("set_layers", spatial=st.integers(0, 3), temporal=st.integers(0, 3))),
    (2, step("switch_audio", producer=st.sampled_from([3, 4, 3, 4, None]))),
    (1, step("pause_consumer", paused=rarely)),
    (2, step("pause_producer", producer=st.sampled_from([1, 2, 3]), paused=rarely)),
    (1, step("restart", producer=st.sampled_from([1, 2, 3]), jump=st.sampled_from([3_001, 20_000]))),
    (2, step("report", producer=st.integers(1, 4))),
    (2, step("padding", producer=video_producer)),
    (4, step("nack", back=st.integers(0, 60), count=st.integers(1, 20))),
    (4, step("pass_time", us=st.sampled_from([5_000, 40_000, 300_000, 1_500_000]))),
)
calm_steps = scripts((8, calm_frames), (3, audio(["arrives"])), (6, commands))
recovery = step("recover", which=st.integers(0, 20))
rough_audio = audio(["arrives", "arrives", "held", "lost"])
rough_steps = scripts((6, rough_frames), (4, calm_frames), (3, rough_audio), (5, recovery), (5, commands))
new_ssrcs = step("restart", producer=st.sampled_from([1, 1, 2, 3]), jump=st.none())
renewed_steps = scripts((10, rough_frames), (3, rough_audio), (3, recovery), (3, commands), (2, new_ssrcs))
limits = st.tuples(st.integers(0, 3), st.integers(0, 3))


def start(world: World) -> None:
    """Most interesting things happen to a stream that flows."""
    world.switch(1)
    world.switch_audio(3)
    world.frame(1, 7, is_sync=True, fates={}, is_reversed=False, is_single=False)


def run(world: World, script: list[Step]) -> None:
    start(world)
    for do, arguments in script:
        getattr(world, do)(**arguments)
    check_all(world)


def calm_frame(world: World, producer: int) -> list[Sent]:
    before = len(world.sents)
    world.frame(producer, 0, is_sync=True, fates={}, is_reversed=False, is_single=False)
    return world.sents[before:]


def settle(world: World, producer: int, spatial: int, temporal: int) -> None:
    """Nothing is lost any more, and the publisher sends the keyframes that it is asked for, no others."""
    world.faults.clear()
    for paused in (1, 2):
        world.pause_producer(paused, paused=False)
    world.pause_consumer(paused=False)
    world.switch(producer)
    world.set_layers(spatial, temporal)
    encoding = min(spatial, len(world.sources[producer]) - 1)
    source = world.sources[producer][encoding]
    interruptions = world.wanted_video.interruptions
    for _ in range(FRAMES_TO_SETTLE):
        calm_frame(world, producer)
        last = world.video.slots.get(world.video.unwrapper.highest or 0)
        if last and last.sent and last.sent.source is source and last.interruptions == interruptions:
            break
    else:
        raise AssertionError(f"{source.name} does not come")
    for _ in range(2 * GROUP):
        calm_frame(world, producer)
    fresh = [sent for _ in range(2 * GROUP) for sent in calm_frame(world, producer) if sent.source is source]
    assert len(fresh) == 2 * GROUP * PACKETS_IN_FRAME
    check_settled(world, fresh)


def check_repairable(world: World) -> None:
    """Whatever came last is sent again when it is asked for."""
    world.pass_time(1_500_000)
    highest = world.video.unwrapper.highest
    assert highest is not None
    world.nack(5, 6)
    missing = [number for number in range(highest - 5, highest + 1) if number not in world.video.repairs]
    assert not missing, f"not sent again: {missing} of up to {highest}"


def check_until_settled(script: list[Step], producer: int, layers: tuple[int, int]) -> None:
    world = World()
    run(world, script)
    settle(world, producer, *layers)
    check_all(world)
    check_repairable(world)
    check_all(world)


thorough = settings(
    max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@thorough
@given(calm_steps)
def test_without_loss_exactly_the_wanted_packets_come_as_from_one_sender(script: list[Step]) -> None:
    world = World()
    run(world, script)
    assert world.is_calm


A_KEYFRAME_WHOSE_FIRST_PACKET_COMES_AFTER_TWO_SWITCHES = [
    Step(
        "frame",
        {"producer": 1, "keys": 4, "is_sync": False, "fates": {6: "held"}, "is_reversed": False, "is_single": False},
    ),
    Step("switch", {"producer": 2}),
    Step("switch", {"producer": 1}),
    Step("recover", {"which": 0}),
]


@thorough
@given(rough_steps, video_producer, limits)
@example(A_KEYFRAME_WHOSE_FIRST_PACKET_COMES_AFTER_TWO_SWITCHES, 1, (0, 0))
def test_whatever_is_lost_or_late_the_stream_stays_whole_and_settles(
    script: list[Step], producer: int, layers: tuple[int, int]
) -> None:
    check_until_settled(script, producer, layers)


@settings(thorough, max_examples=examples(200), phases=[Phase.generate])
@given(renewed_steps, video_producer, limits)
def test_a_publisher_that_begins_anew_under_other_ssrcs_is_another_source(
    script: list[Step], producer: int, layers: tuple[int, int]
) -> None:
    check_until_settled(script, producer, layers)


def test_a_frame_that_comes_late_before_a_switch_has_a_picture_id_of_its_own() -> None:
    def frame(keys: int = 0, fates: dict[int, Fate] | None = None, *, is_reversed: bool = False) -> None:
        world.frame(1, keys, is_sync=False, fates=fates or {}, is_reversed=is_reversed, is_single=False)

    world = World()
    start(world)
    world.set_layers(3, 0)
    for _ in range(3):
        frame()
    frame(fates={6: "held", 7: "held", 8: "held"})
    # Its packets are not wanted; the ones that come late leave padding behind the places of the frame before.
    frame(is_reversed=True)
    world.set_layers(0, 0)
    frame(keys=1)
    for _ in range(3):
        world.recover(0)
    check_all(world)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("lowered_at", range(GROUP))
def test_temporal_layers_come_back_at_the_first_frame_that_misses_nothing(lowered_at: int, low: int, high: int) -> None:
    for length in range(1, 2 * GROUP + 1):
        world = World()
        start(world)
        for number in range(1, lowered_at + length + 4 * GROUP):
            if number in {lowered_at + 1, lowered_at + 1 + length}:
                world.set_layers(3, low if number == lowered_at + 1 else high)
            # Only in every second group the upper layers begin anew.
            is_sync = number // GROUP % 2 == 0
            world.frame(1, 0, is_sync=is_sync, fates={}, is_reversed=False, is_single=False)
        check_all(world)
        assert {sent.tid for sent in world.video.in_time[-GROUP * PACKETS_IN_FRAME :]} == set(range(high + 1))
