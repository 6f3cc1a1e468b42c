from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sfu.errors import ConfigError, EngineError
from sfu.store.database import Database, database_url
from sfu.store.migrate import current, downgrade, newest, require_newest, upgrade, versions
from sfu.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


def differences(connection: sa.Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_that_the_program_works_with(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_there_and_back_again(database: Database) -> None:
    assert await current(database) == newest()
    await require_newest(database)
    await downgrade(database, "base")
    assert await current(database) is None
    async with database.reading() as connection:
        assert await connection.run_sync(lambda one: sa.inspect(one).get_table_names()) == ["alembic_version"]
    with pytest.raises(ConfigError, match="is empty.*sfu db upgrade"):
        await require_newest(database)
    for _ in range(2):
        await upgrade(database)
    await require_newest(database)


async def test_a_database_of_a_newer_program_is_refused(sqlite: Database) -> None:
    async with sqlite.writing() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = 'ffff'"))
    with pytest.raises(ConfigError, match="does not know"):
        await require_newest(sqlite)


async def test_a_version_that_is_not_there_is_named_with_those_that_are(sqlite: Database) -> None:
    with pytest.raises(EngineError, match=f"known versions: .*{versions()[-1]}"):
        await downgrade(sqlite, "nonsense")


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    database = Database(database_url("postgresql://sfu:geheim@/x?host=/nowhere"))
    with pytest.raises(EngineError, match="does not answer") as caught:
        await current(database)
    assert "geheim" not in str(caught.value)
    await database.close()


@pytest.mark.parametrize("text", ["", "x", "mysql://h/x", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://x"])
def test_what_is_no_database_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        database_url(text)
