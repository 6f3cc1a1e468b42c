"""A host mutes everybody in a large meeting: how soon does each of them know?

Everybody has published a microphone (nobody sends), unmutes it before each round, and is told ``muted``.
"""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections.abc import Sequence
from typing import Protocol

from sfu.bench.load import JoinError

TIMEOUT_S = 20.0
QUIET_S = 1.5
"""Before each round, so that what others are told of unmuted microphones is over."""
AT_ONCE = 50
"""Requests under way: to unmute is not what is measured."""


class Person(Protocol):
    """What is needed of a participant."""

    orders: array[float]
    """When it was told to be mute, on the clock of ``time.perf_counter``."""

    def request(self, request_id: int, kind: str, **fields: object) -> asyncio.Future[dict[str, object]]:
        """Sends it; the reply is the future's."""


async def mute_all(host: Person, others: Sequence[Person], rounds: int) -> tuple[list[float], int]:
    """Seconds from the host's request until each was told, over all rounds; and how many were not told. Raises
    ``JoinError`` when somebody's request is refused.
    """
    latencies: list[float] = []
    missing = 0
    await _all(others, "publish", source="microphone", muted=True)
    for number in range(rounds):
        await _all(others, "mute", source="microphone", muted=False)
        await asyncio.sleep(QUIET_S)
        for person in others:
            del person.orders[:]
        start = time.perf_counter()
        await _one(host, 10_000 + number, "mute_all")
        deadline = start + TIMEOUT_S
        while not all(person.orders for person in others) and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        latencies += [person.orders[0] - start for person in others if person.orders]
        missing += sum(not person.orders for person in others)
    return latencies, missing


async def _all(people: Sequence[Person], kind: str, **fields: object) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(person: Person) -> None:
        async with places:
            await _one(person, 9_999, kind, **fields)

    await asyncio.gather(*map(ask, people))


async def _one(person: Person, request_id: int, kind: str, **fields: object) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        reply = await person.request(request_id, kind, **fields)
    if reply.get("type") != "reply":
        raise JoinError(f"{kind}: {json.dumps(reply)}")
