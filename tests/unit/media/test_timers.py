from __future__ import annotations

from sfu.media.timers import AT_ONCE, Timers


def run(timers: Timers, now: float) -> None:
    for timer in timers.take_due(now):
        if timer.callback is not None:
            timer.callback(now)


def test_timers_run_in_the_order_of_their_moments():
    timers, seen = Timers(), []
    timers.at(3, lambda _now: seen.append("c"))
    timers.at(1, lambda _now: seen.append("a"))
    timers.at(1, lambda _now: seen.append("b"))
    run(timers, 2)
    assert seen == ["a", "b"]
    assert timers.poll_timeout() == 3


def test_a_cancelled_timer_neither_runs_nor_wakes():
    timers, seen = Timers(), []
    timer = timers.at(1, lambda _now: seen.append("x"))
    timers.at(2, lambda _now: seen.append("y"))
    timer.cancel()
    timer.cancel()
    assert timers.poll_timeout() == 2
    run(timers, 5)
    assert seen == ["y"]
    assert timers.poll_timeout() is None


def test_a_timer_can_cancel_one_that_is_due_with_it():
    timers, seen = Timers(), []
    second = None
    timers.at(1, lambda _now: second.cancel())
    second = timers.at(1, lambda _now: seen.append("x"))
    run(timers, 1)
    assert seen == []


def test_what_a_timer_sets_at_once_waits_for_the_next_round():
    timers, seen = Timers(), []

    def again(now: float) -> None:
        seen.append(now)
        timers.soon(again)

    timers.soon(again)
    run(timers, 1)
    assert seen == [1]
    assert timers.poll_timeout() == AT_ONCE


def test_the_driver_is_told_only_when_the_next_moment_comes_earlier():
    timers, told = Timers(), []
    timers.on_earlier = lambda: told.append(timers.poll_timeout())
    timers.at(5, lambda _now: None)
    timers.at(9, lambda _now: None)
    timers.at(2, lambda _now: None)
    assert told == [5, 2]
