"""A board as text: for the terminal, and as the page that is kept in docs."""

from __future__ import annotations

import math

from sfu.bench.network.case import Played
from sfu.bench.network.runner import Board, Row
from sfu.bench.svg import Axis, Chart, render

_HEAD = """# Network scoreboard

Written by `{command}`: what a subscriber gets on
simulated networks ({runs} runs, {minutes:.0f} minutes of virtual time). The median over the seeds must be within its
bound. "No": it is not there yet, and is held to what it was; `sfu bench network` fails when a figure is worse than it
is held to. "Worse end" is the 95th percentile, or the 5th where more is better.

{which}

The simulation is the real control plane and the real packet path against models of links, of libwebrtc's receiver and
of encoders; see `crates/netsim`.

| case | figure | must be | median | worse end | |
|---|---|---|---|---|---|
"""


_PAGE = "network-scoreboard.md"
_HELD_OUT_PAGE = "network-scoreboard-held-out.md"
_TUNED = f"""The estimator's constants were chosen on these seeds. How far they hold elsewhere:
[{_HELD_OUT_PAGE}]({_HELD_OUT_PAGE})."""
_HELD_OUT = f"No constant was chosen on these seeds; those that were: [{_PAGE}]({_PAGE})."


def markdown(board: Board) -> str:
    """The page."""
    is_tuned = board.first_seed == 1
    first = "" if is_tuned else f" --first-seed {board.first_seed}"
    page = _PAGE if is_tuned else _HELD_OUT_PAGE
    head = _HEAD.format(
        command=f"sfu bench network --seeds {board.seeds}{first} --scoreboard docs/{page}",
        runs=board.runs,
        minutes=board.virtual_s / 60,
        which=_TUNED if is_tuned else _HELD_OUT,
    )
    return head + "".join(f"| {' | '.join(cells(row))} |\n" for row in board.rows)


def cells(row: Row) -> tuple[str, ...]:
    """case, figure, bound, median, worse end, verdict"""
    figure = row.figure
    verdict = "" if figure.limit is None else "yes" if row.reached else "**no**" if row.holds else "**no, worse**"
    return (row.title, figure.name, figure.bound, _text(row.median, figure.unit), _text(row.p95, figure.unit), verdict)


def _text(value: float, unit: str) -> str:
    if math.isinf(value):
        return "never"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def plot(firsts: dict[str, Played]) -> str:
    """The first run of each case as SVG: rates over time."""
    charts = []
    for name, played in firsts.items():
        course = played.course
        lines = [
            (label, [(at, bps / 1e6) for at, bps in zip(course.at_s, column, strict=True)])
            for label, column in (
                ("capacity", course.capacity_bps),
                ("sent", course.sent_bps),
                ("estimate", course.estimate_bps),
            )
        ]
        charts.append(Chart(name, Axis("seconds"), Axis("Mbit/s", from_zero=True), lines))
    return render(charts, "sfu bench network")
