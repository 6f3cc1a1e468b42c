from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.postgres import Postgres

from sfu.conference.store import MeetingStore, MemoryStore
from sfu.store.database import Database, database_url
from sfu.store.migrate import upgrade
from sfu.store.sql_store import SqlStore
from sfu.store.tables import metadata


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    """With the newest schema."""
    database = Database.in_file(tmp_path / "sfu.db")
    await upgrade(database)
    yield database
    await database.close()


@pytest.fixture
async def postgresql(postgres: Postgres) -> AsyncIterator[Database]:
    """With the newest schema and nothing in it."""
    database = Database(database_url(postgres.url()))
    await upgrade(database)
    async with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
    yield database
    await database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> MeetingStore:
    """Each of the stores in turn: what the tests say is true of all."""
    return MemoryStore() if request.param == "memory" else SqlStore(request.getfixturevalue(request.param), "node")
