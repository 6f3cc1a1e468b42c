"""``sfu db upgrade``, ``sfu db current``, ``sfu db downgrade``: the schema of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfu.cli_database import on_database

if TYPE_CHECKING:
    from sfu.store.database import Database

app = typer.Typer(
    name="db",
    help="The database in which meetings are written down: its version, and how it gets another (docs/store.md).",
    no_args_is_help=True,
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file; [store] names the database.")
]


@app.command()
def upgrade(config: ConfigOption = None) -> None:
    """Bring the database to the version that this program needs. Servers may run meanwhile unless the notes say no."""

    async def run(database: Database) -> None:
        from sfu.store import migrate

        before = await migrate.current(database)
        if before is not None and before not in migrate.versions():
            await migrate.require_newest(database)  # says what is wrong
        await migrate.upgrade(database)
        now = migrate.newest()
        told = f"is at {now} already" if before == now else f"upgraded from {before or 'nothing'} to {now}"
        typer.echo(f"{database}: {told}")

    _run(config, run)


@app.command()
def current(config: ConfigOption = None) -> None:
    """Print the version of the database, and the one that this program needs; exit status 1 if they differ."""

    async def run(database: Database) -> None:
        from sfu.store import migrate

        version, wanted = await migrate.current(database), migrate.newest()
        typer.echo(f"{database}: {version or 'empty'}, needed: {wanted}")
        if version != wanted:
            raise typer.Exit(1)

    _run(config, run)


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(metavar="VERSION", help='"-1": one step back; "base": empty.')],
    config: ConfigOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it without asking: what the older version has no place for is lost.")
    ] = False,
) -> None:
    """Bring the database back to an older version, for an older program."""
    if not yes:
        typer.confirm("What the older version has no place for is lost. Go on?", abort=True)

    async def run(database: Database) -> None:
        from sfu.store import migrate

        await migrate.downgrade(database, to)
        typer.echo(f"{database}: {await migrate.current(database) or 'empty'}")

    _run(config, run)


def _run(config: Path | None, do: Callable[[Database], Awaitable[None]]) -> None:
    on_database(config, lambda _settings, database: do(database))
