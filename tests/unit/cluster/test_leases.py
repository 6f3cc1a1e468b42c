"""Who has a meeting, over a real Redis: one process at a time, whatever happens to the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.redis import PrivateRedis
from tests.support.waiting import until

from sfu.errors import RemoteError

from .conftest import PATIENT, Start, vanish

SHORT = replace(PATIENT, lease_s=2.0)


async def test_who_asks_first_has_the_meeting_and_the_others_are_told_so(start: Start) -> None:
    processes = [await start() for _ in range(3)]
    homes = await asyncio.gather(*(one.leases.home_of("m") for one in processes for _ in range(5)))
    assert len(set(homes)) == 1
    assert sum(one.leases.holds("m") for one in processes) == 1


async def test_a_meeting_that_is_not_opened_is_given_back_when_nobody_uses_it(start: Start) -> None:
    one, other = await start(), await start()
    assert await one.leases.home_of("m") == one.id
    with one.leases.using("m"):
        assert await other.leases.home_of("m") == one.id
    await until(lambda: not one.leases.holds("m"), "that it is given back")
    assert await other.leases.home_of("m") == other.id


async def test_an_open_meeting_is_kept_until_it_is_let_go(start: Start) -> None:
    one, other = await start(), await start()
    await one.leases.open("m")
    with one.leases.using("m"):
        pass
    with pytest.raises(RemoteError, match="on another server"):
        await other.leases.open("m")
    one.leases.let_go("m")
    await until(lambda: not one.leases.holds("m"), "that it is given back")
    await other.leases.open("m")


async def test_a_meeting_that_was_open_is_given_back_once_the_store_knows_how_it_was_left(start: Start) -> None:
    one, other = await start(), await start()
    knows, asked = asyncio.Event(), 0

    async def settle() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RemoteError("store_unavailable", "it is away", status=503)
        return knows.is_set()

    one.leases.settle = settle
    await one.leases.open("m")
    one.leases.let_go("m")
    for _ in range(3):
        with one.leases.using("m"):
            assert await other.leases.home_of("m") == one.id
    await until(lambda: asked, "that the store is asked", good=lambda times: times >= 3)
    assert await other.leases.home_of("m") == one.id
    assert len(one.leases._tasks) == 1, "one waits for the store, however often it was asked for"
    knows.set()
    await until(lambda: not one.leases.holds("m"), "that it is given back")
    assert await other.leases.home_of("m") == other.id


async def test_who_stops_asks_the_store_once_and_gives_back_what_it_has(start: Start) -> None:
    one, other = await start(), await start()

    async def settle() -> bool:
        return False

    one.leases.settle = settle
    await one.leases.open("m")
    one.leases.let_go("m")
    await one.leases.close()
    assert not one.leases.holds("m")
    assert await other.leases.home_of("m") == other.id


async def test_the_meeting_of_a_killed_process_is_anothers_long_before_its_lease_is_over(start: Start) -> None:
    one, other = await start(), await start()
    await one.leases.open("m")
    await vanish(one)
    assert await other.leases.home_of("m") == other.id
    assert other.leases.taken_over == 1


async def test_who_was_stopped_for_longer_than_its_lease_lets_go_of_what_another_took(start: Start) -> None:
    one, other = await start(patience=SHORT), await start()
    lost: list[str] = []
    one.leases.on_lost = lost.append
    await one.leases.open("taken")
    await one.leases.open("kept")
    for task in one.cluster._tasks:  # stopped: it listens, as its connection is open, but beats no more
        task.cancel()

    async def is_others() -> bool:
        return bool(await other.leases.home_of("taken") == other.id)

    await until(is_others, "that the meeting is the other's")
    assert one.leases.holds("taken"), "nobody told it yet"
    await one.leases.beat()
    assert (lost, one.leases.holds("taken"), one.leases.holds("kept")) == (["taken"], False, True)
    assert await other.leases.home_of("kept") == one.id


async def test_whoever_finds_its_lease_old_looks_before_it_says_that_a_meeting_is_its(start: Start) -> None:
    one, other = await start(patience=SHORT), await start()
    await one.leases.open("m")
    for task in one.cluster._tasks:
        task.cancel()

    async def is_others() -> bool:
        return bool(await other.leases.home_of("m") == other.id)

    await until(is_others, "that the meeting is the other's")
    assert await one.leases.home_of("m") == other.id


async def test_how_many_are_in_meetings_elsewhere_is_counted_while_their_home_is_there(start: Start) -> None:
    one, other = await start(), await start()
    await one.leases.home_of("standup")
    keys = one.cluster._keys
    for meeting in ("standup", "left over"):
        await one.cluster.redis.ask("HSET", keys.participants(meeting), "ann", "{}", "bob", "{}")
    asked = ["standup", "left over", "nobody's"]
    assert await other.cluster.counts(asked) == {"standup": 2, "left over": 0, "nobody's": 0}
    assert await other.cluster.counts([]) == {}
    await vanish(one)
    await other.cluster.redis.ask("DEL", keys.process(one.id))  # as when its lease is over
    assert await other.cluster.counts(["standup"]) == {"standup": 0}


async def test_while_redis_is_away_or_silent_it_is_not_known_how_many_are_elsewhere(
    start: Start, redis: PrivateRedis
) -> None:
    one = await start()
    redis.freeze()
    try:
        assert await one.cluster.counts(["standup"]) is None
    finally:
        redis.thaw()


async def test_a_redis_that_lost_everything_hears_first_what_there_is(start: Start, redis: PrivateRedis) -> None:
    one, other = await start(), await start()
    await one.leases.open("m")
    redis.kill()
    try:
        await until(lambda: not (one.cluster.redis.is_up or other.cluster.redis.is_up), "that both see it")
        assert await one.leases.home_of("m") == one.id, "what it has it has"
        with pytest.raises(RemoteError) as caught:
            await other.leases.home_of("m")
        assert (caught.value.code, caught.value.status) == ("cluster_unavailable", 503)
    finally:
        redis.start()
    await until(lambda: other.cluster.redis.is_up, "that one is back")

    async def found() -> Any:
        try:
            return await other.leases.home_of("m")
        except RemoteError:
            return None

    assert await until(found, "where the meeting is", good=lambda who: who is not None) == one.id
    assert not one.leases.lost


async def test_a_silent_redis_is_as_good_as_none(start: Start, redis: PrivateRedis) -> None:
    one = await start()
    redis.freeze()
    try:
        await until(lambda: not one.cluster.redis.is_up, "that it is noticed")
        with pytest.raises(RemoteError, match="does not answer"):
            await one.leases.home_of("m")
    finally:
        redis.thaw()
    await until(lambda: one.cluster.redis.is_up, "that it is back")
    assert await one.leases.home_of("m") == one.id
