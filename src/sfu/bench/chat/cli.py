"""``sfu bench chat``: options, and a table or JSON at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

EXIT_FAILED = 1


def chat(  # noqa: PLR0917 - options, all given by name
    participants: Annotated[int, typer.Option(min=2, max=10_000, help="All in one meeting, all listen.")] = 1000,
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Lines a second, by one after the other.")] = 20.0,
    duration: Annotated[float, typer.Option(min=1, max=600, metavar="SECONDS", help="How long they write.")] = 10.0,
    text_bytes: Annotated[int, typer.Option(min=8, max=2000, help="Length of a line.")] = 80,
    url: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A running server; several: of one deployment, in turn.")
    ] = None,
    servers: Annotated[int, typer.Option(min=1, max=16, help="How many are started; several need --redis.")] = 1,
    redis: Annotated[str, typer.Option(metavar="URL", help="What they share.")] = "",
    mute_all: Annotated[int, typer.Option(min=0, max=1000, metavar="ROUNDS", help="Mute all instead of a chat.")] = 0,
    pin: Annotated[bool, typer.Option(help="Server and clients on a processor each.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file too.")] = None,
) -> None:
    """A lively chat in a large meeting: is every line there, once and in order, and how soon?"""
    from sfu.bench import loop
    from sfu.bench.chat.run import Options, run
    from sfu.bench.load import JoinError
    from sfu.bench.target import TargetError

    if servers > 1 and not redis:
        raise typer.BadParameter("several servers need --redis")
    options = Options(participants, rate, duration, text_bytes, tuple(url or ()), pin, servers, redis, mute_all)
    try:
        result = loop.run(run(options, lambda _what, _done, _total: None)).as_dict()
        text = json.dumps(result, indent=2)
        if out is not None:
            out.write_text(text + "\n")
    except (JoinError, TargetError, OSError) as error:
        typer.echo(f"sfu bench: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None
    typer.echo(text) if as_json else _show(result)


def _show(result: dict[str, Any]) -> None:
    from rich.table import Table

    from sfu.bench.table import wide_console

    options, latency, told = result["options"], result["latency_ms"], result["messages_per_s"]
    what = f"mute-all, {options['mute_rounds']} times," if options["mute_rounds"] else f"{options['rate']:g} lines/s"
    where = f" on {max(len(options['urls']), options['servers'])} servers"
    table = Table(title=f"chat: {what} to {options['participants']}{where}", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("lines or orders, refused", f"{result['lines']:,}, {result['refused']:,}")
    table.add_row("deliveries", f"{result['deliveries']:,}")
    table.add_row("lost, doubled, out of order", f"{result['lost']:,}, {result['doubled']:,}, {result['reordered']:,}")
    table.add_row("latency ms: p50, p90, p99, max", ", ".join(f"{latency[key]:.0f}" for key in latency))
    table.add_row("messages/s to one: mean, busiest", f"{told['mean']:.1f}, {told['busiest']:.0f}")
    if result["server_cpu_share"] is not None:
        table.add_row("server, share of a processor", f"{result['server_cpu_share']:.0%}")
    table.add_row("clients, share of a processor", f"{result['generator_cpu_share']:.0%}")
    for failure in result["failures"]:
        table.add_row("a socket was lost", failure)
    wide_console().print(table)
