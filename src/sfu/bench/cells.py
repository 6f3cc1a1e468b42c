"""Cells of the tables for people."""

from __future__ import annotations

Rows = list[tuple[str, str]]
"""(name with its unit, value)"""


def number(value: float | None, digits: int, *, scale: float = 1) -> str:
    """``-`` for what is not known."""
    return "-" if value is None else f"{value * scale:,.{digits}f}"


def latency_rows(latency: dict[str, float], of: str = "") -> Rows:
    """Percentiles, from microseconds."""
    name = f"{of} latency" if of else "latency"
    return [
        (f"{name} ms p50 / p90", f"{latency['p50'] / 1e3:.2f} / {latency['p90'] / 1e3:.2f}"),
        (f"{name} ms p99 / p99.9", f"{latency['p99'] / 1e3:.2f} / {latency['p99_9'] / 1e3:.2f}"),
        (f"{name} ms max", f"{latency['max'] / 1e3:.2f}"),
    ]
