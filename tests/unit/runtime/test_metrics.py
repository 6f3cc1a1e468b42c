"""What is measured, and how it is shown to Prometheus."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Conference
from sfu.conference.allocation import ReceptionStats
from sfu.media.engine import EngineStats, ShardStats
from sfu.plugins.api import PluginContext, ServerOptions
from sfu.plugins.observability import ObservabilityPlugin
from sfu.runtime.app import make_app
from sfu.runtime.log import logger
from sfu.runtime.metrics import LoopLag
from sfu.runtime.view import Runtime


class LateClock(VirtualClock):
    """A clock whose timers come late by ``late_s``."""

    late_s = 0.0

    def call_later(self, delay_s, callback):
        return super().call_later(delay_s + self.late_s, callback)


def test_the_loops_lag_is_the_worst_of_the_last_15_s():
    clock = LateClock()
    lag = LoopLag(clock)
    lag.start()
    clock.advance(5)
    assert lag.worst_s() == pytest.approx(0, abs=1e-9)
    clock.late_s = 0.8
    clock.advance(1.2)
    clock.late_s = 0.0
    clock.advance(10)
    assert lag.worst_s() == pytest.approx(0.8)
    clock.advance(16)
    assert lag.worst_s() == pytest.approx(0, abs=1e-9)
    lag.stop()
    assert clock.pending == 0


@pytest.fixture
def server():
    """The observability plugin over a real engine and conference, and the engine's runtime view."""
    clock = VirtualClock()
    engine, _ = sim_engine()
    conference = Conference(engine, clock)
    runtime = Runtime(engine, engine.options.certificate, clock)
    context = PluginContext("observability", conference, clock, ServerOptions(), runtime, logger("test"))
    ObservabilityPlugin().setup(context)
    transport = httpx.ASGITransport(make_app([context], "0"))
    yield SimpleNamespace(
        http=httpx.AsyncClient(transport=transport, base_url="http://test"),
        engine=engine,
        conference=conference,
        runtime=runtime,
    )
    conference.close()
    engine.close()


async def samples(server) -> dict[tuple, float]:
    response = await server.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_metrics_count_what_there_is(server):
    meeting = await server.conference.create_meeting("x")
    meeting.join("Ann")
    found = await samples(server)
    assert found["sfu_meetings",] == 1
    assert found["sfu_participants",] == 1
    assert found["sfu_transports", "new"] == 1
    assert found["sfu_transports", "connected"] == 0
    assert found["sfu_shard_up", "0"] == 1
    assert found["sfu_packets_total", "received"] == 0
    assert found["sfu_dtls_failures_total",] == 0
    assert found["sfu_ready",] == 1


async def test_receivers_are_counted_by_what_they_get_and_by_their_networks(server, monkeypatch):
    stats = ReceptionStats({"full": 2, "paused": 1}, (200_000, 250_000, 4_000_000))
    monkeypatch.setattr(server.conference.allocator, "stats", lambda: stats)
    found = await samples(server)
    assert (found["sfu_receivers", "full"], found["sfu_receivers", "reduced"], found["sfu_receivers", "paused"]) == (
        (2, 0, 1)
    )
    assert found["sfu_estimate_bps_bucket", "100000"] == 0
    assert found["sfu_estimate_bps_bucket", "300000"] == 2
    assert found["sfu_estimate_bps_bucket", "+Inf"] == 3
    assert found["sfu_estimate_bps_gsum",] == 4_450_000


async def test_every_counter_and_drop_of_the_engine_is_shown(server, monkeypatch):
    stats = EngineStats(
        counters={"rx_packets": 3, "tx_bytes": 4, "rx_nacks": 5},
        drops={"srtp_replay": 6},
        failures={"dtls": 7, "ice": 8},
        shards=(ShardStats(0, (), "", 1), ShardStats(1, (), "panicked", 0)),
    )
    monkeypatch.setattr(server.runtime, "engine_stats", lambda: stats)
    found = await samples(server)
    assert found["sfu_packets_total", "received"] == 3
    assert found["sfu_bytes_total", "sent"] == 4
    assert found["sfu_data_plane_total", "rx_nacks"] == 5
    assert ("sfu_data_plane_total", "rx_packets") not in found
    assert found["sfu_dropped_packets_total", "srtp_replay"] == 6
    assert found["sfu_dtls_failures_total",] == 7
    assert found["sfu_failures_total", "ice"] == 8
    assert (found["sfu_shard_up", "0"], found["sfu_shard_up", "1"]) == (1, 0)


async def test_openmetrics_is_given_to_who_asks_for_it(server):
    response = await server.http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_a_stopping_server_is_healthy_and_not_ready(server):
    assert (await server.http.get("/readyz")).json() == {"status": "ready", "reasons": []}
    server.runtime.is_stopping = True
    response = await server.http.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (503, ["the server is stopping"])
    assert (await server.http.get("/healthz")).status_code == 200


async def test_a_failed_shard_makes_the_server_unready(server):
    router = server.engine.create_router()
    router.link.fail("panicked")
    response = await server.http.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (503, ["shard 0 failed: panicked"])
