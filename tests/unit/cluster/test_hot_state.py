"""What others can see in Redis of a meeting that goes on here, and who gets a seat back by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.cluster.hot_state import BATCH, BEAT_S, HotState
from sfu.cluster.keys import Keys
from sfu.conference import Conference
from sfu.conference.homes import Alone
from sfu.conference.names import digest
from sfu.conference.returning import Seat

KEYS = Keys("test:")


class Tables:
    """Hashes and channels, as Redis has them."""

    def __init__(self) -> None:
        self.is_up = True
        self.is_slow = False
        self.hashes: dict[str, dict[str, Any]] = {}
        self.news: list[Any] = []
        self.commands = 0

    def call(self, *command: Any) -> asyncio.Future[Any]:
        self.commands += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self.is_slow:
            answer.set_result(1)
        match command:
            case ["HSET", key, *values]:
                pairs = zip(values[::2], values[1::2], strict=True)
                self.hashes.setdefault(key, {}).update((one, json.loads(text)) for one, text in pairs)
            case ["HDEL", key, *names]:
                for name in names:
                    self.hashes.get(key, {}).pop(name, None)
            case ["DEL", *keys]:
                for key in keys:
                    self.hashes.pop(key, None)
            case ["PUBLISH", _, text]:
                self.news.append(json.loads(text))
        return answer

    async def ask(self, *command: Any) -> list[bytes]:
        name, key = command
        assert name == "HVALS"
        return [json.dumps(value).encode() for value in self.hashes.get(key, {}).values()] + [b"7", b"\xff", b"{}"]


class Told(Alone):
    """Tells a ``HotState``, as ``Cluster`` does."""

    hot: HotState

    def changed(self, meeting_id: str, participant_id: str) -> None:
        self.hot.changed(meeting_id, participant_id)


class World:
    def __init__(self) -> None:
        self.clock, self.redis, homes = VirtualClock(), Tables(), Told()
        self.engine, _ = sim_engine()
        self.conference = Conference(self.engine, self.clock, homes=homes)
        self.hot = homes.hot = HotState(self.redis, KEYS, self.clock, lambda: self.conference.meetings)

    def seen(self, meeting_id: str) -> dict[str, Any]:
        return self.redis.hashes.get(KEYS.participants(meeting_id), {})


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.conference.close()
    world.engine.close()


async def test_others_see_who_is_there_and_what_changes_within_a_beat(world: World) -> None:
    meeting = await world.conference.create_meeting()
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    assert not world.seen(meeting.id), "something was written without a beat"
    world.clock.advance(BEAT_S)
    assert {one["name"] for one in world.seen(meeting.id).values()} == {"Ann", "Bob"}
    meeting.permissions.raise_hand(bob, raised=True)
    ann.leave()
    world.clock.advance(BEAT_S)
    [(who, told)] = world.seen(meeting.id).items()
    assert (who, told["role"], told["hand"], told["connected"]) == (bob.id, "participant", 1, False)
    assert world.redis.news[-1]["left"] == [ann.id]
    assert "seat" not in world.redis.news[-1]["participants"][bob.id], "a channel tells what only a home is to know"


async def test_a_seat_is_read_again_as_it_was_and_nothing_else_is_one(world: World) -> None:
    meeting = await world.conference.create_meeting()
    ann = meeting.join("Ann", host_token=meeting.host_token)
    world.clock.advance(BEAT_S)
    [seat] = await world.hot.seats(meeting.id)
    assert (seat.participant_id, seat.role.value, seat.token_digest) == (ann.id, "host", digest(ann.token))
    assert ann.token not in json.dumps(world.redis.hashes), "a token is written in plain"


async def test_nothing_piles_up_while_redis_is_away_and_all_is_written_when_it_is_back(world: World) -> None:
    meeting = await world.conference.create_meeting()
    for number in range(20):
        meeting.join(f"P{number}")
    world.redis.is_up = False
    world.clock.advance(BEAT_S)
    gone = next(iter(meeting.participants.values()))
    gone.leave()
    world.clock.advance(BEAT_S)
    assert world.redis.commands == 0
    world.redis.is_up = True
    world.redis.hashes[KEYS.participants(meeting.id)] = {gone.id: {"name": "of before"}}
    world.hot.write_all()
    world.clock.advance(BEAT_S)
    assert set(world.seen(meeting.id)) == set(meeting.participants)


async def test_a_beat_has_a_bound_and_waits_for_the_one_before(world: World) -> None:
    meeting = await world.conference.create_meeting()
    ids = [f"gone-{number}" for number in range(BATCH + 10)]
    for one in ids:
        world.hot.changed(meeting.id, one)
    world.redis.is_slow = True
    world.clock.advance(BEAT_S)
    assert len(world.redis.news[-1]["left"]) == BATCH
    world.clock.advance(BEAT_S * 3)
    assert len(world.redis.news) == 1, "a beat did not wait"


async def test_a_meeting_that_is_over_leaves_nothing(world: World) -> None:
    meeting = await world.conference.create_meeting()
    meeting.join("Ann")
    world.clock.advance(BEAT_S)
    world.hot.let_go(meeting.id, is_over=True)
    assert not world.seen(meeting.id)


async def test_what_changed_in_the_last_moment_is_there_for_the_next_home(world: World) -> None:
    meeting = await world.conference.create_meeting()
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    world.clock.advance(BEAT_S)
    raised = replace(Seat.of(ann), hand=3)
    world.hot.seated(meeting.id, ann.id, raised)
    world.hot.seated(meeting.id, bob.id, None)
    world.hot.let_go(meeting.id, is_over=False)
    assert await world.hot.seats(meeting.id) == (raised,)
