"""Layer selection: promises that hold for every gallery and every network. Galleries come from a seed that hypothesis
draws and prints.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.layers import random_demands

from sfu.layers import Allocation, Demand, Reason, StandardPolicy, Subscriber
from sfu.layers.plan import NEVER, Plan
from sfu.layers.selector import DIP, DIP_S

seeds = st.integers(0, 2**32)
counts = st.integers(0, 12)
budgets = st.integers(0, 12_000_000)
audio = st.integers(0, 200_000)


def gallery(seed: int, count: int) -> tuple[Demand, ...]:
    return random_demands(random.Random(seed), count)


def plan_of(demands: tuple[Demand, ...]) -> Plan:
    return Plan([(demand.rungs, demand.wish.priority) for demand in demands])


@given(seeds, counts, audio, st.lists(budgets, min_size=1, max_size=30), st.integers(0, 29))
@example(1928, 1, 0, [0] * 7 + [105_368, 94_329], 0)
def test_no_more_is_sent_than_the_network_carries(
    seed: int, count: int, audio_bps: int, estimates: list[int], change_at: int
) -> None:
    policy, subscriber = StandardPolicy(), Subscriber()
    demands = gallery(seed, count)
    for second, estimate in enumerate(estimates):
        if second == change_at:
            demands = gallery(seed + 1, count)
        allocation = policy.select(second * 2.0, estimate, audio_bps, demands, subscriber)
        sent = sum(choice.bitrate_bps for choice in allocation.choices if not choice.paused)
        assert allocation.used_bps == audio_bps + sent
        room = estimate - audio_bps
        assert sent == 0 or sent * DIP <= room
        if sent > max(room, 0):
            over = second * 2.0 + DIP_S + 0.001  # 16.9 - 16 is less than 0.9
            later = policy.select(over, estimate, audio_bps, demands, subscriber)
            assert later.used_bps == audio_bps or later.used_bps <= estimate


@given(seeds, counts, budgets, budgets)
def test_a_larger_budget_makes_nobody_worse_for_the_sake_of_a_lower_class(
    seed: int, count: int, one: int, other: int
) -> None:
    demands = gallery(seed, count)
    plan = plan_of(demands)
    small, large = sorted((one, other))
    less, more = plan.fill(small, small).levels, plan.fill(large, large).levels
    if any(new >= 0 > old for old, new in zip(less, more, strict=True)):
        return  # somebody came back from a pause: the lowest layers of all come first
    better = [d.wish.priority for d, old, new in zip(demands, less, more, strict=True) if new > old]
    for demand, old, new in zip(demands, less, more, strict=True):
        if new < old:
            assert any(priority >= demand.wish.priority for priority in better)


@given(seeds, counts, budgets, budgets)
def test_a_larger_budget_pauses_nobody_for_the_sake_of_a_lower_class(
    seed: int, count: int, one: int, other: int
) -> None:
    demands = gallery(seed, count)
    plan = plan_of(demands)
    small, large = sorted((one, other))
    less, more = plan.fill(small, small).levels, plan.fill(large, large).levels
    returned = [d.wish.priority for d, old, new in zip(demands, less, more, strict=True) if new >= 0 > old]
    for demand, old, new in zip(demands, less, more, strict=True):
        if old >= 0 > new:
            assert any(priority >= demand.wish.priority for priority in returned)


@given(seeds, counts, budgets)
def test_who_is_paused_costs_more_than_everybody_of_a_lower_class_who_is_not(
    seed: int, count: int, budget: int
) -> None:
    demands = gallery(seed, count)
    levels = plan_of(demands).fill(budget, budget).levels
    base = [demand.rungs.costs[0] if demand.rungs.costs else 0 for demand in demands]
    for i, paused in enumerate(demands):
        for j, shown in enumerate(demands):
            if levels[i] < 0 <= levels[j] and shown.wish.priority < paused.wish.priority:
                assert base[j] < base[i]


@given(seeds, counts, budgets)
def test_nobody_rises_while_a_lowest_layer_would_fit_instead(seed: int, count: int, budget: int) -> None:
    demands = gallery(seed, count)
    levels = plan_of(demands).fill(budget, budget).levels
    lowest = sum(d.rungs.costs[0] for d, level in zip(demands, levels, strict=True) if level >= 0)
    for demand, level in zip(demands, levels, strict=True):
        if level < 0 and demand.rungs.costs:
            assert lowest + demand.rungs.costs[0] > budget


@given(seeds, counts, budgets)
def test_what_a_budget_buys_can_be_bought_for_what_it_costs(seed: int, count: int, budget: int) -> None:
    plan = plan_of(gallery(seed, count))
    filling = plan.fill(budget, budget)
    assert plan.fill(filling.used_bps, filling.used_bps).levels == filling.levels
    threshold = min(filling.next_base_bps, filling.next_raise_bps)
    assert plan.fill(threshold - 1, threshold - 1).levels == filling.levels
    if threshold < NEVER:
        assert plan.fill(threshold, threshold).levels != filling.levels


@given(seeds, counts, audio, st.lists(budgets, min_size=1, max_size=20))
def test_asked_again_the_answer_is_the_very_same(seed: int, count: int, audio_bps: int, estimates: list[int]) -> None:
    policy, subscriber = StandardPolicy(), Subscriber()
    demands = gallery(seed, count)
    for second, estimate in enumerate(estimates):
        first = policy.select(second * 0.3, estimate, audio_bps, demands, subscriber)
        assert policy.select(second * 0.3, estimate, audio_bps, demands, subscriber) is first


@given(seeds, counts, audio, budgets)
def test_what_is_desired_would_fill_every_wish(seed: int, count: int, audio_bps: int, estimate: int) -> None:
    policy, subscriber = StandardPolicy(), Subscriber()
    demands = gallery(seed, count)
    desired = policy.select(0.0, estimate, audio_bps, demands, subscriber).desired_bps
    filled = policy.select(10.0, desired, audio_bps, demands, subscriber)
    filled = policy.select(20.0, desired, audio_bps, demands, subscriber)
    assert all(choice.reason is not Reason.NETWORK for choice in filled.choices)


@given(seeds, st.integers(1, 12))
def test_a_screen_has_one_size(seed: int, count: int) -> None:
    for demand in gallery(seed, count):
        if demand.is_screen:
            assert len({spatial for spatial, _ in demand.rungs.shape}) == 1


Noise = Callable[[random.Random, float], float]


def uniform(rng: random.Random, _: float) -> float:
    return rng.uniform(-1.0, 1.0)


def slow_wave(_: random.Random, now: float) -> float:
    return math.sin(now / 7.0)


def steps(_: random.Random, now: float) -> float:
    return 1.0 if now % 24.0 < 12.0 else -1.0


def switches(seed: int, count: int, capacity: int, noise: Noise, minutes: int) -> list[int]:
    """Of each minute, on a link whose estimate lies within 10 % of the truth and changes twice a second."""
    rng = random.Random(seed)
    policy, subscriber, demands = StandardPolicy(), Subscriber(), gallery(seed, count)
    shown: tuple[object, ...] | None = None
    counted = [0] * minutes
    for tick in range(minutes * 120):
        now = tick / 2
        allocation: Allocation = policy.select(
            now, int(capacity * (1 + 0.1 * noise(rng, now))), 96_000, demands, subscriber
        )
        now_shown = tuple((choice.paused, choice.spatial, choice.temporal) for choice in allocation.choices)
        counted[tick // 120] += shown is not None and now_shown != shown
        shown = now_shown
    return counted


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 9), st.integers(100_000, 8_000_000), st.sampled_from([uniform, slow_wave, steps]))
@example(seed=103, count=6, capacity=1_393_228, noise=uniform)
@example(seed=17, count=8, capacity=572_833, noise=steps)
@example(seed=4_270_533_497, count=9, capacity=858_345, noise=slow_wave)
def test_a_steady_link_with_a_restless_estimate_shows_at_most_one_switch_a_minute(
    seed: int, count: int, capacity: int, noise: Noise
) -> None:
    first, *later = switches(seed, count, capacity, noise, minutes=21)
    assert sum(later) <= len(later)
    assert first <= 3 * count + 3, "finding out what the link carries"
