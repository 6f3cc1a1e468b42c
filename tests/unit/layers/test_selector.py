from __future__ import annotations

import math

import pytest
from tests.support.layers import camera, demand

from sfu.layers import Allocation, Demand, Ladder, Priority, Reason, StandardPolicy, Subscriber
from sfu.layers.selector import (
    BETTER,
    BETTER_S,
    CAREFUL,
    CEILING_GROWTH,
    CEILING_S,
    DIP_S,
    MARGIN,
    RESHUFFLE_S,
    SWITCH_S,
    SWITCHES,
    WINDOW_S,
)

AUDIO_BPS = 100_000


class Link:
    """One subscriber whose network says what it carries."""

    def __init__(self, *demands: Demand, audio_bps: int = AUDIO_BPS) -> None:
        self.policy = StandardPolicy()
        self.subscriber = Subscriber("p")
        self.demands = demands
        self.audio_bps = audio_bps
        self.now = 100.0
        self.allocation = Allocation((), 0, 0)

    def estimate(self, bps: float | None, after_s: float = 0.1) -> Allocation:
        self.now += after_s
        estimate = None if bps is None else int(bps)
        self.allocation = self.policy.select(self.now, estimate, self.audio_bps, self.demands, self.subscriber)
        return self.allocation

    def hold(self, bps: float, seconds: float) -> Allocation:
        for _ in range(math.ceil(seconds / 0.5)):
            self.estimate(bps, 0.5)
        return self.allocation

    @property
    def layers(self) -> list[tuple[int, int] | None]:
        return [None if choice.paused else (choice.spatial, choice.temporal) for choice in self.allocation.choices]

    @property
    def reasons(self) -> list[Reason]:
        return [choice.reason for choice in self.allocation.choices]


def test_while_nobody_knows_the_network_every_wish_is_filled() -> None:
    link = Link(demand("a"), demand("b", width=320, height=180))
    link.estimate(None)
    assert link.layers == [(2, 2), (0, 2)]
    assert link.reasons == [Reason.NONE, Reason.TILE]


def test_time_alone_changes_nothing_where_every_wish_is_filled_and_may_where_one_is_not() -> None:
    link = Link(demand())
    link.estimate(None)
    assert link.subscriber.is_settled
    link.estimate(10_000_000)
    assert link.subscriber.is_settled
    link.estimate(500_000)
    assert not link.subscriber.is_settled
    link.hold(10_000_000, 3 * WINDOW_S)
    assert link.layers == [(2, 2)]
    assert link.subscriber.is_settled


def test_an_estimate_that_carries_everything_fills_every_wish_at_once() -> None:
    link = Link(demand())
    link.estimate(MARGIN * (1_500_000 + AUDIO_BPS) + 10)
    assert link.layers == [(2, 2)]


def test_more_is_given_only_with_a_margin() -> None:
    link = Link(demand())
    link.estimate(1_500_000 + AUDIO_BPS)
    assert link.layers == [(2, 1)]
    assert link.reasons == [Reason.NETWORK]


def test_everybody_has_the_lowest_layer_before_anybody_has_more() -> None:
    link = Link(demand("a", priority=Priority.PINNED), *(demand(name) for name in "bcdefgh"))
    link.estimate(MARGIN * (8 * 75_000 + AUDIO_BPS) + 10)
    assert link.layers == [(0, 0)] * 8


def test_whom_one_pins_gets_more_than_the_others() -> None:
    link = Link(demand("a"), demand("b", priority=Priority.PINNED), demand("c"))
    link.estimate(2_000_000)
    assert link.layers[1] > max(link.layers[0], link.layers[2])


def test_less_is_given_at_once_and_says_why() -> None:
    link = Link(demand())
    link.hold(3_000_000, 10)
    link.estimate(700_000)
    assert link.layers == [(1, 2)]
    assert link.reasons == [Reason.NETWORK]
    assert link.allocation.used_bps <= 700_000


