"""Servers of one deployment, each in a process of its own, over a real Redis and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from tests.support.peers import Participant
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until


class Several:
    """Servers that share a Redis and a database. ``config`` (TOML) is what all have."""

    def __init__(self, stack: AsyncExitStack, folder: Path, env: dict[str, str], config: str = "") -> None:
        self._stack = stack
        self._folder = folder
        self._env = env
        self._config = config

    @property
    def prefix(self) -> str:
        return self._env["SFU_REDIS__PREFIX"]

    def redis(self) -> Redis:
        return Redis.from_url(self._env["SFU_REDIS__URL"])

    async def start(self, name: str) -> RunningServer:
        """The same after a restart."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        env = {**self._env, "SFU_STORE__DATA_DIR": str(folder / "data")}
        return await self._stack.enter_async_context(running_server(folder, config=self._config, env=env))

    async def pair(self) -> tuple[RunningServer, RunningServer]:
        one, other = await asyncio.gather(self.start("one"), self.start("other"))
        return one, other


@asynccontextmanager
async def several(
    redis: PrivateRedis, postgres: Postgres, folder: Path, *, config: str = "", env: dict[str, str] | None = None
) -> AsyncIterator[Several]:
    """With a new database and keys of their own; what was started is stopped at the end."""
    shared = {
        "SFU_STORE__URL": postgres.create_database(f"several_{os.urandom(4).hex()}"),
        "SFU_REDIS__URL": redis.url,
        "SFU_REDIS__PREFIX": f"sfu-{os.urandom(4).hex()}:",
    }
    upgrade = [sys.executable, "-m", "sfu", "db", "upgrade"]
    await asyncio.to_thread(subprocess.run, upgrade, check=True, capture_output=True, env={**os.environ, **shared})
    async with AsyncExitStack() as stack:
        yield Several(stack, folder, {**shared, **(env or {})}, config)


async def frames(viewer: Participant, sender_id: str, more: int = 15) -> None:
    """Waits until so many more of the sender's pictures have come."""
    seen = await until(lambda: viewer.shown(sender_id, "camera"), "the camera in a slot")
    assert seen is not None
    before = len(seen.counters)
    await until(lambda: len(seen.counters), "frames", good=lambda count: count >= before + more)
