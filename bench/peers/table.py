"""A comparison for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.peers.comparison import OURS, OURS_ALONE, Row, Spread


def say(line: str) -> None:
    """What happens now, on standard error."""
    Console(stderr=True, highlight=False).print(line, style="dim")


def show(rows: Sequence[Row], absent: Mapping[str, tuple[str, str]], *, title: str) -> None:
    """Prints it to standard output; ``absent``: name to (reason, how to install)."""
    table = Table(title=title, title_style="")
    table.add_column("N", justify="right")
    table.add_column("server")
    for name in ("CPU us/packet", "to ours", "target", "p50 ms", "p99 ms", "loss", "RSS KiB/subscriber"):
        table.add_column(name, justify="right")
    last = None
    for row in rows:
        if last is not None and row.subscribers != last:
            table.add_section()
        last = row.subscribers
        table.add_row(*_cells(row))
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    console.print(table)
    for row in rows:
        for failure in row.failures:
            console.print(f"{row.server}, {row.subscribers} subscribers: {failure}", markup=False)
        if row.silent_streams or row.damaged:
            faults = f"{row.silent_streams} silent streams, {row.damaged} damaged samples"
            console.print(f"{row.server}, {row.subscribers} subscribers: {faults}")
    for name, (reason, install) in absent.items():
        console.print(f"{name}: not installed ({reason}). {install}", markup=False)


def _cells(row: Row) -> list[str]:
    target = "-"
    if row.target_ratio is not None:
        target = f">= {row.target_ratio:g} {'missed' if row.misses else 'met'}"
    return [
        str(row.subscribers),
        row.server + ("" if row.audio else ", video only"),
        spread(row.cpu_us_per_packet, 2),
        "1" if row.server in (OURS, OURS_ALONE) else spread(row.ratio, 2),
        target,
        median(row.p50_ms, 2),
        median(row.p99_ms, 2),
        f"{row.loss:.4%}",
        median(row.rss_kib_per_subscriber, 0),
    ]


def spread(value: Spread | None, digits: int) -> str:
    """Median (least..most)."""
    if value is None:
        return "-"
    return f"{value.median:.{digits}f} ({value.least:.{digits}f}..{value.most:.{digits}f})"


def median(value: Spread | None, digits: int) -> str:
    """Alone."""
    return "-" if value is None else f"{value.median:.{digits}f}"