def test_after_a_loss_more_comes_back_only_when_two_windows_carried_it() -> None:
    link = Link(demand())
    link.hold(3_000_000, 10)
    link.hold(1_400_000, 10)
    assert link.layers == [(2, 1)]
    careful = CAREFUL * 1_610_000
    link.hold(careful, WINDOW_S - 0.5)
    assert link.layers == [(2, 1)]
    link.hold(careful, WINDOW_S + 1)
    assert link.layers == [(2, 2)]


def test_a_network_that_is_much_better_for_a_moment_need_not_be_so_for_two_windows() -> None:
    link = Link(demand())
    link.hold(3_000_000, 10)
    link.hold(700_000, 10)
    for _ in range(3):
        link.hold(3_000_000, BETTER_S - 0.5)
        assert link.layers == [(1, 2)]
        link.estimate(BETTER * 700_000)
    link.hold(3_000_000, BETTER_S + 0.5)
    assert link.layers == [(2, 2)]
    assert BETTER_S < WINDOW_S


def test_without_a_loss_more_comes_as_soon_as_the_estimate_carries_it() -> None:
    link = Link(demand())
    link.hold(300_000, 2)
    link.estimate(3_000_000)
    assert link.layers == [(2, 2)]


def test_when_not_even_the_lowest_layer_fits_there_is_audio_alone_and_the_reason_is_the_network() -> None:
    link = Link(demand())
    link.hold(2_000_000, 10)
    link.estimate(100_000)
    assert link.layers == [None]
    assert link.reasons == [Reason.NETWORK]
    assert link.allocation.used_bps == AUDIO_BPS


def test_what_is_paused_is_still_desired_so_that_a_probe_can_bring_it_back() -> None:
    link = Link(demand())
    link.hold(2_000_000, 10)
    link.estimate(100_000)
    assert link.allocation.desired_bps > 1_500_000 + AUDIO_BPS


def test_video_is_back_at_the_first_estimate_that_carries_it() -> None:
    link = Link(demand())
    link.hold(2_000_000, 10)
    link.hold(50_000, 2)
    link.estimate(400_000)
    assert link.layers == [(0, 0)]


def test_the_lowest_class_is_paused_first() -> None:
    link = Link(demand("a", priority=Priority.OFF_SCREEN), demand("b"), demand("c", priority=Priority.DOMINANT))
    link.hold(3_000_000, 10)
    link.estimate(AUDIO_BPS + 150_000)
    assert link.layers == [None, (0, 0), (0, 0)]
    link.estimate(AUDIO_BPS + 140_000)
    assert link.layers == [None, None, (0, 1)] or link.layers == [None, None, (0, 0)]


def test_bandwidth_follows_whom_one_pins_at_once() -> None:
    link = Link(demand("a", priority=Priority.PINNED), demand("b"))
    link.hold(1_900_000, 10)
    before = link.layers
    link.demands = (demand("a"), demand("b", priority=Priority.PINNED))
    link.estimate(1_900_000)
    assert link.layers == before[::-1]


def test_a_wish_for_less_frees_what_it_had() -> None:
    link = Link(demand("a"), demand("b"))
    link.hold(2_000_000, 10)
    assert link.layers != [(2, 2), (0, 2)]
    link.demands = (demand("a"), demand("b", width=160, height=90))
    link.estimate(2_000_000)
    assert link.layers == [(2, 2), (0, 2)]


def test_who_pauses_a_picture_is_told_so_and_wishes_nothing() -> None:
    link = Link(demand(paused=True))
    link.estimate(3_000_000)
    assert link.layers == [None]
    assert link.reasons == [Reason.USER]
    assert link.allocation.desired_bps == AUDIO_BPS


def test_of_a_silent_publisher_the_lowest_layer_may_start() -> None:
    link = Link(demand(ladder=Ladder(())))
    link.estimate(3_000_000)
    assert not link.allocation.choices[0].paused
    assert link.reasons == [Reason.PUBLISHER]


def test_rates_that_grow_beyond_the_estimate_cost_a_layer() -> None:
    link = Link(demand())
    link.hold(1_900_000, 10)
    link.demands = (demand(ladder=camera(1.4)),)
    link.estimate(1_900_000)
    assert link.allocation.used_bps <= 1_900_000
    assert link.layers == [(2, 1)]


