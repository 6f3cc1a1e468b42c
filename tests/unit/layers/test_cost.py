"""What layer selection costs where it matters: a thousand subscribers whose networks are never still."""

from __future__ import annotations

import random

import pytest
from tests.support.layers import random_demands
from tests.support.noise import repeatable
from tests.support.pace import Pace

from sfu.layers import StandardPolicy, Subscriber

SUBSCRIBERS = 1000
CONSUMERS = 9
CHANGES_PER_S = 2
SECONDS = 5
SHARE = 0.05


@repeatable
@pytest.mark.parametrize("swing", [0.1, 0.5])
def test_a_thousand_subscribers_with_changing_estimates_cost_little_of_one_core(swing: float) -> None:
    seed = 20
    rng = random.Random(seed)
    policy = StandardPolicy()
    subscribers = [
        (Subscriber(str(number)), random_demands(rng, CONSUMERS), rng.uniform(300_000, 8_000_000))
        for number in range(SUBSCRIBERS)
    ]
    for subscriber, demands, estimate in subscribers:
        policy.select(0.0, int(estimate), 96_000, demands, subscriber)
    changes = changed = 0
    pace = Pace()
    for turn in range(SECONDS * CHANGES_PER_S):
        now = (turn + 1) / CHANGES_PER_S
        estimates = [int(base * rng.uniform(1 - swing, 1 + swing)) for _, _, base in subscribers]
        with pace.of_work():
            for (subscriber, demands, _), estimate in zip(subscribers, estimates, strict=True):
                before = subscriber.memory.allocation
                after = policy.select(now, estimate, 96_000, demands, subscriber)
                changed += after is not before
        changes += len(subscribers)
    spent = pace.spent_s
    print(f"seed {seed}: {spent / changes * 1e6:.1f} us a change, {changed / changes:.1%} of them changed layers")
    assert changed > 0
    assert spent / SECONDS <= SHARE, f"{spent / SECONDS:.1%} of a core"


@repeatable
def test_new_ladders_for_a_thousand_subscribers_do_not_hold_up_the_loop_for_long() -> None:
    """All at once is the worst; the conference spreads it over a second."""
    rng = random.Random(21)
    policy = StandardPolicy()
    subscribers = [Subscriber(str(number)) for number in range(SUBSCRIBERS)]
    renewed = [random_demands(rng, CONSUMERS) for _ in subscribers]
    pace = Pace()
    with pace.of_work():
        for subscriber, demands in zip(subscribers, renewed, strict=True):
            policy.select(0.0, 2_000_000, 96_000, demands, subscriber)
    assert pace.spent_s / SUBSCRIBERS <= 0.001, f"{pace.spent_s / SUBSCRIBERS * 1e6:.0f} us each"
