"""A result for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from sfu.bench.fanout import Result


def show(result: Result) -> None:
    """Prints it to standard output."""
    options = result.options
    audio = " + audio" if options["audio"] else ""
    people = f"{options['publishers']} -> {options['subscribers']}" if "subscribers" in options else _mesh(options)
    title = f"{people}, {options['video_kbps']} kbit/s{audio}"
    table = Table(title=f"{title}, {options['profile']}, {result.duration_s:.1f} s", show_header=False, title_style="")
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in rows(result):
        table.add_row(name, value)
    Console().print(table)


def _mesh(options: dict[str, Any]) -> str:
    return f"{options['publishers']} of {options['participants']} publish to all"


def rows(result: Result) -> list[tuple[str, str]]:
    """(name with its unit, value); ``-`` is what cannot be known of a server that was not started here."""
    expected = result.packets - result.duplicates + result.lost
    loss = f"{result.lost:,} ({result.lost / expected:.4%})" if expected else "everything"
    latency, join = result.latency_us, result.join_ms
    return [
        ("forwarded packets/s", f"{result.packets_per_s:,.0f}"),
        ("forwarded Mbit/s", f"{result.mbit_per_s:,.1f}"),
        ("server CPU us per forwarded packet", _number(result.cpu_us_per_packet, 2)),
        *_floor(result),
        ("server CPU, % of one processor", _number(result.cpu_share, 1, scale=100)),
        ("lost packets", loss),
        ("duplicates", f"{result.duplicates:,}"),
        ("damaged samples", f"{result.damaged:,}"),
        ("silent streams", f"{result.silent_streams:,}"),
        ("latency ms p50 / p90", f"{latency['p50'] / 1e3:.2f} / {latency['p90'] / 1e3:.2f}"),
        ("latency ms p99 / p99.9", f"{latency['p99'] / 1e3:.2f} / {latency['p99_9'] / 1e3:.2f}"),
        ("latency ms max", f"{latency['max'] / 1e3:.2f}"),
        ("server RSS MiB", _number(result.rss_bytes, 1, scale=2**-20)),
        ("server RSS KiB per subscriber", _number(result.rss_bytes_per_subscriber, 1, scale=2**-10)),
        ("join ms p50 / p99 / max", f"{join['p50']:.0f} / {join['p99']:.0f} / {join['max']:.0f}"),
        ("joins/s", f"{result.joins_per_s:.0f}"),
        ("keyframe requests", f"{result.keyframe_requests:,}"),
        ("generator late by ms, at most", f"{result.generator_late_us / 1e3:.2f}"),
    ]


def _floor(result: Result) -> list[tuple[str, str]]:
    if result.floor is None:
        return []
    floor = result.floor
    parts = f"{floor['us_per_packet']:.2f} = {floor['bare_us_per_packet']:.2f} + {floor['aead_us_per_packet']:.2f}"
    latency = floor["latency_us"]
    before_and_after = " / ".join(f"{cost:.2f}" for cost in floor["each_us_per_packet"])
    return [
        ("floor us per packet = reflector + cipher", parts),
        ("floor before / after", before_and_after),
        ("server / floor", _number(result.cost_to_floor, 2)),
        ("floor latency ms p50 / p99", f"{latency['p50'] / 1e3:.2f} / {latency['p99'] / 1e3:.2f}"),
    ]


def _number(value: float | None, digits: int, *, scale: float = 1) -> str:
    return "-" if value is None else f"{value * scale:,.{digits}f}"
