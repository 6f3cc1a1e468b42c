"""``sfu events dead``, ``sfu events retry``, ``sfu events secret``: what sinks were not told, over the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from sfu.cli_database import on_database
from sfu.errors import ConfigError

if TYPE_CHECKING:
    from sfu.config import Config
    from sfu.store.database import Database
    from sfu.store.outbox import SqlOutbox

app = typer.Typer(
    name="events",
    help="Events that a webhook or Kafka did not take (docs/events.md). Servers may run meanwhile.",
    no_args_is_help=True,
)

PAGE = 200

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file; [store] names the database.")
]
SinkOption = Annotated[str | None, typer.Option("--sink", metavar="NAME", help="Of that webhook, or of kafka, alone.")]


@app.command()
def dead(config: ConfigOption = None, sink: SinkOption = None) -> None:
    """List what was given up, a line each: sink, id, time, type, meeting, attempts, and why."""

    async def run(outbox: SqlOutbox, _sinks: list[str]) -> None:
        after = None
        while page := await outbox.dead(sink, PAGE, after):
            after = page[-1].place
            for one in page:
                it = one.happening
                words = (one.sink, it.id, it.at.isoformat(), it.type, it.meeting_id, str(one.attempts), one.error)
                typer.echo("\t".join(words))

    _run(config, run)


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Of events; all if none is given.")] = None,
    config: ConfigOption = None,
    sink: SinkOption = None,
) -> None:
    """Have dead events told again, within a second or two of a running server."""
    try:
        named = None if not ids else [str(UUID(one)) for one in ids]
    except ValueError:
        raise typer.BadParameter("an id is a UUID, as `sfu events dead` prints it") from None

    async def run(outbox: SqlOutbox, sinks: list[str]) -> None:
        if sink is not None and sink not in sinks:
            raise ConfigError("webhooks", f"there is no sink {sink!r}", f"there are: {', '.join(sinks) or 'none'}")
        count = await outbox.revive([sink] if sink else sinks, datetime.now(UTC), named)
        typer.echo(f"{count} will be told again")

    _run(config, run)


@app.command()
def secret() -> None:
    """Print a new secret for a webhook, to be put into a file or the environment of both sides."""
    from sfu.events.signature import new_secret

    typer.echo(new_secret())


def _run(config: Path | None, do: Callable[[SqlOutbox, list[str]], Awaitable[None]]) -> None:
    from sfu.runtime.events import wanted
    from sfu.store.outbox import SqlOutbox

    async def run(settings: Config, database: Database) -> None:
        sinks = wanted(settings)
        await do(SqlOutbox(database, sinks, lambda: datetime.now(UTC)), list(sinks))

    on_database(config, run)
