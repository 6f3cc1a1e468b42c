"""The adapters of other servers, with the servers themselves, where they are installed.

Where SFU_REQUIRE_PEERS is set, those that Debian packages must be.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bench.peers import comparison, registry
from bench.peers.adapter import Peer, PeerError, PeerTarget
from bench.peers.whip import WhipWhep
from tests.support.noise import REPEATED_TEST_TIMEOUT_S, repeatable, steady
from tests.support.server import RunningServer

from sfu.bench.fanout import Options, run
from sfu.dtls.srtp import SrtpProfile

pytestmark = pytest.mark.e2e

PACKAGED = {"janus as shipped", "rtpengine"}


@pytest.fixture(params=registry.peers(), ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    reason = request.param.is_installed()
    if reason is not None:
        if "SFU_REQUIRE_PEERS" in os.environ and request.param.name in PACKAGED:
            pytest.fail(f"{reason}, but SFU_REQUIRE_PEERS is set")
        pytest.skip(reason)
    return request.param


@repeatable
def test_a_short_fan_out_through_another_server_loses_nothing(peer: Peer) -> None:
    options = Options(1, 5, 1500, peer.audio, 3.0, SrtpProfile.AEAD_AES_128_GCM, pin=False, joins_at_once=5)
    said: list[str] = []
    runs = list(comparison.measure([peer], options, [5], 1, said.append))
    ours, theirs = comparison.rows(runs, [peer])
    assert theirs.failures == []
    assert theirs.loss == theirs.silent_streams == theirs.damaged == 0
    result = runs[-1].result
    assert result is not None
    # 5 packets 30 times a second and 50 of audio, to 5.
    assert result.packets_per_s == pytest.approx(5 * (200 if peer.audio else 150), rel=0.1)
    assert result.packets == pytest.approx(5 * result.published, rel=0.05)
    assert theirs.ratio is not None
    assert ours.cpu_us_per_packet is not None
    assert theirs.ratio.median > 0
    assert len(said) == 2


def test_each_peer_says_how_it_is_installed() -> None:
    names = [peer.name for peer in registry.peers()]
    assert len(names) == len(set(names))
    assert all(peer.install for peer in registry.peers())


@pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)
async def test_any_server_with_whip_and_whep_is_measured_with_its_cost_when_its_process_is_named(
    server: RunningServer, tmp_path: Path
) -> None:
    peer = WhipWhep(f"{server.url}/whip/{{room}}", f"{server.url}/whep/{{room}}", [os.getpid()])
    assert peer.is_installed() is None
    running = await peer.start(None, tmp_path)

    @asynccontextmanager
    async def serve(cpu: int | None) -> AsyncIterator[PeerTarget]:
        yield PeerTarget("", None, running)

    options = Options(1, 2, 300, False, 1.0, SrtpProfile.AEAD_AES_128_GCM, pin=False)

    async def measure() -> None:
        result = await run(options, lambda *_: None, serve)
        if result.damaged or result.cpu_us_per_packet is None:
            pytest.fail(str(result))
        assert (result.lost, result.silent_streams) == (0, 0)
        assert result.packets_per_s == pytest.approx(2 * 30, rel=0.2)

    await steady(measure, "any server with WHIP and WHEP")


async def test_a_room_that_is_refused_is_told(server: RunningServer, tmp_path: Path) -> None:
    peer = WhipWhep(f"{server.url}/nowhere/{{room}}", f"{server.url}/nowhere/{{room}}", [])
    running = await peer.start(None, tmp_path)
    assert running.usage() is None
    with pytest.raises(PeerError, match="404"):
        await running.publisher_answer("room", "v=0\r\n")
