from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from sfu.bench.entrance import QUICK_S, SLOW_S, TRIES, Entrance


class RefusedError(Exception):
    pass


class Server:
    """Lets people in when the test says so."""

    def __init__(self) -> None:
        self.doors: dict[int, asyncio.Future[None]] = {}
        self.tried: Counter[int] = Counter()
        self.most = 0

    async def enter(self, who: int) -> None:
        self.tried[who] += 1
        self.doors[who] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.doors))
        try:
            await self.doors[who]
        finally:
            del self.doors[who]

    async def let_in(self, failing: tuple[int, ...] = ()) -> None:
        """All who stand at the door now."""
        for who, door in list(self.doors.items()):
            if who in failing:
                door.set_exception(RefusedError(str(who)))
            else:
                door.set_result(None)
        await turns()


async def turns() -> None:
    """Whoever can go on does."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_are_on_their_way_and_no_more() -> None:
    server, entrance = Server(), Entrance(4)
    admission = asyncio.create_task(entrance.admit(range(30), server.enter, RefusedError))
    await turns()
    while not admission.done():
        await server.let_in()
    assert sorted(server.tried) == list(range(30))
    assert (server.most, entrance.again) == (4, 0)


def test_fewer_come_at_a_time_while_it_is_slow_and_more_when_it_is_quick() -> None:
    entrance = Entrance(4)
    entrance.took(SLOW_S)
    assert entrance.at_once == 2
    for _ in range(5):
        entrance.took(SLOW_S)
    assert entrance.at_once == 1, "always one"
    entrance.took((QUICK_S + SLOW_S) / 2)
    assert entrance.at_once == 1
    for _ in range(20):
        entrance.took(QUICK_S / 2)
    assert entrance.at_once == 4


async def test_who_is_refused_tries_again() -> None:
    server, entrance = Server(), Entrance(2)
    admission = asyncio.create_task(entrance.admit(range(4), server.enter, RefusedError))
    await turns()
    await server.let_in(failing=(0,))
    assert entrance.at_once == 1
    while not admission.done():
        await server.let_in()
    assert server.tried == {0: 2, 1: 1, 2: 1, 3: 1}
    assert entrance.again == 1


@pytest.mark.parametrize("at_once", [1, 4])
async def test_who_is_refused_every_time_ends_it_for_all(at_once: int) -> None:
    server, entrance = Server(), Entrance(at_once)
    admission = asyncio.create_task(entrance.admit(range(8), server.enter, RefusedError))
    await turns()
    for _ in range(50):
        await server.let_in(failing=(0,))
    with pytest.raises(RefusedError, match="0"):
        await admission
    assert server.tried[0] == TRIES
    assert server.doors == {}
