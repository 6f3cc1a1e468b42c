from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.layers import LoadGuard
from sfu.layers.load import AIM, CALM, LEAST_BPS, LOWER_S, RAISE, RAISE_S

LIMIT = 0.8
WISHED_BPS = 10_000_000


class Shard:
    """Its load is what its receivers are sent, by ``bps_at_full``; they take all that they may at once."""

    def __init__(self, wishes: list[int], bps_at_full: float, fixed: float = 0.0) -> None:
        self.wishes = wishes
        self.bps_at_full = bps_at_full
        self.fixed = fixed
        self.guard = LoadGuard(LIMIT)
        self.now = 100.0

    @property
    def used(self) -> list[int]:
        ceiling = self.guard.ceiling_bps
        return [wish if ceiling is None else min(wish, ceiling) for wish in self.wishes]

    @property
    def load(self) -> float:
        return min(1.0, self.fixed + sum(self.used) / self.bps_at_full)

    def run(self, seconds: int) -> list[float]:
        loads = []
        for _ in range(seconds):
            self.now += 1
            self.guard.update(self.now, self.load, lambda: self.used, max(self.wishes))
            loads.append(self.load)
        return loads


def test_a_shard_with_time_to_spare_has_no_ceiling() -> None:
    shard = Shard([1_000_000] * 100, bps_at_full=100e6 / 0.79)
    shard.run(60)
    assert shard.guard.ceiling_bps is None
    assert shard.guard.load == pytest.approx(0.79)


def test_a_shard_with_too_much_to_do_gets_below_its_limit_within_seconds_and_stays_there() -> None:
    shard = Shard([1_000_000] * 100, bps_at_full=80e6)
    loads = shard.run(120)
    assert max(loads[3:]) <= LIMIT
    assert min(loads[3:]) > 0.5, "no more is taken than has to be"
    ceilings = set()
    for _ in range(60):
        shard.run(1)
        ceilings.add(shard.guard.ceiling_bps)
    assert len(ceilings) == 1, "it comes to rest"


def test_what_does_not_depend_on_receivers_takes_some_more_steps() -> None:
    shard = Shard([1_000_000] * 100, bps_at_full=200e6, fixed=0.4)
    loads = shard.run(30)
    assert max(loads[10:]) <= LIMIT


def test_who_gets_little_keeps_it() -> None:
    shard = Shard([100_000] * 50 + [5_000_000] * 50, bps_at_full=200e6)
    shard.run(1)
    # 255 Mbit/s were asked for, of which the shard has time for 68 %: 5 for the small ones, the rest for the others.
    assert shard.guard.ceiling_bps == pytest.approx((255e6 * AIM * LIMIT - 5e6) / 50, rel=0.01)


def test_it_is_over_when_the_load_is() -> None:
    shard = Shard([1_000_000] * 100, bps_at_full=80e6)
    shard.run(10)
    assert shard.guard.ceiling_bps is not None
    shard.wishes = [1_000_000] * 20
    shard.run(60)
    assert shard.guard.ceiling_bps is None


def test_the_next_step_waits_until_the_last_one_can_be_seen() -> None:
    guard = LoadGuard(LIMIT)
    assert guard.update(100.0, 0.95, lambda: [2_000_000], WISHED_BPS)
    first = guard.ceiling_bps
    assert first is not None
    assert not guard.update(100.0 + LOWER_S - 0.1, 0.95, lambda: [first], WISHED_BPS)
    assert guard.update(100.0 + LOWER_S, 0.95, lambda: [first], WISHED_BPS)
    second = guard.ceiling_bps
    assert second is not None
    assert second < first
    quiet = CALM * LIMIT - 0.01
    assert not guard.update(100.0 + LOWER_S + RAISE_S - 0.1, quiet, list, WISHED_BPS)
    assert guard.update(100.0 + LOWER_S + RAISE_S, quiet, list, WISHED_BPS)
    assert guard.ceiling_bps == int(second * RAISE)


def test_between_calm_and_the_limit_nothing_changes() -> None:
    guard = LoadGuard(LIMIT)
    guard.update(100.0, 0.95, lambda: [2_000_000], WISHED_BPS)
    for second in range(100):
        assert not guard.update(110.0 + second, (CALM * LIMIT + LIMIT) / 2, list, WISHED_BPS)


def test_a_limit_of_all_time_never_holds_anybody() -> None:
    guard = LoadGuard(1.0)
    assert not guard.update(100.0, 1.0, lambda: [2_000_000], WISHED_BPS)
    assert not guard.update(105.0, 1.02, lambda: [2_000_000], WISHED_BPS)
    assert guard.ceiling_bps is None


@given(
    wishes=st.lists(st.integers(0, 20_000_000), min_size=1, max_size=30),
    loads=st.lists(st.floats(0, 1.5), min_size=1, max_size=60),
)
def test_whatever_the_load_a_ceiling_only_falls_when_it_is_too_much_and_only_rises_when_it_is_little(
    wishes: list[int], loads: list[float]
) -> None:
    shard = Shard(wishes, 1.0)
    guard = shard.guard
    for load in loads:
        before, shard.now = guard.ceiling_bps, shard.now + 1
        changed = guard.update(shard.now, load, lambda: shard.used, max(wishes))
        after = guard.ceiling_bps
        assert changed == (after != before)
        assert after is None or after >= LEAST_BPS
        if changed and (before is None or (after is not None and after < before)):
            assert load > LIMIT
        elif changed:
            assert load < CALM * LIMIT
            assert after is None or after > before
