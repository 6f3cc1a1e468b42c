"""Python may stop for seconds: media does not notice."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.support.noise import REPEATED_TEST_TIMEOUT_S, steady
from tests.support.pattern import PatternTrack, ToneTrack
from tests.support.peers import play, publish
from tests.support.server import running_server
from tests.support.waiting import until

from sfu.config import BUILT_IN_PLUGINS

pytestmark = pytest.mark.e2e

STALL_S = 5.0
FPS = 15


@pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)
async def test_media_flows_while_python_is_blocked_for_five_seconds(tmp_path: Path):
    plugins = json.dumps([*BUILT_IN_PLUGINS, "stall_plugin:StallPlugin"])
    support = Path(__file__).parents[2] / "support"
    env = {"PYTHONPATH": str(support)}
    async with running_server(tmp_path, config=f"plugins = {plugins}", env=env) as server:
        publisher, _ = await publish(server.http, "stage", ToneTrack(), PatternTrack(FPS))
        viewer, _ = await play(server.http, "stage")
        async with publisher, viewer:
            await publisher.connected()
            await viewer.connected()
            video, audio = viewer.video(), viewer.audio()
            await until(lambda: len(video.counters), "decoded frames", good=lambda n: n >= FPS)

            async def stall() -> None:
                since, frames, sounds = time.monotonic(), len(video.counters), len(audio.times)
                stalled = await server.http.post("/test/stall", params={"seconds": STALL_S})
                assert stalled.json() == {"stalled_s": STALL_S}
                assert time.monotonic() - since >= STALL_S
                assert len(video.counters) - frames >= 0.8 * STALL_S * FPS
                assert len(audio.times) - sounds >= 0.8 * STALL_S * 50
                assert video.longest_gap_s(since) < 0.5

            await steady(stall, "a call while Python is blocked")
            metrics = await server.metrics()
            assert metrics['sfu_transports{state="connected"}'] == 2
            assert metrics["sfu_event_loop_lag_seconds"] >= STALL_S - 1
