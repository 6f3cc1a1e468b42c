from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.postgres import Postgres, is_installed, private_postgres

from sfu.conference.store import MeetingStore, MemoryStore
from sfu.store.database import Database, database_url
from sfu.store.migrate import upgrade
from sfu.store.sql_store import SqlStore
from sfu.store.tables import metadata


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Running; who kills it starts it again."""
    if not is_installed():
        assert "SFU_REQUIRE_POSTGRES" not in os.environ, "PostgreSQL is not installed"
        pytest.skip("PostgreSQL is not installed")
    with private_postgres() as postgres:
        yield postgres


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
