"""`sfu bench chat --mute-all`: who is told to be mute, and how late, is counted for each."""

from __future__ import annotations

import asyncio
import time
from array import array
from typing import Any

import pytest

from sfu.bench.chat import orders
from sfu.bench.load import JoinError


class Person:
    """Muted by the host's request, unless it is ``deaf``."""

    def __init__(self, room: list[Person], *, deaf: bool = False, refused: str = "") -> None:
        self.orders = array("d")
        self.asked: list[str] = []
        self._room = room
        self._deaf = deaf
        self._refused = refused
        room.append(self)

    def request(self, request_id: int, kind: str, **fields: object) -> asyncio.Future[dict[str, Any]]:
        self.asked.append(kind)
        if kind == "mute_all":
            for person in self._room:
                if person is not self and not person._deaf:
                    person.orders.append(time.perf_counter())
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        reply.set_result({"type": "error" if kind == self._refused else "reply", "reply": request_id})
        return reply


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "QUIET_S", 0.0)
    monkeypatch.setattr(orders, "TIMEOUT_S", 0.2)


async def test_each_round_counts_everybody_but_the_host() -> None:
    room: list[Person] = []
    host, others = Person(room), [Person(room) for _ in range(5)]
    latencies, missing = await orders.mute_all(host, others, rounds=3)
    assert (len(latencies), missing, host.asked) == (15, 0, ["mute_all"] * 3)
    assert all(0 <= latency < 0.2 for latency in latencies)
    assert others[0].asked == ["publish", "mute", "mute", "mute"]


async def test_who_is_not_told_is_missing() -> None:
    room: list[Person] = []
    host, others = Person(room), [Person(room), Person(room, deaf=True)]
    latencies, missing = await orders.mute_all(host, others, rounds=2)
    assert (len(latencies), missing) == (2, 2)


async def test_a_request_that_is_refused_ends_the_run() -> None:
    room: list[Person] = []
    with pytest.raises(JoinError, match="publish"):
        await orders.mute_all(Person(room), [Person(room, refused="publish")], rounds=1)
