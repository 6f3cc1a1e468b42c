"""What commands on the database have in common: it is opened and closed for them, and errors are for people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sfu.config import Config, load
from sfu.config_report import ConfigErrors
from sfu.errors import ConfigError, SfuError

if TYPE_CHECKING:
    from sfu.store.database import Database

EXIT_WRONG_USE = 2


def on_database(config: Path | None, do: Callable[[Config, Database], Awaitable[None]]) -> None:
    """Calls ``do`` with the configuration and the database that it names. Exits with 2 when the configuration is wrong,
    with 1 when the database can not be had, and says why on standard error.
    """
    from sfu.runtime.storage import database_of

    async def run() -> None:
        settings = load(config)
        database = database_of(settings)
        try:
            await do(settings, database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except ConfigErrors as errors:
        for line in errors.lines():
            typer.echo(line, err=True)
        raise typer.Exit(EXIT_WRONG_USE) from None
    except SfuError as error:
        typer.echo(f"sfu: {error}", err=True)
        raise typer.Exit(EXIT_WRONG_USE if isinstance(error, ConfigError) else 1) from None
