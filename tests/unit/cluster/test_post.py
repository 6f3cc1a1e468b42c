"""The post between processes, over channels that a test can break."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sfu.cluster.keys import Keys
from sfu.cluster.post import MAX_UNTAKEN_BYTES, SILENT_TICKS, Post
from sfu.cluster.wire import unpack

KEYS = Keys("test:")


class Channels:
    """What ``connection.Redis`` does, within this process."""

    def __init__(self) -> None:
        self.is_up = True
        self.takes = True
        self.listeners: dict[str, Post] = {}
        self.published: list[bytes] = []
        self.lose_next = 0

    def call(self, *command: Any) -> asyncio.Future[Any]:
        name, channel, data = command
        assert name == "PUBLISH"
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.published.append(data)
        post = self.listeners.get(channel)
        if not self.takes:
            return answer
        answer.set_result(1 if post else 0)
        if self.lose_next:
            self.lose_next -= 1
        elif post:
            post.take(data)
        return answer


class End:
    """A process: its post, and what came of it."""

    def __init__(self, name: str, channels: Channels) -> None:
        self.post = Post(channels, KEYS, name)
        channels.listeners[KEYS.inbox(name)] = self.post
        self.steps: list[Any] = []
        self.lost: list[str] = []
        self.post.on_step = lambda peer, step: self.steps.append((peer, step))
        self.post.on_lost = self.lost.append
        self.post.is_needed = lambda _: True


@pytest.fixture
def channels() -> Channels:
    return Channels()


@pytest.fixture
def one(channels: Channels) -> End:
    return End("one", channels)


@pytest.fixture
def other(channels: Channels) -> End:
    return End("other", channels)


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_what_is_put_in_one_turn_goes_in_one_batch_and_in_order(channels: Channels, one: End, other: End) -> None:
    for number in range(5):
        one.post.put("other", ["data", number, str(number)])
    assert not other.steps
    await turn()
    assert other.steps == [("one", ["data", number, str(number)]) for number in range(5)]
    assert len(channels.published) == 1


async def test_a_message_to_many_goes_there_once(channels: Channels, one: End, other: End) -> None:
    frame = "x" * 1000
    for stream in range(500):
        one.post.send("other", stream, frame)
    await turn()
    assert other.steps == [("one", ["send", list(range(500)), frame])]
    assert len(channels.published[0]) < 3_000


async def test_messages_to_a_client_keep_their_order_however_they_are_gathered(one: End, other: End) -> None:
    first, second = "first " * 3, "second " * 3
    for stream, frames in ((1, (first, second)), (2, (second, first)), (3, (first, second, first))):
        for frame in frames:
            one.post.send("other", stream, frame)
    one.post.put("other", ["tell", 1, {"type": "websocket.close"}])
    one.post.send("other", 1, first)
    await turn()
    got: dict[int, list[str]] = {1: [], 2: [], 3: []}
    for _, step in other.steps:
        for stream in step[1] if step[0] == "send" else [step[1]]:
            got[stream].append(step[2] if step[0] == "send" else "close")
    assert got == {1: [first, second, "close", first], 2: [second, first], 3: [first, second, first]}


async def test_a_batch_that_is_lost_ends_all_that_went_on_at_both_ends(
    channels: Channels, one: End, other: End
) -> None:
    one.post.put("other", ["data", 1, "a"])
    await turn()
    channels.lose_next = 1
    one.post.put("other", ["data", 1, "b"])
    await turn()
    assert not other.lost
    one.post.put("other", ["data", 1, "c"])
    await turn()
    assert other.lost == ["one"], "the gap was not seen"
    other.post.tick()
    assert one.lost == [], "the first batch that ever came from there is no new beginning"
    other.post.put("one", ["data", 2, "d"])
    one.post.put("other", ["data", 3, "e"])
    await turn()
    assert [step for _, step in other.steps][-1] == ["data", 3, "e"]


async def test_who_began_anew_is_heard_from_there_on(channels: Channels, one: End, other: End) -> None:
    one.post.put("other", ["data", 1, "a"])
    await turn()
    one.post.reset()
    assert one.lost == ["other"]
    one.post.put("other", ["data", 2, "b"])
    await turn()
    assert other.lost == ["one"]
    assert [step for _, step in other.steps] == [["data", 1, "a"], ["data", 2, "b"]]


async def test_a_process_that_listens_no_more_is_lost_with_the_next_tick(
    channels: Channels, one: End, other: End
) -> None:
    one.post.put("other", ["data", 1, "a"])
    await turn()
    del channels.listeners[KEYS.inbox("other")]
    assert not one.lost
    one.post.tick()
    await turn()
    assert one.lost == ["other"]


async def test_a_process_that_says_nothing_is_lost(one: End, other: End) -> None:
    one.post.put("other", ["data", 1, "a"])
    await turn()
    for _ in range(SILENT_TICKS):
        one.post.tick()
    assert not one.lost
    one.post.tick()
    assert one.lost == ["other"]


async def test_what_a_process_does_not_take_is_bounded(channels: Channels, one: End, other: End) -> None:
    channels.takes = False
    frame = b"x" * 1_000_000
    for number in range(2 * MAX_UNTAKEN_BYTES // len(frame)):
        if one.lost:
            break
        one.post.put("other", ["data", number, frame], len(frame))
        await turn()
    assert one.lost == ["other"]
    assert sum(map(len, channels.published)) < MAX_UNTAKEN_BYTES + 2 * len(frame)


async def test_long_steps_go_in_several_batches(channels: Channels, one: End, other: End) -> None:
    for number in range(5):
        one.post.put("other", ["data", number, b"x" * 400_000], 400_000)
    await turn()
    assert [unpack(data).number for data in channels.published] == [0, 1, 2]
    assert [step[1] for _, step in other.steps] == list(range(5))


async def test_what_is_no_batch_is_counted_and_passed_over(one: End) -> None:
    one.post.take(b"\xff")
    assert (one.post.malformed, one.steps, one.lost) == (1, [], [])
