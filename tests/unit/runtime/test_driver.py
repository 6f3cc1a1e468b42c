"""The driver on a real event loop; the engine is real, its shard is the simulated one with a pipe to wake by."""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.support.sim import sim_engine

from sfu.runtime.clock import LoopClock
from sfu.runtime.driver import Driver

WAIT_S = 30.0


@pytest.fixture
def pipe():
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    os.close(read)
    os.close(write)


@pytest.fixture
async def driven(pipe):
    engine, port = sim_engine()
    port.event_fd = pipe[0]
    driver = Driver(engine, asyncio.get_running_loop())
    return engine, port, driver


async def test_a_readable_descriptor_brings_events_to_their_objects(driven, pipe):
    _engine, port, driver = driven
    arrived = asyncio.Event()

    def poll_events(_limit: int = 0) -> list:
        try:
            os.read(pipe[0], 8)
        except BlockingIOError:
            return []
        arrived.set()
        return []

    port.poll_events = poll_events
    driver.start()
    assert not arrived.is_set()
    os.write(pipe[1], b"x")
    await asyncio.wait_for(arrived.wait(), WAIT_S)
    driver.close()


async def test_what_the_engine_wants_at_once_is_done_at_once(driven):
    engine, _, driver = driven
    driver.start()
    done = asyncio.get_running_loop().create_future()
    engine._timers.soon(done.set_result)
    assert await asyncio.wait_for(done, WAIT_S) <= asyncio.get_running_loop().time()
    driver.close()


async def test_an_earlier_timer_overtakes_a_later_one(driven):
    engine, _, driver = driven
    loop = asyncio.get_running_loop()
    driver.start()
    done = loop.create_future()
    engine._timers.at(loop.time() + 3600, lambda _now: done.set_result("late"))
    engine._timers.at(loop.time() + 0.01, lambda _now: done.set_result("early"))
    assert await asyncio.wait_for(done, WAIT_S) == "early"
    driver.close()


async def test_after_close_the_loop_is_left_alone(driven, pipe):
    engine, _, driver = driven
    driver.start()
    engine._timers.at(asyncio.get_running_loop().time(), lambda _now: pytest.fail("ran"))
    driver.close()
    driver.close()
    assert not asyncio.get_running_loop().remove_reader(pipe[0])
    await asyncio.sleep(0)


async def test_the_loops_clock_tells_time_and_calls_back():
    clock = LoopClock(asyncio.get_running_loop())
    done = asyncio.Event()
    clock.call_later(0.001, done.set)
    cancelled = clock.call_later(0, lambda: pytest.fail("called"))
    cancelled.cancel()
    before = clock.now()
    await asyncio.wait_for(done.wait(), WAIT_S)
    assert clock.now() > before
    assert clock.wall().tzinfo is not None


async def test_what_one_turn_of_the_loop_tells_a_shard_wakes_it_once(driven):
    _engine, port, driver = driven
    woken = asyncio.Event()
    asked = []
    port.wake_soon, port.wake = asked.append, woken.set
    driver.start()
    [soon] = asked
    soon()
    assert not woken.is_set()
    await asyncio.wait_for(woken.wait(), WAIT_S)
    driver.close()
    assert asked == [soon, None]
