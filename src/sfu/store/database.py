"""A connection pool to SQLite or PostgreSQL, and what it means when it gives an error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sfu.conference.ledger import unavailable
from sfu.errors import ConfigError
from sfu.store.sqlite import sqlite_engine

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 5.0
"""A database that takes longer is away, as far as somebody who waits for an answer is concerned."""
POOL_SIZE = 8
TRANSIENT = frozenset({"08", "25", "28", "3D", "40", "53", "57"})
"""Classes of PostgreSQL's error codes that are no fault of a statement: connection, a standby that takes no writes,
authorization, no such database, deadlock, resources, shutdown.
"""


def database_url(text: str) -> URL:
    """The URL with the driver that is used here. Raises ``ConfigError`` for what is none of ours."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigError("store.url", "is no database URL", _ACCEPTED) from None
    driver = DRIVERS.get(url.get_backend_name())
    if driver is None or (url.drivername not in DRIVERS and url.drivername != driver):
        raise ConfigError("store.url", f"{url.drivername!r} is no database that is known", _ACCEPTED)
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise ConfigError("store.url", "a SQLite URL needs a file", 'like "sqlite:////var/lib/sfu/sfu.db"')
    return url.set(drivername=driver)


_ACCEPTED = 'like "postgresql://sfu@db.example.org/sfu", "sqlite:////var/lib/sfu/sfu.db", or "memory:"'


class Database:
    """Opened when it is used first. ``close`` it at the end."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = sqlite_engine(url, pool_timeout_s=CONNECT_TIMEOUT_S) if self.is_sqlite else _postgresql(url)

    @classmethod
    def in_file(cls, path: Path) -> Database:
        """SQLite in that file."""
        return cls(URL.create("sqlite+aiosqlite", database=str(path)))

    def __str__(self) -> str:
        """Without a password, for people."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that changes nothing. Raises ``RemoteError`` ``store_unavailable``."""
        async with self._told(), self.engine.connect() as connection:
            yield await connection.execution_options(reads_only=True)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end. Raises ``RemoteError`` ``store_unavailable``; ``IntegrityError`` is for
        who wrote.
        """
        async with self._told(), self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except Exception as error:
            if not is_away(error):
                raise
            raise unavailable() from error  # the error's own text may name hosts and users

    async def close(self) -> None:
        """Closes every connection. Idempotent."""
        await self.engine.dispose()


def is_away(error: BaseException) -> bool:
    """Whether it says that the database can not be asked now, in contrast to that it was asked for nonsense."""
    if isinstance(error, DBAPIError):
        # ProgrammingError, DataError and such are our mistakes; a server that is lost, starts or stops may come dressed
        # as any of them. Without a statement it is about the connection.
        state = str(getattr(error.orig, "sqlstate", None) or "")
        is_lost = error.connection_invalidated or error.statement is None or state[:2] in TRANSIENT
        return is_lost or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    # asyncpg's own errors while it connects: a server that starts up, a wrong password.
    return isinstance(error, OSError | TimeoutError | PoolTimeout) or type(error).__module__.startswith("asyncpg.")


def insert_into(connection: AsyncConnection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """One that may say what is to be done about a row that is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _postgresql(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": COMMAND_TIMEOUT_S,
            "server_settings": {"application_name": "sfu", "timezone": "UTC"},
        },
    )
