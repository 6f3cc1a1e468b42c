from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.support.noise import REPEATED_TEST_TIMEOUT_S, repeatable, steady
from tests.support.server import RunningServer
from typer.testing import CliRunner

from sfu.bench.fanout import Options, forwarding_alone, run
from sfu.bench.target import usage_of
from sfu.cli import app
from sfu.dtls.srtp import SrtpProfile

pytestmark = pytest.mark.e2e


def silently(what: str, done: float, total: float) -> None:
    """No progress is shown."""


def check_complete(result: dict[str, Any]) -> None:
    """Every packet came, and once. Only what is lost may come of a machine that is busy with other things."""
    if result["duplicates"] or result["damaged"]:
        pytest.fail(f"{result['duplicates']} packets came twice, {result['damaged']} are damaged")
    assert result["lost"] == result["silent_streams"] == 0


@repeatable
@pytest.mark.parametrize("srtp", ["gcm", "cm"])
def test_a_short_run_against_our_own_server_loses_nothing_and_its_numbers_are_plausible(
    srtp: str, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    processors = os.sched_getaffinity(0)
    try:
        outcome = CliRunner().invoke(
            app, ["bench", "fanout", "--subscribers", "10", "--duration", "2", "--srtp", srtp, "--out", str(out)]
        )
    finally:
        os.sched_setaffinity(0, processors)
    assert outcome.exit_code == 0, outcome.output
    assert "forwarded packets/s" in outcome.output
    result = json.loads(out.read_text())
    check_complete(result)
    # 5 packets 30 times a second and 50 of audio, to 10.
    assert result["packets_per_s"] == pytest.approx(2_000, rel=0.1)
    assert result["packets"] == pytest.approx(10 * result["published"], rel=0.05)
    assert result["mbit_per_s"] == pytest.approx(1_500 * 1_216 * 8 / 1e6 + 500 * 200 * 8 / 1e6, rel=0.1)
    assert 0.5 < result["cpu_us_per_packet"] < 200
    latency = result["latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99_9"] <= latency["max"]
    assert 0 < result["join_ms"]["p50"] <= result["join_ms"]["max"] < 10_000
    assert 0 < result["rss_bytes_per_subscriber"] < 2**21


@repeatable
def test_the_floor_is_measured_beside_the_server_and_lies_below_it(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    processors = os.sched_getaffinity(0)
    try:
        outcome = CliRunner().invoke(
            app, ["bench", "fanout", "--subscribers", "20", "--duration", "1", "--floor", "--out", str(out)]
        )
    finally:
        os.sched_setaffinity(0, processors)
    assert outcome.exit_code == 0, outcome.output
    assert "server / floor" in outcome.output
    result = json.loads(out.read_text())
    floor = result["floor"]
    # Two measurements of a second of two reflectors: 5 packets 30 times and 50 of audio, to 20.
    assert floor["packets"] == pytest.approx(4 * 200 * 20, rel=0.15)
    assert floor["lost"] == 0
    assert 0 < floor["aead_us_per_packet"] < 20
    assert 0 < floor["bare_us_per_packet"] < 100
    assert floor["us_per_packet"] == pytest.approx(floor["bare_us_per_packet"] + floor["aead_us_per_packet"])
    assert result["cost_to_floor"] == pytest.approx(result["cpu_us_per_packet"] / floor["us_per_packet"])
    assert floor["aead_us_per_packet"] < floor["sealed_us_per_packet"] < 100
    assert result["cost_to_sealed"] == pytest.approx(result["cpu_us_per_packet"] / floor["sealed_us_per_packet"])


@repeatable
def test_everybody_in_a_meeting_sees_and_hears_all_who_publish(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    processors = os.sched_getaffinity(0)
    options = ["--participants", "8", "--publishers", "6", "--video-kbps", "300", "--duration", "2"]
    try:
        outcome = CliRunner().invoke(app, ["bench", "mesh", *options, "--out", str(out)])
    finally:
        os.sched_setaffinity(0, processors)
    assert outcome.exit_code == 0, outcome.output
    assert "6 of 8 publish to all" in outcome.output
    result = json.loads(out.read_text())
    check_complete(result)
    # Each publisher sees five cameras, the other two six; more than the four slots of the first offer. Three voices.
    assert result["packets_per_s"] == pytest.approx((6 * 5 + 2 * 6) * 30 + 8 * 3 * 50, rel=0.1)
    assert 0.5 < result["cpu_us_per_packet"] < 200


def test_more_publishers_than_participants_are_refused() -> None:
    outcome = CliRunner().invoke(app, ["bench", "mesh", "--participants", "3", "--publishers", "4"])
    assert outcome.exit_code == 2


def test_how_a_running_server_forwards_is_not_ours_to_say() -> None:
    outcome = CliRunner().invoke(app, ["bench", "fanout", "--url", "http://127.0.0.1:1", "--no-adaptive"])
    assert outcome.exit_code == 2
    assert "--no-adaptive" in outcome.output


async def test_a_server_for_forwarding_alone_is_told_not_to_adapt() -> None:
    async with forwarding_alone(None) as target:
        assert b"SFU_LAYERS__ADAPTIVE=false" in Path(f"/proc/{target.pid}/environ").read_bytes().split(b"\0")


@pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)
async def test_a_running_server_is_measured_without_its_cost(server: RunningServer) -> None:
    options = Options(
        publishers=2,
        subscribers=4,
        video_kbps=300,
        audio=False,
        duration_s=1,
        profile=SrtpProfile.AEAD_AES_128_GCM,
        url=server.url,
        pin=False,
    )

    async def measure() -> None:
        result = await run(options, silently)
        if result.damaged or result.cpu_us_per_packet is not None or result.rss_bytes is not None:
            pytest.fail(str(result))
        assert (result.lost, result.silent_streams) == (0, 0)
        assert result.packets_per_s == pytest.approx(4 * 30, rel=0.2)

    await steady(measure, "a server that runs")


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    outcome = CliRunner().invoke(app, ["bench", "fanout", "--no-pin", "--url", "http://127.0.0.1:9"])
    assert outcome.exit_code == 1
    assert "refused" in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1


def test_a_process_uses_time_and_memory() -> None:
    before = usage_of(os.getpid())
    sum(number * number for number in range(200_000))
    after = usage_of(os.getpid())
    assert 0 < after.cpu_s - before.cpu_s < 5
    assert after.rss_bytes > 2**20


@repeatable
def test_where_the_server_adapts_to_networks_a_good_path_gets_all_within_seconds_of_joining(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SFU_LAYERS__ADAPTIVE", "true")
    out = tmp_path / "result.json"
    processors = os.sched_getaffinity(0)
    try:
        outcome = CliRunner().invoke(
            app, ["bench", "fanout", "--subscribers", "50", "--duration", "3", "--out", str(out)]
        )
    finally:
        os.sched_setaffinity(0, processors)
    assert outcome.exit_code == 0, outcome.output
    result = json.loads(out.read_text())
    check_complete(result)
    # 1.5 Mbit/s are five times the first estimate, and joining is 1.5 s ago when the measurement begins.
    assert result["packets_per_s"] == pytest.approx(10_000, rel=0.1)