def test_rates_that_shift_take_from_nobody_for_another_within_a_minute() -> None:
    link = Link(demand("a", camera(1.3)), demand("b", camera(1.0)))
    link.hold(2_400_000, 10)
    before = link.layers
    link.demands = (demand("a", camera(1.0)), demand("b", camera(1.25)))
    link.estimate(2_400_000)
    assert all(new >= old for new, old in zip(link.layers, before, strict=True))
    link.hold(2_400_000, RESHUFFLE_S + 1)
    assert link.allocation.used_bps <= 2_400_000


def test_the_same_question_has_the_very_same_answer() -> None:
    link = Link(*(demand(name) for name in "abcdefghi"))
    for bps in (3_000_000, 1_000_000, 5_000_000, 90_000):
        first = link.estimate(bps)
        assert link.estimate(bps, 0.0) is first


def test_a_network_that_took_something_back_is_tried_again_after_a_while_each_time_a_longer_one() -> None:
    link = Link(demand())
    link.hold(1_800_000, 5)
    for wait_s in (CEILING_S, CEILING_GROWTH * CEILING_S):
        link.estimate(1_400_000)
        link.hold(1_800_000, wait_s - 5)
        assert link.layers == [(2, 1)], "1.8 is less than careful above what was too much"
        link.hold(1_800_000, 10)
        assert link.layers == [(2, 2)]


def test_a_link_that_keeps_failing_is_raised_with_care_alone_once_its_switches_are_spent() -> None:
    link = Link(demand())
    link.hold(3_000_000, 5.0)
    counted = 0
    for _ in range(30):
        for bps in (600_000, 700_000):
            before = link.layers
            link.hold(bps, 2 * WINDOW_S)
            counted += link.layers != before
    assert 1 <= counted <= SWITCHES + 300 / SWITCH_S + 1


def test_a_network_that_has_become_a_better_one_has_all_its_switches_again() -> None:
    link = Link(demand())
    link.hold(1_800_000, 5.0)
    full = link.layers
    for _ in range(2 * SWITCHES):
        link.hold(300_000, 10.0)
        assert link.layers < full
        link.hold(1_800_000, 3 * WINDOW_S)
        assert link.layers == full


def test_steps_of_one_fall_make_the_network_no_worse_than_one() -> None:
    link = Link(demand())
    link.hold(1_800_000, 5)
    for bps in (1_400_000, 900_000, 500_000):
        link.estimate(bps, 1.0)
    link.hold(1_800_000, CEILING_S + 1)
    assert link.layers == [(2, 2)]


def test_a_short_dip_of_the_estimate_costs_nothing_and_a_longer_one_a_layer() -> None:
    link = Link(demand())
    link.hold(1_800_000, 5)
    link.estimate(1_550_000)
    link.estimate(1_550_000, DIP_S - 0.1)
    assert link.layers == [(2, 2)]
    link.estimate(1_800_000)
    link.estimate(1_550_000)
    link.estimate(1_550_000, DIP_S - 0.1)
    assert link.layers == [(2, 2)]
    link.estimate(1_550_000, 0.2)
    assert link.layers == [(2, 1)]


@pytest.mark.parametrize("audio_bps", [0, AUDIO_BPS])
def test_nothing_to_show_desires_nothing(audio_bps: int) -> None:
    link = Link(audio_bps=audio_bps)
    link.estimate(1_000_000)
    assert link.allocation == Allocation((), audio_bps, audio_bps)


def test_a_voice_that_joins_is_made_room_for() -> None:
    link = Link(demand())
    link.estimate(1_700_000 + 75_000)
    assert link.layers == [(2, 2)]
    link.audio_bps = 300_000
    link.estimate(1_775_000)
    link.estimate(1_775_000, DIP_S)
    assert link.layers == [(2, 1)]
    assert link.allocation.used_bps == 300_000 + 1_050_000
