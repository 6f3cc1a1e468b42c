"""Full collections by the clock."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.support.clock import VirtualClock

from sfu.runtime.garbage import BUSY, LONGEST_S, LOOK_S, NEVER, SHORTEST_S, YOUNG, FullCollections


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """What a test froze is garbage like any other after it."""
    yield
    gc.unfreeze()


class Collections:
    """Each takes as long as the test says."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.takes_s = 0.0
        self.read_s = 0.0
        self.at: list[float] = []

    def collect(self) -> None:
        self.at.append(self._clock.now())
        self.read_s += self.takes_s

    def stopwatch(self) -> float:
        return self.read_s


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.0, SHORTEST_S), (0.01, SHORTEST_S), (0.15, 150.0)])
def test_they_take_a_thousandth_of_the_time_at_most(takes_s: float, pause_s: float) -> None:
    clock = VirtualClock()
    done = Collections(clock)
    collections = FullCollections(clock, collect=done.collect, stopwatch=done.stopwatch, worked=lambda: 0.0)
    before = gc.get_threshold()
    collections.start()
    try:
        done.takes_s = takes_s
        assert gc.get_threshold() == (YOUNG, NEVER, NEVER)
        clock.advance(SHORTEST_S + 3 * pause_s + 1.0)
    finally:
        collections.stop()
    assert [later - earlier for earlier, later in zip(done.at[1:], done.at[2:], strict=False)] == [pause_s] * 3
    assert gc.get_threshold() == before
    clock.advance(1_000.0)
    assert len(done.at) == 5
    collections.stop()


@pytest.mark.parametrize(("busy_until_s", "at_s"), [(100.5, 101.0), (1_000.0, SHORTEST_S + LONGEST_S)])
def test_they_wait_while_there_is_much_to_do_but_not_for_ever(busy_until_s: float, at_s: float) -> None:
    clock = VirtualClock()
    began = clock.now()
    done = Collections(clock)

    def worked() -> float:
        return min(clock.now() - began, busy_until_s) * (BUSY + 0.1)

    collections = FullCollections(clock, collect=done.collect, stopwatch=done.stopwatch, worked=worked)
    collections.start()
    try:
        clock.advance(SHORTEST_S + LONGEST_S + LOOK_S)
    finally:
        collections.stop()
    assert [at - began for at in done.at[:2]] == [0.0, at_s]
