"""A small writer of line charts as SVG: axes with units, light and dark by the reader's preference, no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 34, 58, 52
_HEAD = 34
"""Height of the title."""
_TICKS = 6
_STYLE = """
svg { --ink: #1f2328; --dim: #59636e; --grid: #d8dee4; --page: #ffffff; --a: #0969da; --b: #bc4c00; --c: #1a7f37;
  --d: #8250df; --band: #8c959f; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --dim: #9198a1; --grid: #30363d; --page: #0d1117;
  --a: #4493f8; --b: #f0883e; --c: #3fb950; --d: #ab7df8; --band: #6e7681; } }
text { font: 12px system-ui, sans-serif; fill: var(--dim); }
.title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.name { font-size: 13px; fill: var(--ink); }
.page { fill: var(--page); } .grid { stroke: var(--grid); } .axis { stroke: var(--dim); }
.band { fill: var(--band); opacity: .16; } .limit { stroke: var(--dim); stroke-dasharray: 5 4; }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
"""
_COLORS = ("a", "b", "c", "d")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """``label`` with its unit. ``ticks``: (value, text); None: chosen. A logarithmic axis takes values above 0."""

    label: str
    log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None
    from_zero: bool = False
    """A linear axis that starts at 0, whatever the values."""


@dataclass(slots=True)
class Chart:
    """One coordinate system with its lines."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[tuple[str, Points]] = field(default_factory=list)
    bands: Sequence[tuple[float, float, str]] = field(default_factory=list)
    """Parts of the x axis: (from, to, label)."""
    limits: Sequence[tuple[float, str]] = field(default_factory=list)
    """Horizontal lines: (y, label)."""
    dots: bool = False


def render(charts: Sequence[Chart], title: str) -> str:
    """The charts one below the other, under a title."""
    total = _HEAD + HEIGHT * len(charts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}">'
    parts = [head, f"<style>{_STYLE}</style>", f'<rect class="page" width="{WIDTH}" height="{total}"/>']
    parts.append(f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>')
    for index, chart in enumerate(charts):
        parts += [f'<g transform="translate(0 {_HEAD + index * HEIGHT})">', *_chart(chart), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        low, high, value = (_log(part) if self.log else part for part in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-9))


def _chart(chart: Chart) -> list[str]:
    points = [point for _, line in chart.lines for point in line]
    xs = [x for x, _ in points] + [edge for start, end, _ in chart.bands for edge in (start, end)]
    ys = [y for _, y in points] + [y for y, _ in chart.limits]
    x_ticks, y_ticks = _ticks(chart.x, xs), _ticks(chart.y, ys)
    x = _Scale(*_span(xs, x_ticks), _LEFT, WIDTH - _RIGHT, chart.x.log)
    y = _Scale(*_span(ys, y_ticks), HEIGHT - _BOTTOM, _TOP, chart.y.log)
    parts = [f'<text class="name" x="{_LEFT}" y="22">{escape(chart.title)}</text>']
    for start, end, label in chart.bands:
        width = x.at(end) - x.at(start)
        parts.append(
            f'<rect class="band" x="{x.at(start):.1f}" y="{_TOP}" width="{width:.1f}" height="{y.start - _TOP}"/>'
        )
        parts.append(
            f'<text x="{x.at(start) + width / 2:.1f}" y="{_TOP + 16}" text-anchor="middle">{escape(label)}</text>'
        )
    parts += _grid(chart, x, y, x_ticks, y_ticks)
    for value, label in chart.limits:
        parts.append(f'<line class="limit" x1="{x.start}" x2="{x.end}" y1="{y.at(value):.1f}" y2="{y.at(value):.1f}"/>')
        parts.append(f'<text x="{x.end - 4}" y="{y.at(value) - 5:.1f}" text-anchor="end">{escape(label)}</text>')
    return parts + _lines(chart, x, y)


def _grid(
    chart: Chart, x: _Scale, y: _Scale, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
) -> list[str]:
    parts = []
    for value, text in y_ticks:
        at = f"{y.at(value):.1f}"
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{x.start - 8}" y="{y.at(value) + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x_ticks:
        at = f"{x.at(value):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{y.start}" y2="{y.end}"/>')
        parts.append(f'<text x="{at}" y="{y.start + 18}" text-anchor="middle">{escape(text)}</text>')
    parts.append(f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{y.start}" y2="{y.start}"/>')
    middle_x, middle_y = (x.start + x.end) / 2, (y.start + y.end) / 2
    parts.append(f'<text x="{middle_x}" y="{HEIGHT - 12}" text-anchor="middle">{escape(chart.x.label)}</text>')
    turned = f'transform="rotate(-90 16 {middle_y})" x="16" y="{middle_y}" text-anchor="middle"'
    return [*parts, f"<text {turned}>{escape(chart.y.label)}</text>"]


def _lines(chart: Chart, x: _Scale, y: _Scale) -> list[str]:
    parts, legend_x = [], float(_LEFT)
    for index, (name, points) in enumerate(chart.lines):
        color = f"var(--{_COLORS[index % len(_COLORS)]})"
        path = " ".join(f"{x.at(px):.1f},{y.at(py):.1f}" for px, py in points)
        parts.append(f'<polyline points="{path}" style="stroke:{color}"/>')
        if chart.dots:
            parts += [
                f'<circle cx="{x.at(px):.1f}" cy="{y.at(py):.1f}" r="3" style="fill:{color}"/>' for px, py in points
            ]
        if len(chart.lines) > 1:
            parts.append(f'<rect x="{legend_x}" y="36" width="14" height="3" style="fill:{color}"/>')
            parts.append(f'<text x="{legend_x + 20}" y="42">{escape(name)}</text>')
            legend_x += 40 + 6.5 * len(name)
    return parts


def _span(values: Sequence[float], ticks: Sequence[tuple[float, str]]) -> tuple[float, float]:
    marks = [*values, *(value for value, _ in ticks)] or [0.0, 1.0]
    return (min(marks), max(marks))


def _ticks(axis: Axis, values: Sequence[float]) -> Sequence[tuple[float, str]]:
    if axis.ticks is not None:
        return axis.ticks
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if axis.log:
        return _log_ticks(max(low, 1e-9), max(high, 1e-9))
    return _linear_ticks(0.0 if axis.from_zero else low, high)


def _linear_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers that hold all values between them."""
    rough = (high - low) / _TICKS or 1.0
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [(number * step, _text(number * step)) for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """1, 2 and 5 of each power of ten, as far as values go."""
    marks = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    below = max((mark for mark in marks if mark <= low), default=marks[0])
    above = min((mark for mark in marks if mark >= high), default=marks[-1])
    inside = [mark for mark in marks if below <= mark <= above]
    if len(inside) > 2 * _TICKS:
        inside = [mark for mark in inside if math.log10(mark).is_integer()]
    return [(mark, _text(mark)) for mark in inside]


def _text(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1e3:,.0f}k"
    return f"{value:,.6g}"
