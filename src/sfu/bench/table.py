"""Results for people: one table a scenario, from what ``as_dict`` gives (or the rounds of it combined)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from sfu.bench import meeting_table
from sfu.bench.cells import Rows, latency_rows, number

WIDTH = 120
"""Where no terminal says how wide it is."""


def wide_console() -> Console:
    """Standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def show(scenario: str, result: dict[str, Any]) -> None:
    """Prints it to standard output."""
    console = wide_console()
    table = Table(title=title(scenario, result["options"]), show_header=False, title_style="")
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in _ROWS[scenario](result):
        table.add_row(name, value)
    console.print(table)
    if scenario == "ramp":
        console.print(_columns(_STEP_COLUMNS, [_step_row(step) for step in result["steps"]]))
    watched = result["storm"] if scenario == "meeting" else result
    if watched is not None and "phases" in watched:
        phases = [_phase_row(name, phase) for name, phase in watched["phases"].items()]
        console.print(_columns(_PHASE_COLUMNS, phases))
    if "rounds" in result:
        console.print(f"medians of {len(result['rounds'])} rounds; --json has the spread", style="dim")


def title(scenario: str, options: dict[str, Any]) -> str:
    """What was measured, in a line."""
    if scenario == "meeting":
        return meeting_table.title(options)
    audio = " + audio" if options["audio"] else ""
    stream = f"{options['video_kbps']} kbit/s{audio}, {options['profile']}"
    if "participants" in options:
        return f"{scenario}: {options['publishers']} of {options['participants']} publish to all, {stream}"
    to = f" -> {options['subscribers']}" if "subscribers" in options else ""
    return f"{scenario}: {options['publishers']}{to}, {stream}"


def fanout_rows(result: dict[str, Any]) -> Rows:
    """(name with its unit, value); ``-`` is what cannot be known of a server that was not started here."""
    join = result["join_ms"]
    return [
        ("forwarded packets/s", f"{result['packets_per_s']:,.0f}"),
        ("forwarded Mbit/s", f"{result['mbit_per_s']:,.1f}"),
        ("server CPU us per forwarded packet", number(result["cpu_us_per_packet"], 2)),
        *_floor_rows(result),
        ("server CPU, % of one processor", number(result["cpu_share"], 1, scale=100)),
        ("probe packets beside them", f"{result['probes']:,.0f}"),
        ("lost packets", f"{result['lost']:,.0f} ({result['loss_share']:.4%})"),
        ("duplicates", f"{result['duplicates']:,.0f}"),
        ("damaged samples", f"{result['damaged']:,.0f}"),
        ("silent streams", f"{result['silent_streams']:,.0f}"),
        *latency_rows(result["latency_us"]),
        ("server RSS MiB", number(result["rss_bytes"], 1, scale=2**-20)),
        ("server RSS KiB per subscriber", number(result["rss_bytes_per_subscriber"], 1, scale=2**-10)),
        ("join ms p50 / p99 / max", f"{join['p50']:.0f} / {join['p99']:.0f} / {join['max']:.0f}"),
        ("joins/s", f"{result['joins_per_s']:.0f}"),
        ("keyframe requests", f"{result['keyframe_requests']:,.0f}"),
        ("generator CPU, % of one processor", number(result["generator_cpu_share"], 1, scale=100)),
        ("generator late by ms, at most", f"{result['generator_late_us'] / 1e3:.2f}"),
    ]


def ramp_rows(result: dict[str, Any]) -> Rows:
    """The answer; the steps are a table of their own."""
    limits = {
        "loss": "loss above 0.1 %",
        "latency": "p99 above 20 ms",
        "generator": "the generator: the server may have more to give",
        "subscribers": "none was met with as many subscribers as allowed",
    }
    return [
        ("capacity, forwarded packets/s", number(result["capacity_packets_per_s"], 0)),
        ("subscribers at capacity", number(result["capacity_subscribers"], 0)),
        ("server CPU at capacity, % of one processor", number(result["cpu_share_at_capacity"], 1, scale=100)),
        ("extrapolated to 100 %, packets/s (not measured)", number(result["packets_per_s_per_full_core"], 0)),
        ("limit", limits[str(result["limit"])]),
    ]


