from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.clock import VirtualClock
from tests.support.deployments import (
    MEMORY,
    SEVERAL,
    SQLITE,
    Deployment,
    InMemory,
    OnDisk,
    OnSeveral,
    prepared,
)
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
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
def where() -> str:
    """Over what the API is tested; modules whose tests run over several have a fixture of that name."""
    return MEMORY


@pytest.fixture(scope="session")
def shared_database(postgres: Postgres) -> str:
    """Of PostgreSQL, for servers that share it."""
    return asyncio.run(prepared(postgres, "shared"))


@pytest.fixture
def shared(where: str, request: pytest.FixtureRequest) -> tuple[str, str]:
    """URLs of Redis and of a database, where there are several servers."""
    if where != SEVERAL:
        return "", ""
    redis: PrivateRedis = request.getfixturevalue("redis")
    database: str = request.getfixturevalue("shared_database")
    return redis.url, database


@pytest.fixture
async def deployment(
    where: str, shared: tuple[str, str], engine: Engine, clock: VirtualClock, tmp_path: Path
) -> AsyncIterator[Deployment]:
    deployment: Deployment
    if where == MEMORY:
        deployment = InMemory(engine, clock)
    elif where == SQLITE:
        deployment = OnDisk(engine, clock, tmp_path)
    else:
        redis, database = shared
        deployment = OnSeveral(engine, clock, tmp_path, redis, database)
    yield deployment
    await deployment.close()


@pytest.fixture
async def conference(deployment: Deployment) -> Conference:
    return await deployment.deploy(ConferenceOptions(max_participants=4, max_viewers=2, max_meetings=3))


@pytest.fixture
async def meeting(conference: Conference) -> Meeting:
    return await conference.create_meeting("Stand-up", id="standup")


@pytest.fixture
def site(conference: Conference, clock: VirtualClock, deployment: Deployment) -> Site:
    return Site(conference, clock, deployment)
