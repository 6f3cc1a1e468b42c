"""What the API is tested over: one server that keeps everything in memory; one over SQLite, with what is ephemeral in
memory; and two over PostgreSQL and Redis, of which that one is asked which has the meeting not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI
from starlette.types import ASGIApp
from tests.support.clock import VirtualClock
from tests.support.node import Node, Pair, new_cluster
from tests.support.postgres import Postgres

from sfu.conference import Conference, ConferenceOptions, Meeting
from sfu.conference.hooks import NO_HOOKS, Hooks
from sfu.media.engine import Engine
from sfu.store.database import Database, database_url
from sfu.store.migrate import upgrade
from sfu.store.tables import metadata

MEMORY, SQLITE, SEVERAL = "memory", "sqlite", "two servers"
EVERYWHERE = (SQLITE, SEVERAL)


class Deployment(Protocol):
    """``deploy`` it once; the conference that it gives is that of the server that is asked first."""

    async def deploy(self, options: ConferenceOptions | None = None, hooks: Hooks = NO_HOOKS) -> Conference:
        """Starts it."""

    def front(self, make: Callable[[Conference], FastAPI]) -> ASGIApp:
        """Where clients ask; ``make`` gives the application of each server."""

    def meeting(self, meeting_id: str) -> Meeting:
        """Where it is at hand."""

    async def close(self) -> None:
        """At the end of the test."""


class InMemory:
    """As in development mode."""

    def __init__(self, engine: Engine, clock: VirtualClock) -> None:
        self._engine = engine
        self._clock = clock

    async def deploy(self, options: ConferenceOptions | None = None, hooks: Hooks = NO_HOOKS) -> Conference:
        self._conference = Conference(self._engine, self._clock, options, hooks=hooks)
        return self._conference

    def front(self, make: Callable[[Conference], FastAPI]) -> ASGIApp:
        return make(self._conference)

    def meeting(self, meeting_id: str) -> Meeting:
        return self._conference.meetings[meeting_id]

    async def close(self) -> None:
        """There is nothing to close."""


class OnDisk:
    """One server, alone."""

    def __init__(self, engine: Engine, clock: VirtualClock, folder: Path) -> None:
        self._engine = engine
        self._clock = clock
        self._folder = folder

    async def deploy(self, options: ConferenceOptions | None = None, hooks: Hooks = NO_HOOKS) -> Conference:
        database = Database.in_file(self._folder / "sfu.db")
        async with database.writing() as connection:
            await connection.run_sync(metadata.create_all)
        self._node = Node(
            "alone", self._folder, database, self._clock, engine=self._engine, options=options, hooks=hooks
        )
        await self._node.start()
        return self._node.conference

    def front(self, make: Callable[[Conference], FastAPI]) -> ASGIApp:
        return make(self._node.conference)

    def meeting(self, meeting_id: str) -> Meeting:
        return self._node.conference.meetings[meeting_id]

    async def close(self) -> None:
        await self._node.stop()


class OnSeveral:
    """Two servers. ``engine``: of the first; ``database``: with the newest schema; what is in it goes."""

    def __init__(self, engine: Engine, clock: VirtualClock, folder: Path, redis: str, database: str) -> None:
        self._engine = engine
        self._clock = clock
        self._folder = folder
        self._redis = redis
        self._database = database

    async def deploy(self, options: ConferenceOptions | None = None, hooks: Hooks = NO_HOOKS) -> Conference:
        prefix = f"test-{os.urandom(4).hex()}:"
        nodes: Sequence[Node] = [
            Node(
                name,
                self._folder,
                Database(database_url(self._database)),
                self._clock,
                new_cluster(self._redis, prefix),
                engine=engine,
                options=options,
                hooks=hooks,
            )
            for name, engine in (("one", self._engine), ("other", None))
        ]
        async with nodes[0].database.writing() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
        self.pair = Pair(nodes)
        await self.pair.start()
        return nodes[0].conference

    def front(self, make: Callable[[Conference], FastAPI]) -> ASGIApp:
        return self.pair.around(make)

    def meeting(self, meeting_id: str) -> Meeting:
        found = [node.conference.meetings.get(meeting_id) for node in self.pair.nodes]
        [meeting] = [one for one in found if one is not None]
        return meeting

    async def close(self) -> None:
        await self.pair.stop()


async def prepared(postgres: Postgres, name: str) -> str:
    """The URL of a new database with the newest schema."""
    url = postgres.create_database(name)
    database = Database(database_url(url))
    try:
        await upgrade(database)
    finally:
        await database.close()
    return url
