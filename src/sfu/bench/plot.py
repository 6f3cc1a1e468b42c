"""What each scenario's plot shows, from what ``as_dict`` gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sfu.bench.svg import Axis, Chart, render
from sfu.bench.table import title

_QUANTILES = (
    (0.0, "0"),
    (0.5, "50"),
    (0.9, "90"),
    (0.99, "99"),
    (0.999, "99.9"),
    (0.9999, "99.99"),
    (0.99999, "99.999"),
)


def plot(scenario: str, result: dict[str, Any]) -> str:
    """SVG."""
    charts = _CHARTS[scenario](result)
    return render(charts, title(scenario, result["options"]))


def nines(share: float) -> float:
    """Where a percentile lies on an axis on which each further nine has the same width."""
    return -math.log10(max(1 - share, 1e-9))


def percentile_curve(counts: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """(place of the percentile, latency in ms), as far as there are packets to tell it."""
    total, seen, curve = sum(count for _, count in counts), 0, []
    for value, count in counts:
        share = seen / total
        curve.append((nines(share), max(value, 1) / 1e3))
        seen += count
        if seen < total:
            curve.append((nines(seen / total), max(value, 1) / 1e3))
    return curve


def _percentile_axis(counts: list[tuple[int, int]]) -> Axis:
    total = sum(count for _, count in counts)
    shown = [(nines(share), f"{text} %") for share, text in _QUANTILES if (1 - share) * total >= 1 or share <= 0.5]
    return Axis("percentile of received packets", ticks=shown)


def _fanout(result: dict[str, Any]) -> list[Chart]:
    counts = result["latency_counts"]
    axis = _percentile_axis(counts)
    return [Chart("added latency", axis, Axis("latency, ms", log=True), [("latency", percentile_curve(counts))])]


def _ramp(result: dict[str, Any]) -> list[Chart]:
    steps = sorted(result["steps"], key=lambda step: step["packets_per_s"])
    x = Axis("forwarded packets/s", from_zero=True)
    latency = [
        (name, [(step["packets_per_s"], max(step["latency_us"][name], 1) / 1e3) for step in steps])
        for name in ("p50", "p99")
    ]
    cpu = [(step["packets_per_s"], step["cpu_share"] * 100) for step in steps if step["cpu_share"] is not None]
    generator = [(step["packets_per_s"], step["generator_cpu_share"] * 100) for step in steps]
    lines = [("server", cpu), ("generator", generator)] if cpu else [("generator", generator)]
    return [
        Chart("added latency", x, Axis("latency, ms", log=True), latency, limits=[(20, "limit of p99")], dots=True),
        Chart("processor time", x, Axis("% of one processor", from_zero=True), lines, dots=True),
    ]


def _phases(result: dict[str, Any]) -> list[Chart]:
    series = result["series"]
    during = [point["at_s"] for point in series if point["phase"] == "during"]
    before = [point["at_s"] for point in series if point["phase"] == "before"]
    label = "control plane blocked" if "blocked_s" in result else "storm"
    bands = [(max(before, default=0.0), max(during), label)] if during else []
    x = Axis("s", from_zero=True)
    latency = [
        (name, [(point["at_s"], max(point[key], 1) / 1e3) for point in series])
        for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("max", "max_us"))
    ]
    lost = [("lost packets", [(point["at_s"], point["lost"]) for point in series])]
    return [
        Chart("added latency of the running meeting", x, Axis("latency, ms", log=True), latency, bands),
        Chart("lost packets in each window", x, Axis("packets", from_zero=True), lost, bands),
    ]


def _meeting(result: dict[str, Any]) -> list[Chart]:
    curves = [(name, result[f"{name}_latency_counts"]) for name in ("video", "audio")]
    axis = _percentile_axis(max((counts for _, counts in curves), key=lambda counts: sum(count for _, count in counts)))
    lines = [(name, percentile_curve(counts)) for name, counts in curves]
    latency = Chart("added latency", axis, Axis("latency, ms", log=True), lines, limits=[(20, "limit of p99")])
    return [latency, *(_phases(result) if result["series"] else [])]


_CHARTS: dict[str, Callable[[dict[str, Any]], list[Chart]]] = {
    "fanout": _fanout,
    "mesh": _fanout,
    "meeting": _meeting,
    "ramp": _ramp,
    "joins": _phases,
    "isolate": _phases,
}
