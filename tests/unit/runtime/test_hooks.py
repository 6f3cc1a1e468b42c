"""Asking plugins: in order, within a time, in a bounded number, and what counts when one can not say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import EPOCH, VirtualClock

from sfu.conference.authority import Role
from sfu.conference.hooks import (
    Deny,
    Hook,
    JoinAsked,
    Pair,
    Person,
    RecordAsked,
    SubscribeAsked,
    Way,
)
from sfu.conference.records import MeetingRecord
from sfu.conference.track import Source
from sfu.errors import ConfigError, RemoteError
from sfu.runtime.hooks import MAX_THREADS, HookOptions, HookRunner

RECORD = MeetingRecord("standup", "Stand-up", EPOCH)
JOIN = JoinAsked(RECORD, Way.SIGNALING, "192.0.2.1", "alice@example.org", "Alice", Role.PARTICIPANT)
QUICK = HookOptions(timeout_s=0.05)
PAIRS = tuple(
    Pair(Person(one, "", one, Role.PARTICIPANT), Person(other, "", other, Role.HOST), Source.CAMERA)
    for one in ("a", "b")
    for other in ("c", "d")
)


def plugin(**hooks: Callable[[Any], Any]) -> Any:
    """An object with these methods."""
    return type("Plugin", (), {"name": "test", **{name: staticmethod(hook) for name, hook in hooks.items()}})()


def runner(*plugins: object, options: HookOptions | None = None) -> HookRunner:
    return HookRunner(plugins, VirtualClock(), options)


def outcomes(asker: HookRunner, hook: Hook = Hook.BEFORE_JOIN) -> dict[str, int]:
    return {outcome.value: count for outcome, count in asker.stats[hook].outcomes.items() if count}


async def refused(asker: HookRunner, hook: Hook = Hook.BEFORE_JOIN, asked: Any = JOIN) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await asker.ask(hook, asked)
    return caught.value


async def test_without_plugins_nobody_is_asked() -> None:
    asker = runner(plugin())
    assert not any(asker.has(hook) for hook in Hook)
    assert await asker.ask(Hook.BEFORE_JOIN, JOIN) is JOIN
    assert asker.stats == {}


async def test_none_allows_and_what_is_changed_goes_on_to_the_next_plugin() -> None:
    seen: list[str] = []

    async def first(join: JoinAsked) -> JoinAsked:
        return replace(join, name="Alice (guest)", role=Role.AUDIENCE, meeting=replace(join.meeting, id="another"))

    def second(join: JoinAsked) -> None:
        seen.append(f"{join.name}/{join.role}/{join.meeting.id}")

    asker = runner(plugin(before_join=first), plugin(before_join=second))
    answer = await asker.ask(Hook.BEFORE_JOIN, JOIN)
    assert answer == replace(JOIN, name="Alice (guest)", role=Role.AUDIENCE)
    assert seen == ["Alice (guest)/audience/standup"]  # the meeting is not theirs to change
    assert outcomes(asker) == {"allowed": 1, "changed": 1}


async def test_the_first_denial_counts_and_its_reason_is_told() -> None:
    asked: list[object] = []
    asker = runner(plugin(before_join=lambda _: Deny("not on Sundays")), plugin(before_join=asked.append))
    error = await refused(asker)
    assert (error.code, error.status, error.detail) == ("refused", 403, "not on Sundays")
    assert asked == []
    assert outcomes(asker) == {"denied": 1}


async def test_a_long_reason_is_cut() -> None:
    assert len((await refused(runner(plugin(before_join=lambda _: Deny("x" * 5000))))).detail) == 200


def broken(_join: JoinAsked) -> None:
    raise KeyError("gone")


async def broken_later(_join: JoinAsked) -> None:
    await asyncio.sleep(0)
    raise StopAsyncIteration


async def cancels_itself(_join: JoinAsked) -> None:
    raise asyncio.CancelledError


NONSENSE: list[Callable[[Any], Any]] = [
    broken,
    broken_later,
    cancels_itself,
    lambda _: True,
    lambda _: RecordAsked(RECORD, Role.HOST, ""),
    lambda join: replace(join, name=""),
    lambda join: replace(join, role="host"),
    lambda join: replace(join, max_bps=-1),
    lambda join: replace(join, session_s=0),
    lambda join: replace(join, publish=frozenset({"camera"})),
]


@pytest.mark.parametrize("hook", NONSENSE)
async def test_who_fails_or_answers_nonsense_denies(hook: Callable[[Any], Any]) -> None:
    asker = runner(plugin(before_join=hook))
    error = await refused(asker)
    assert (error.code, error.status) == ("hook_failed", 503)
    assert outcomes(asker) == {"error": 1}


@pytest.mark.parametrize("hook", NONSENSE)
async def test_or_is_passed_over_where_the_operator_says_so(hook: Callable[[Any], Any]) -> None:
    options = HookOptions(fails_open=frozenset({Hook.BEFORE_JOIN}))
    asker = runner(plugin(before_join=hook), plugin(before_join=lambda _: Deny("by me")), options=options)
    assert (await refused(asker)).detail == "by me"
    assert outcomes(asker) == {"error": 1, "denied": 1}


async def test_who_takes_too_long_denies_also_when_it_passes_over_its_cancellation() -> None:
    over = asyncio.Event()

    async def stubborn(_join: JoinAsked) -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    asker = runner(plugin(before_join=stubborn), options=QUICK)
    assert (await refused(asker)).code == "hook_failed"
    assert outcomes(asker) == {"timeout": 1}
    over.set()
    await asker.close()


async def test_a_plain_function_may_block_and_the_loop_goes_on() -> None:
    go_on, threads = threading.Event(), []

    def blocks(_join: JoinAsked) -> None:
        threads.append(threading.current_thread())
        assert go_on.wait(10)

    asker = runner(plugin(before_join=blocks), options=HookOptions(timeout_s=20))
    asking = asyncio.ensure_future(asker.ask(Hook.BEFORE_JOIN, JOIN))
    while not threads:
        await asyncio.sleep(0.001)
    assert not asking.done()
    go_on.set()
    assert await asking is JOIN
    assert threads[0] is not threading.main_thread()


async def test_threads_that_do_not_come_back_are_bounded() -> None:
    go_on, running = threading.Event(), []

    def hangs(_join: JoinAsked) -> None:
        running.append(1)
        go_on.wait(10)

    asker = runner(plugin(before_join=hangs), options=QUICK)
    try:
        errors = await asyncio.gather(*(refused(asker) for _ in range(MAX_THREADS + 5)))
        assert {error.code for error in errors} == {"hook_failed"}
        assert len(running) <= MAX_THREADS
    finally:
        go_on.set()


async def test_questions_that_wait_are_bounded() -> None:
    over = asyncio.Event()

    async def slow(_join: JoinAsked) -> None:
        await over.wait()

    asker = runner(plugin(before_join=slow), options=HookOptions(timeout_s=20, max_waiting=3))
    waiting = [asyncio.ensure_future(asker.ask(Hook.BEFORE_JOIN, JOIN)) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await refused(asker)).code == "hook_failed"
    over.set()
    assert await asyncio.gather(*waiting) == [JOIN] * 3
    assert outcomes(asker) == {"allowed": 3, "overflow": 1}


async def test_durations_are_counted() -> None:
    clock = VirtualClock()

    async def slow(_join: JoinAsked) -> None:
        clock.advance(0.3)

    asker = HookRunner([plugin(before_join=slow)], clock)
    await asker.ask(Hook.BEFORE_JOIN, JOIN)
    tally = asker.stats[Hook.BEFORE_JOIN].durations
    assert tally.total_s == pytest.approx(0.3)
    assert dict(zip(tally.bounds_s, tally.cumulative(), strict=False))[0.25] == 0
    assert tally.cumulative()[-1] == 1


def test_what_can_not_be_called_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="before_join of the plugin 'test' can not be called"):
        HookRunner([type("Plugin", (), {"name": "test", "before_join": 5})()], VirtualClock())


# pairs


async def test_pairs_are_denied_by_whoever_denies_them_and_asked_about_once() -> None:
    asked: list[tuple[Pair, ...]] = []

    def first(question: SubscribeAsked) -> list[Pair]:
        return [question.pairs[0]]

    async def second(question: SubscribeAsked) -> set[Pair]:
        asked.append(question.pairs)
        return {PAIRS[3], replace(PAIRS[1], source=Source.SCREEN)}  # the last one was not asked about

    asker = runner(plugin(before_subscribe=first), plugin(before_subscribe=second))
    assert await asker.denied_pairs(SubscribeAsked(RECORD, PAIRS)) == {PAIRS[0], PAIRS[3]}
    assert asked == [PAIRS[1:]]
    assert outcomes(asker, Hook.BEFORE_SUBSCRIBE) == {"denied": 2}


@pytest.mark.parametrize(("answer", "denied"), [(None, 0), ([], 0), (Deny("all of them"), 4)])
async def test_answers_about_pairs(answer: object, denied: int) -> None:
    asker = runner(plugin(before_subscribe=lambda _: answer))
    assert len(await asker.denied_pairs(SubscribeAsked(RECORD, PAIRS))) == denied


@pytest.mark.parametrize("answer", [5, ["a"], [[]], True])
async def test_what_is_no_answer_about_pairs_is_a_failure(answer: object) -> None:
    asker = runner(plugin(before_subscribe=lambda _: answer))
    with pytest.raises(RemoteError, match="could not be found out"):
        await asker.denied_pairs(SubscribeAsked(RECORD, PAIRS))
    assert outcomes(asker, Hook.BEFORE_SUBSCRIBE) == {"error": 1}


async def test_pairs_of_which_nothing_can_be_said_are_allowed_where_the_operator_says_so() -> None:
    options = HookOptions(fails_open=frozenset({Hook.BEFORE_SUBSCRIBE}))
    asker = runner(plugin(before_subscribe=broken), options=options)
    assert await asker.denied_pairs(SubscribeAsked(RECORD, PAIRS)) == frozenset()
    assert outcomes(asker, Hook.BEFORE_SUBSCRIBE) == {"error": 1}
