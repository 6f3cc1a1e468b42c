"""The schema of the database: which version it has, and how it gets to another.

Scripts are under ``migrations/versions``; each is run in one transaction, on PostgreSQL under a lock, so that several
servers that start at a time do it once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from sfu.errors import ConfigError, EngineError
from sfu.store.database import Database, is_away

T = TypeVar("T")

SCRIPTS = Path(__file__).with_name("migrations")
LOCK = 0x5F0_5C4E_3A
"""Any number that nobody else takes for an advisory lock."""


def newest() -> str:
    """The version that this program works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise EngineError("the package has no migrations", "install it again")
    return head


def versions() -> tuple[str, ...]:
    """All that this program knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


async def current(database: Database) -> str | None:
    """The version of the database; None: it is empty. Raises ``EngineError`` when it cannot be reached."""
    return await _run(database, lambda connection: MigrationContext.configure(connection).get_current_revision())


async def upgrade(database: Database, to: str = "head") -> None:
    """Brings the database to a version; by default to the newest. Raises ``EngineError``."""
    await _run(database, lambda connection: _command(connection, command.upgrade, to))


async def downgrade(database: Database, to: str) -> None:
    """Brings the database back to an older version ("base": empty it), or by steps ("-1"). Raises ``EngineError``."""
    await _run(database, lambda connection: _command(connection, command.downgrade, to))


async def require_newest(database: Database) -> None:
    """Raises ``ConfigError`` that says what to do when the database has another version than this program."""
    version, wanted = await current(database), newest()
    if version == wanted:
        return
    if version is not None and version not in versions():
        raise ConfigError(
            "store.url",
            f"the database has version {version}, which this program does not know",
            "it was upgraded by a newer one: use that, or downgrade the database with it",
        )
    has = "is empty" if version is None else f"has version {version}"
    raise ConfigError("store.url", f"the database {has}, this program needs {wanted}", "run `sfu db upgrade`")


def _config(connection: sa.Connection | None = None) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _command(connection: sa.Connection, run: Callable[[AlembicConfig, str], None], to: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    run(_config(connection), to)


async def _run(database: Database, do: Callable[[sa.Connection], T]) -> T:
    try:
        async with database.engine.begin() as connection:
            return await connection.run_sync(do)
    except CommandError as error:
        raise EngineError(str(error), f"known versions: {', '.join(versions())}") from error
    except Exception as error:
        if not is_away(error):
            raise
        raise EngineError(f"the database {database} does not answer: {_reason(error)}", "is it running?") from error


def _reason(error: BaseException) -> str:
    """Its first line: SQLAlchemy appends statements and addresses."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__
