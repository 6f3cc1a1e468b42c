"""The table of targets: for the terminal, as JSON to be kept, and as Markdown from that JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from sfu import __version__
from sfu.bench.judge import Judged, Relation, Verdict, worst
from sfu.bench.rounds import combine
from sfu.bench.table import wide_console

SUMMARY = "targets.json"
_COLORS = {Verdict.OK: "green", Verdict.CLOSE: "yellow", Verdict.MISSED: "red", Verdict.UNKNOWN: "red"}


@dataclass(frozen=True, slots=True)
class RowResult:
    """A row's checks."""

    name: str
    title: str
    checks: list[Judged]


@dataclass(frozen=True, slots=True)
class Report:
    """``results``: of each scenario, one a round."""

    machine: dict[str, Any]
    rows: list[RowResult]
    results: dict[str, list[dict[str, Any]]]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return worst([check.verdict for row in self.rows for check in row.checks])

    def summary(self) -> dict[str, Any]:
        """What ``targets.json`` holds and ``markdown`` reads."""
        rows = [
            {"name": row.name, "title": row.title, "checks": [check.as_dict() for check in row.checks]}
            for row in self.rows
        ]
        return {"machine": self.machine, "verdict": self.verdict, "rows": rows}


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "sfu": __version__,
        "processor": model[0] if model else platform.processor(),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def write(report: Report, folder: Path) -> None:
    """``targets.json``, and each scenario's rounds in full. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text(json.dumps(report.summary(), indent=2) + "\n")
    for scenario, results in report.results.items():
        if results:
            (folder / f"{scenario}.json").write_text(json.dumps(combine(results), indent=1) + "\n")


def show(report: Report) -> None:
    """Prints it to standard output, and why what was not measured was not."""
    console = wide_console()
    table = Table()
    for name in ("row", ""):
        table.add_column(name)
    for name in ("measured", "spread", "target"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in report.summary()["rows"]:
        for index, check in enumerate(row["checks"]):
            color = _COLORS.get(check["verdict"], "dim")
            cells = _cells(check)
            table.add_row(row["name"] if index == 0 else "", check["name"], *cells, f"[{color}]{check['verdict']}[/]")
    console.print(table)
    for row in report.rows:
        for why in sorted({check.why for check in row.checks if check.why}):
            console.print(f"{row.name}: {why}", markup=False)


def markdown(summary: dict[str, Any]) -> str:
    """The table for the documentation. KeyError, TypeError for what is no summary."""
    about = summary["machine"]
    where = f"{about['processor']}, {about['processors']} processors, kernel {about['kernel']}"
    what = f"Python {about['python']}, sfu {about['sfu']}"
    lines = [
        f"{where}, {what}. Medians; in brackets the smallest and the largest round.",
        "",
        "| scenario | figure | measured | target | |",
        "|---|---|---|---|---|",
    ]
    for row in summary["rows"]:
        for index, check in enumerate(row["checks"]):
            value, spread, target = _cells(check)
            spread = f" ({spread})" if spread else ""
            title = row["title"] if index == 0 else ""
            verdict = "" if check["verdict"] == Verdict.REPORTED else check["verdict"]
            lines.append(f"| {title} | {check['name']} | {value}{spread} | {target} | {verdict} |")
    return "\n".join([*lines, ""])


def _cells(check: dict[str, Any]) -> tuple[str, str, str]:
    """Measured, spread, target."""
    digits, values = check["digits"], check["values"]
    target = "" if check["relation"] == Relation.REPORTED else f"{check['relation']} {check['limit']:,g}"
    if not values:
        return "-", "", target
    return f"{check['median']:,.{digits}f}", _spread(values, digits), target


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{min(values):,.{digits}f}..{max(values):,.{digits}f}" if len(values) > 1 else ""
