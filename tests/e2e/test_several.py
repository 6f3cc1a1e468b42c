"""Two servers of one deployment, over a real Redis and PostgreSQL: whichever a client asks, it is one meeting."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.pattern import PatternTrack, ToneTrack
from tests.support.peers import join
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

LEASE_S = 4.0


class Deployment:
    """Servers that share a Redis and a database."""

    def __init__(self, stack: AsyncExitStack, folder: Path, env: dict[str, str]) -> None:
        self._stack = stack
        self._folder = folder
        self._env = env

    async def start(self, name: str) -> RunningServer:
        folder = self._folder / name
        folder.mkdir()
        env = {**self._env, "SFU_STORE__DATA_DIR": str(folder / "data")}
        return await self._stack.enter_async_context(running_server(folder, env=env))

    async def pair(self) -> tuple[RunningServer, RunningServer]:
        one, other = await asyncio.gather(self.start("one"), self.start("other"))
        return one, other


@pytest.fixture
async def deployment(redis: PrivateRedis, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Deployment]:
    env = {
        "SFU_STORE__URL": postgres.create_database(f"several_{os.urandom(4).hex()}"),
        "SFU_REDIS__URL": redis.url,
        "SFU_REDIS__PREFIX": f"sfu-{os.urandom(4).hex()}:",
        "SFU_REDIS__LEASE_S": str(LEASE_S),
    }
    upgrade = [sys.executable, "-m", "sfu", "db", "upgrade"]
    await asyncio.to_thread(subprocess.run, upgrade, check=True, capture_output=True, env={**os.environ, **env})
    async with AsyncExitStack() as stack:
        yield Deployment(stack, tmp_path, env)


async def test_people_who_came_by_different_servers_see_each_other(deployment: Deployment) -> None:
    one, other = await deployment.pair()
    meeting = await one.create_meeting("Weekly")
    ann = await join(one.http, meeting, "Ann", ToneTrack(440), PatternTrack(first=0))
    bob = await join(other.http, meeting, "Bob", PatternTrack(first=10_000))
    async with ann, bob:
        assert bob.joined["signaling_url"].startswith(other.ws_url)
        seen = await until(lambda: bob.shown(ann.id, "camera"), "Ann's camera at Bob's")
        assert seen is not None
        await until(lambda: len(seen.counters), "frames", good=lambda n: n >= 20)
        await until(lambda: ann.shown(bob.id, "camera"), "Bob's camera at Ann's")
        found = (await other.http.get(f"/meetings/{meeting}")).json()
        assert (found["title"], found["participants"]) == ("Weekly", 2)
