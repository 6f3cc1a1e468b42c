from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from sfu.bench.plot import nines, percentile_curve, plot
from sfu.bench.svg import HEIGHT, WIDTH, Axis, Chart, render

OPTIONS = {"publishers": 1, "subscribers": 5, "video_kbps": 300, "audio": True, "profile": "GCM"}
LATENCY = {"p50": 100, "p90": 200, "p99": 900, "p99_9": 2_000, "max": 3_000}


def step(rate: float, share: float | None) -> dict[str, Any]:
    return {"packets_per_s": rate, "cpu_share": share, "generator_cpu_share": 0.1, "latency_us": LATENCY}


def point(at_s: float, phase: str) -> dict[str, Any]:
    return {"at_s": at_s, "phase": phase, "lost": 0, "p50_us": 90, "p99_us": 500, "max_us": 0}


RESULTS: dict[str, dict[str, Any]] = {
    "fanout": {"options": OPTIONS, "latency_counts": [(80, 900), (120, 90), (900, 9), (3_000, 1)]},
    "ramp": {"options": OPTIONS, "steps": [step(300_000, 0.6), step(100_000, 0.2)]},
    "joins": {"options": OPTIONS, "series": [point(1, "before"), point(2, "during"), point(3, "after")]},
    "meeting": {
        "options": {
            "participants": 20,
            "cameras": 5,
            "tiles": 4,
            "talkers": 2,
            "noise": "room",
            "fps": 30,
            "spread": True,
            "profile": "GCM",
        },
        "video_latency_counts": [(80, 900), (120, 90), (900, 9), (3_000, 1)],
        "audio_latency_counts": [(80, 90), (120, 9)],
        "series": [point(1, "before"), point(2, "during"), point(3, "after")],
    },
    "isolate": {"options": OPTIONS, "blocked_s": 1.0, "series": [point(1, "before"), point(2, "during")]},
}


@pytest.mark.parametrize("scenario", RESULTS)
def test_every_scenario_draws_lines_within_the_picture_and_names_its_axes(scenario: str) -> None:
    text = plot(scenario, RESULTS[scenario])
    picture = ET.fromstring(text)
    width, height = (float(part) for part in picture.attrib["viewBox"].split()[2:])
    points = re.findall(r'points="([^"]*)"', text)
    assert points
    for x, y in (pair.split(",") for line in points for pair in line.split()):
        assert 0 <= float(x) <= width
        assert 0 <= float(y) <= height
    assert "latency, ms" in text
    assert "prefers-color-scheme: dark" in text


def test_a_server_whose_cost_is_not_known_is_drawn_without_it() -> None:
    assert "latency" in plot("ramp", {"options": OPTIONS, "steps": [step(1, None), step(2, None)]})


def test_a_meeting_without_a_storm_is_drawn_without_its_windows() -> None:
    assert "storm" in plot("meeting", RESULTS["meeting"])
    assert "storm" not in plot("meeting", RESULTS["meeting"] | {"series": []})


def test_nothing_counted_is_an_empty_picture() -> None:
    ET.fromstring(plot("fanout", {"options": OPTIONS, "latency_counts": []}))


def test_percentiles_rise_and_end_before_the_last_packet() -> None:
    curve = percentile_curve([(100, 90), (200, 9), (900, 1)])
    assert curve == sorted(curve)
    assert curve[-1] == (pytest.approx(2.0), 0.9)
    assert nines(0.9) == pytest.approx(1.0)


def test_text_is_escaped() -> None:
    chart = Chart("a < b & c", Axis("x"), Axis("y"), [("one", [(0, 0), (1, 1)])])
    assert "a &lt; b &amp; c" in render([chart], "all")
    assert f"0 0 {WIDTH} {HEIGHT + 34}" in render([chart], "all")
