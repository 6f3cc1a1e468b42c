from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.noise import repeatable
from typer.testing import CliRunner

from sfu.cli import app

pytestmark = pytest.mark.e2e


def bench(tmp_path: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The result of a scenario, and its plot."""
    out, plot = tmp_path / "result.json", tmp_path / "plot.svg"
    outcome = CliRunner().invoke(app, ["bench", *options, "--out", str(out), "--plot", str(plot)])
    assert outcome.exit_code == 0, outcome.output
    return json.loads(out.read_text()), plot.read_text()


@repeatable
def test_a_short_ramp_ends_at_the_number_of_subscribers_that_is_allowed(tmp_path: Path) -> None:
    options = ["--publishers", "2", "--start", "6", "--most", "12", "--step", "1", "--video-kbps", "300"]
    # How late packets may be is for quiet machines.
    result, plot = bench(tmp_path, "ramp", *options, "--max-p99-ms", "1000")
    assert result["steps"][0]["subscribers"] == 6
    assert result["capacity_subscribers"] == 12
    assert result["limit"] == "subscribers"
    # 1 packet 30 times a second and 50 of audio, to 12.
    assert result["capacity_packets_per_s"] == pytest.approx(80 * 12, rel=0.15)
    for step in result["steps"]:
        assert step["loss_share"] == 0
        assert 0 < step["cpu_share"] < 1
        assert 0 < step["generator_cpu_share"] < 1
    assert result["packets_per_s_per_full_core"] > result["capacity_packets_per_s"]
    assert "forwarded packets/s" in plot


@pytest.mark.parametrize("way", ["--whep", "--whole"])
@repeatable
def test_a_short_storm_of_joins_lets_everybody_in_and_costs_the_meeting_no_packet(tmp_path: Path, way: str) -> None:
    result, plot = bench(tmp_path, "joins", way, "--rate", "15", "--duration", "2", "--subscribers", "5")
    assert (result["joins"], result["failed"], result["errors"]) == (30, 0, {})
    assert 5 < result["joins_per_s"] <= 16
    assert 0 < result["join_ms"]["p50"] <= result["join_ms"]["max"]
    for phase in ("before", "during", "after"):
        assert result["phases"][phase]["lost"] == 0
        assert result["phases"][phase]["packets"] > 0
    # Those who join are not counted with the meeting.
    during = result["phases"]["during"]
    assert during["packets"] / during["duration_s"] == pytest.approx(5 * 200, rel=0.2)
    assert "storm" in plot


@repeatable
def test_a_storm_for_fewer_places_fills_each_of_them_and_refuses_the_others(tmp_path: Path) -> None:
    options = ("--whole", "--rate", "40", "--duration", "1", "--places", "15", "--subscribers", "5")
    result, _ = bench(tmp_path, "joins", *options)
    assert (result["joins"], result["failed"], result["errors"]) == (40, 0, {})
    assert (result["present"], result["refused"]) == (15, 25)
    assert 0 < result["refused_ms"]["p50"] <= result["refused_ms"]["max"]
    assert result["phases"]["during"]["lost"] == 0


def test_places_are_for_joins_as_the_page_does(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["bench", "joins", "--places", "15"])
    assert (outcome.exit_code, "add --whole" in outcome.output) == (2, True)


@repeatable
def test_media_flows_while_the_control_plane_is_blocked(tmp_path: Path) -> None:
    result, plot = bench(tmp_path, "isolate", "--block", "2", "--subscribers", "5")
    assert result["blocked_s"] == pytest.approx(2, abs=0.5)
    assert result["silent_s"] > 1
    during = result["phases"]["during"]
    assert during["lost"] == 0
    assert during["packets"] / during["duration_s"] == pytest.approx(5 * 200, rel=0.2)
    assert during["latency_us"]["p50"] < 100_000
    assert "control plane blocked" in plot


@repeatable
def test_in_a_big_meeting_everybody_gets_what_the_slots_say_and_hears_who_talks(tmp_path: Path) -> None:
    options = ["--participants", "20", "--cameras", "5", "--tiles", "4", "--duration", "2", "--storm", "10"]
    options += ["--noise", "room", "--fps", "30"]
    result, plot = bench(tmp_path, "meeting", *options)
    assert (result["lost"], result["duplicates"], result["damaged"], result["unsent"]) == (0, 0, 0, 0)
    # 3 encodings of 1, 2 and 7 packets a frame, and open microphones.
    assert result["packets_in_per_s"] == pytest.approx(5 * 30 * (1 + 2 + 7) + 20 * 50, rel=0.1)
    # The smallest encoding of four cameras for each, and at most three voices.
    video_per_s = 20 * 4 * 30
    assert video_per_s * 0.95 < result["packets_out_per_s"] < video_per_s + 20 * 3 * 50 * 1.1
    slots = result["slots"]
    assert (slots["showing"], slots["expected"]) == (80, 80)
    assert slots["confirmed"] >= 80
    assert (slots["wrong"], slots["unseen"], slots["own"]) == (0, 0, 0)
    cost = result["cost"]
    assert 0 < cost["shard_share"] < 1
    assert cost["cpu_share"] == pytest.approx(cost["shard_share"] + cost["control_share"], rel=0.1, abs=0.02)
    for kind in ("video", "audio"):
        assert 0 < result[f"{kind}_latency_us"]["p50"] <= result[f"{kind}_latency_us"]["p99"]
    assert result["told_joining"]["messages"] > 0
    assert 0 < result["control_ms_per_join"] < 1_000
    storm = result["storm"]
    assert (storm["joins"], storm["failed"], storm["errors"]) == (10, 0, {})
    assert all(phase["lost"] == 0 and phase["packets"] > 0 for phase in storm["phases"].values())
    assert "storm" in plot


@repeatable
def test_a_server_that_may_do_little_sends_fewer_frames_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFU_LAYERS__MAX_LOAD", "0.01")
    options = ["--participants", "20", "--cameras", "5", "--tiles", "4", "--duration", "4", "--fps", "30"]
    result, _ = bench(tmp_path, "meeting", *options, "--talkers", "1", "--noise", "dtx")
    assert (result["lost"], result["held"]) == (0, 20)
    assert 0.01 < result["cost"]["busy_share"] < 1
    slots = result["slots"]
    assert (slots["showing"], slots["wrong"], slots["unseen"]) == (80, 0, 0)
    # All that they wish are 2,400 frames a second, and some 900 packets of who talks. No picture stands still.
    wished = 20 * 4 * 30
    assert wished / 4 * 0.9 < result["packets_out_per_s"] < wished * 0.55 + 20 * 50 * 1.1


@repeatable
def test_with_dtx_and_cameras_that_follow_the_server_gets_far_fewer_packets(tmp_path: Path) -> None:
    options = [
        "--participants",
        "12",
        "--cameras",
        "3",
        "--tiles",
        "2",
        "--talkers",
        "1",
        "--duration",
        "6",
        "--spread",
    ]
    result, _ = bench(tmp_path, "meeting", *options, "--noise", "dtx", "--follow")
    # All three encodings would be 900 packets/s; the larger ones are wanted by nobody after 5 s, soon after warming up.
    assert 3 * 30 < result["packets_in_per_s"] < 500
    assert result["slots"]["showing"] == result["slots"]["expected"] == 24
    assert result["lost"] == 0


def test_more_cameras_than_participants_are_refused() -> None:
    outcome = CliRunner().invoke(app, ["bench", "meeting", "--participants", "3", "--cameras", "4"])
    assert outcome.exit_code == 2
    assert "--cameras is 4, of 3 participants" in outcome.output


def test_rounds_are_combined_and_keep_their_spread(tmp_path: Path) -> None:
    result, _ = bench(tmp_path, "fanout", "--subscribers", "3", "--duration", "0.5", "--rounds", "2")
    assert len(result["rounds"]) == 2
    smallest, largest = result["spread"]["cpu_us_per_packet"]
    assert smallest <= result["cpu_us_per_packet"] <= largest


def test_rows_that_there_are_not_are_refused() -> None:
    outcome = CliRunner().invoke(app, ["bench", "targets", "--only", "speed-of-light"])
    assert outcome.exit_code == 2
    assert "speed-of-light" in outcome.output


@repeatable
def test_a_short_chat_reaches_everybody_once_and_in_order(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    options = ["--participants", "30", "--duration", "2", "--out", str(out)]
    outcome = CliRunner().invoke(app, ["bench", "chat", *options])
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(out.read_text())
    assert (result["lines"], result["refused"], result["deliveries"]) == (40, 0, 40 * 30)
    assert (result["lost"], result["doubled"], result["reordered"], result["failures"]) == (0, 0, 0, [])
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["max"]
    assert "lost, doubled" in outcome.output
