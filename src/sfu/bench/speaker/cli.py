"""``sfu bench speaker``: options, progress, table, page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_WORSE = 1
EXIT_WRONG_USE = 2


def speaker(
    *,
    only: Annotated[list[str] | None, typer.Option(metavar="MEETING", help="This one alone; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Meetings of each kind.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    scoreboard: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
) -> None:
    """Play labelled meetings to the detection of the speaker; exit status 1 when a figure misses its bound."""
    from sfu.bench.speaker import board, spoken
    from sfu.bench.speaker.traces import SPOKEN, TRACES

    names = list(only or TRACES)
    unknown = sorted(set(names) - set(TRACES))
    if unknown:
        typer.echo(f"--only takes {', '.join(TRACES)}, not {unknown[0]}", err=True)
        raise typer.Exit(EXIT_WRONG_USE)
    try:
        if SPOKEN in names:
            spoken.check()
        rows = board.run(names, seeds, _progress)
    except spoken.SpeechError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_WORSE) from error
    if scoreboard is not None:
        scoreboard.write_text(board.markdown(rows, seeds))
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("meeting", "detector", "correct", "worst", "p50", "p95", "false/10 min", "missed", "holds")
        for row in rows:
            table.add_row(*row.cells())
        Console().print(table)
    if not all(row.holds for row in rows if row.detector == board.OURS):
        raise typer.Exit(EXIT_WORSE)


def _progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\033[K{done} of {total}: {what}", nl=False, err=True)