def _refusals(result: dict[str, Any]) -> Rows:
    """Where there are fewer places than joins."""
    if result["present"] is None:
        return []
    times = result["refused_ms"]
    return [
        ("in the meeting, as the server says", f"{result['present']:,.0f}"),
        ("refused: full, come again later", f"{result['refused']:,.0f}"),
        ("refusal ms p50 / p95 / p99 / max", " / ".join(f"{times[name]:.0f}" for name in ("p50", "p95", "p99", "max"))),
    ]


def joins_rows(result: dict[str, Any]) -> Rows:
    """The storm; the running meeting is a table of its own."""
    join = result["join_ms"]
    rows = [
        ("joins", f"{result['joins']:,.0f}"),
        ("failed", f"{result['failed']:,.0f}"),
        *_refusals(result),
        ("joins/s that came about", f"{result['joins_per_s']:.1f}"),
        ("join ms p50 / p95 / p99 / max", " / ".join(f"{join[name]:.0f}" for name in ("p50", "p95", "p99", "max"))),
        ("control plane CPU ms per join", number(result["cpu_ms_per_join"], 2)),
        ("under way at once, at most", f"{result['most_at_once']:.0f}"),
        ("server RSS MiB", number(result["rss_bytes"], 1, scale=2**-20)),
    ]
    return rows + [(f"{count} x", error) for error, count in result["errors"].items()]


def isolate_rows(result: dict[str, Any]) -> Rows:
    """That it was blocked; media is a table of its own."""
    return [
        ("control plane blocked, s", f"{result['blocked_s']:.2f}"),
        ("HTTP without an answer, s", f"{result['silent_s']:.2f}"),
    ]


def _floor_rows(result: dict[str, Any]) -> Rows:
    floor = result["floor"]
    if floor is None:
        return []
    parts = f"{floor['us_per_packet']:.2f} = {floor['bare_us_per_packet']:.2f} + {floor['aead_us_per_packet']:.2f}"
    return [
        ("floor us per packet = reflector + cipher", parts),
        ("floor before / after", _costs(floor["each_us_per_packet"])),
        ("server / floor", number(result["cost_to_floor"], 2)),
        ("floor latency ms p50 / p99", _latencies(floor["latency_us"])),
        ("encrypting reflector us per packet", number(floor["sealed_us_per_packet"], 2)),
        ("encrypting reflector before / after", _costs(floor["each_sealed_us_per_packet"])),
        ("server / encrypting reflector", number(result["cost_to_sealed"], 2)),
        ("encrypting reflector latency ms p50 / p99", _latencies(floor["sealed_latency_us"])),
    ]


def _costs(each: Sequence[float]) -> str:
    return " / ".join(f"{cost:.2f}" for cost in each)


def _latencies(latency: dict[str, float]) -> str:
    return f"{latency['p50'] / 1e3:.2f} / {latency['p99'] / 1e3:.2f}"


_ROWS = {
    "fanout": fanout_rows,
    "mesh": fanout_rows,
    "meeting": meeting_table.rows,
    "ramp": ramp_rows,
    "joins": joins_rows,
    "isolate": isolate_rows,
}
_STEP_COLUMNS = [
    "subscribers",
    "packets/s",
    "CPU us/packet",
    "CPU %",
    "generator %",
    "loss",
    "p50 ms",
    "p99 ms",
    "limit",
]
_PHASE_COLUMNS = ["", "packets", "lost", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU %", "generator %", "late ms"]


def _step_row(step: dict[str, Any]) -> list[str]:
    latency = step["latency_us"]
    return [
        f"{step['subscribers']:,}",
        f"{step['packets_per_s']:,.0f}",
        number(step["cpu_us_per_packet"], 2),
        number(step["cpu_share"], 1, scale=100),
        number(step["generator_cpu_share"], 1, scale=100),
        f"{step['loss_share']:.3%}",
        f"{latency['p50'] / 1e3:.2f}",
        f"{latency['p99'] / 1e3:.2f}",
        str(step["limit"] or ""),
    ]


def _phase_row(name: str, phase: dict[str, Any]) -> list[str]:
    latency = phase["latency_us"]
    return [
        name,
        f"{phase['packets']:,.0f}",
        f"{phase['lost']:,.0f}",
        *(f"{latency[share] / 1e3:.2f}" for share in ("p50", "p99", "p99_9", "max")),
        number(phase["cpu_share"], 1, scale=100),
        number(phase["generator_cpu_share"], 1, scale=100),
        f"{phase['generator_late_us'] / 1e3:.2f}",
    ]


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table()
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index == 0 or name == "limit" else "right")
    for row in rows:
        table.add_row(*row)
    return table
