"""``sfu bench network``: options, progress, table, files."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

EXIT_WORSE = 1
EXIT_WRONG_USE = 2


def network(
    *,
    only: Annotated[list[str] | None, typer.Option(metavar="CASE", help="This case alone; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Runs of each case.")] = 5,
    first_seed: Annotated[int, typer.Option(min=1, max=1_000_000, help="Seed of each case's first run.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes that share the runs; as many as processors by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the first run of each case as SVG.")] = None,
    scoreboard: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
) -> None:
    """Simulate bad networks in virtual time; exit status 1 when a figure is worse than its bound."""
    from sfu.bench.network import scoreboard as texts
    from sfu.bench.network.cases import CASES
    from sfu.bench.network.runner import first_runs, run

    names = [case.name for case in CASES]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        typer.echo(f"--only takes {', '.join(names)}, not {unknown[0]}", err=True)
        raise typer.Exit(EXIT_WRONG_USE)
    with _only_errors():
        board = run(tuple(only or ()), seeds, _progress, first_seed, jobs or os.cpu_count() or 1)
        firsts = {} if plot is None else first_runs(tuple(only or ()), first_seed)
    if scoreboard is not None:
        scoreboard.write_text(texts.markdown(board))
    if plot is not None:
        plot.write_text(texts.plot(firsts))
    if as_json:
        typer.echo(json.dumps(board.as_dict(), indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("case", "figure", "must be", "median", "worse end", "holds")
        for row in board.rows:
            table.add_row(*texts.cells(row))
        Console().print(table)
        speed = board.virtual_s / max(board.cpu_s, 1e-9)
        typer.echo(f"{board.runs} runs in {board.cpu_s:.1f} s of processor time: {speed:.0f} virtual seconds a second")
    if not board.holds:
        raise typer.Exit(EXIT_WORSE)


@contextmanager
def _only_errors() -> Iterator[None]:
    """What simulated servers say of their clients is nobody's news."""
    logger = logging.getLogger("sfu")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        typer.echo(name, err=True)
