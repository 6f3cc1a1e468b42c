from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.camera_room import Room
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Conference, ConferenceOptions, Meeting
from sfu.media.engine import Engine


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine, _ = sim_engine()
    yield engine
    engine.close()


@pytest.fixture
def options() -> ConferenceOptions:
    """Overridden by tests that want others."""
    return ConferenceOptions(max_participants=8, max_viewers=2, max_meetings=3)


@pytest.fixture
def conference(engine: Engine, clock: VirtualClock, options: ConferenceOptions) -> Conference:
    return Conference(engine, clock, options)


@pytest.fixture
def meeting(conference: Conference) -> Meeting:
    return asyncio.run(conference.create_meeting("Stand-up"))


@pytest.fixture
def make_room() -> Iterator[Callable[..., Room]]:
    """A meeting with cameras; it is closed, and left no timer."""
    rooms: list[Room] = []

    def make(**how: Any) -> Room:
        rooms.append(Room(**how))
        return rooms[-1]

    yield make
    for room in rooms:
        room.conference.close()
        assert room.clock.pending == 0, "a timer outlives the conference"
        room.world.engine.close()
