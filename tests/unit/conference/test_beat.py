from __future__ import annotations

from tests.support.clock import VirtualClock

from sfu.conference.beat import Beat


def test_what_is_due_after_quiet_leaves_at_once_and_the_rest_when_the_interval_is_over(clock: VirtualClock) -> None:
    left: list[float] = []
    beat = Beat(clock, lambda: 1.0, lambda: left.append(clock.now() - 1000))
    beat.due()
    assert left == [0.0]
    for _ in range(9):
        clock.advance(0.1)
        beat.due()
    assert left == [0.0]
    clock.advance(0.1)
    assert left == [0.0, 1.0]
    clock.advance(5)
    assert left == [0.0, 1.0]
    beat.due()
    assert left[2:] == [clock.now() - 1000]


def test_a_beat_without_an_interval_never_waits(clock: VirtualClock) -> None:
    left: list[float] = []
    beat = Beat(clock, lambda: 0.0, lambda: left.append(clock.now()))
    for _ in range(3):
        beat.due()
    assert len(left) == 3
    assert clock.pending == 0


def test_what_is_told_now_is_not_told_again(clock: VirtualClock) -> None:
    left: list[float] = []
    beat = Beat(clock, lambda: 1.0, lambda: left.append(clock.now() - 1000))
    beat.due()
    clock.advance(0.5)
    beat.due()
    beat.now()
    clock.advance(3)
    assert left == [0.0, 0.5]


def test_a_stopped_beat_tells_nothing_and_has_no_timer(clock: VirtualClock) -> None:
    left: list[float] = []
    beat = Beat(clock, lambda: 1.0, lambda: left.append(clock.now()))
    beat.due()
    beat.due()
    beat.stop()
    assert clock.pending == 0
    clock.advance(5)
    assert len(left) == 1


def test_a_burst_leaves_at_once_and_then_waits_for_its_turn(clock: VirtualClock) -> None:
    left: list[float] = []
    beat = Beat(clock, lambda: 1.0, lambda: left.append(round(clock.now() - 1000, 3)), burst=3)
    for _ in range(19):
        beat.due()
        clock.advance(0.1)
    assert left == [0.0, 0.1, 0.2, 1.0, 1.1, 1.2]
