"""SQLite for ``Database``: how a connection is set up, and each statement in one visit to its thread.

A connection lives in a thread of its own. aiosqlite goes there four times for a statement: for a cursor, to execute it,
for its rows, and to close the cursor; each is a switch of threads and two of the interpreter's lock, some 50 us. Here
all four are one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL_SIZE = 2
"""Each connection is a thread; SQLite has one writer at a time anyway."""
BUSY_TIMEOUT_MS = 4000


def sqlite_engine(url: URL, *, pool_timeout_s: float) -> AsyncEngine:
    """Opens the file of ``url`` when it is used first."""
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=pool_timeout_s,
        connect_args={"async_creator_fn": _connect},
    )
    sa.event.listen(engine.sync_engine, "connect", _prepare)
    sa.event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connect(database: str, **settings: Any) -> Connection:
    connection = Connection(lambda: sqlite3.connect(database, **settings), iter_chunk_size=0)
    connection._thread.daemon = True  # as SQLAlchemy has it  # noqa: SLF001
    return connection


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",  # readers do not wait for the writer
        "synchronous = NORMAL",  # a crash of the machine may cost the last commits, never the file
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    """A transaction that will write takes the lock at once: one that read first could not wait for it any more."""
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


class Connection(aiosqlite.Connection):
    """What SQLAlchemy asks of aiosqlite."""

    def cursor(self) -> Cursor:  # type: ignore[override]
        """For one statement after another."""
        return Cursor(self)

    async def in_one_go(self, statement: str, parameters: Sequence[Any], *, many: bool) -> _Outcome:
        """Executes it in the connection's thread. Raises ``sqlite3.Error``."""

        def execute() -> _Outcome:
            cursor = self._conn.cursor()
            try:
                (cursor.executemany if many else cursor.execute)(statement, parameters)
                return cursor.fetchall(), cursor.description, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        outcome: _Outcome = await self._execute(execute)  # type: ignore[no-untyped-call]
        return outcome


_Outcome = tuple[list[Any], Any, int, int | None]
"""Rows, and ``description``, ``rowcount`` and ``lastrowid`` as PEP 249 has them."""


class Cursor:
    """The outcome of the latest statement."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        """Its rows are there then."""
        return await self._run(statement, parameters, many=False)

    async def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> Self:
        """Once for each of these parameters."""
        return await self._run(statement, rows, many=True)

    async def _run(self, statement: str, parameters: Sequence[Any], *, many: bool) -> Self:
        outcome = await self._connection.in_one_go(statement, parameters, many=many)
        self._rows, self.description, self.rowcount, self.lastrowid = outcome
        return self

    async def fetchall(self) -> list[Any]:
        """Rows that were not taken yet."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """The database's own cursor is closed already."""
        self._rows = []
