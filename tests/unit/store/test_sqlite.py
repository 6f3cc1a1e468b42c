"""A connection to SQLite: one visit to its thread for a statement, and what SQLAlchemy is told of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from sfu.store.database import Database
from sfu.store.sqlite import Connection

things = sa.Table("things", sa.MetaData(), sa.Column("key", sa.Uuid, primary_key=True), sa.Column("size", sa.Integer))


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was done in the threads of connections."""
    done: list[Any] = []
    execute = Connection._execute

    async def counted(self: Connection, function: Any, *arguments: Any, **named: Any) -> Any:
        done.append(function)
        return await execute(self, function, *arguments, **named)

    monkeypatch.setattr(Connection, "_execute", counted)
    return done


async def test_a_statement_takes_one_visit_to_the_connections_thread(sqlite: Database, visits: list[Any]) -> None:
    async with sqlite.writing() as connection:
        await connection.execute(sa.schema.CreateTable(things))
        visits.clear()
        rows = [{"key": uuid4(), "size": size} for size in range(5)]
        assert (await connection.execute(things.insert(), rows)).rowcount == 5
        found = await connection.execute(sa.select(things.c.size).order_by(things.c.size))
        assert [row.size for row in found] == [0, 1, 2, 3, 4]
        changed = await connection.execute(things.update().where(things.c.size > 2).values(size=9))
        assert changed.rowcount == 2
        assert len(visits) == 3


async def test_a_statement_that_fails_says_why_and_the_connection_goes_on(sqlite: Database) -> None:
    async with sqlite.writing() as connection:
        await connection.execute(sa.schema.CreateTable(things))
        row = {"key": uuid4(), "size": 1}
        await connection.execute(things.insert(), row)
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.execute(things.insert(), row)
        with pytest.raises(OperationalError, match="no such table"):
            await connection.exec_driver_sql("SELECT * FROM absent")
        assert await connection.scalar(sa.select(sa.func.count()).select_from(things)) == 1
