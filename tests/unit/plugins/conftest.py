from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine
from tests.support.site import Site

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
def conference(engine: Engine, clock: VirtualClock) -> Conference:
    return Conference(engine, clock, ConferenceOptions(max_participants=4, max_viewers=2, max_meetings=3))


@pytest.fixture
def meeting(conference: Conference) -> Meeting:
    return asyncio.run(conference.create_meeting("Stand-up", id="standup"))


@pytest.fixture
def site(conference: Conference, clock: VirtualClock) -> Site:
    return Site(conference, clock)
