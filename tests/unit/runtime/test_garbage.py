"""Full collections by the clock."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.support.clock import VirtualClock

from sfu.runtime.garbage import NEVER, SHORTEST_S, YOUNG, FullCollections


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
    collections = FullCollections(clock, collect=done.collect, stopwatch=done.stopwatch)
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
