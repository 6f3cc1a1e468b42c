from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from bench.peers.adapter import PeerError, PeerTarget
from bench.peers.mediasoup import Mediasoup

from sfu.bench.load import Load
from sfu.dtls.srtp import SrtpProfile

mediasoup = Mediasoup("mediasoup", with_feedback=True)
absence = mediasoup.is_installed()
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(absence is not None, reason=f"mediasoup: {absence}")]

SUBSCRIBERS = 3
TIMEOUT_S = 40.0


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


async def with_mediasoup(folder: Path, check: Callable[[PeerTarget], Awaitable[None]]) -> None:
    running = await mediasoup.start(None, folder)
    try:
        await check(PeerTarget("", None, running))
    finally:
        await running.stop()


@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80])
async def test_clients_of_mediasoup_get_every_stream_whole(profile: SrtpProfile, tmp_path: Path) -> None:
    async def check(target: PeerTarget) -> None:
        load = Load(profile)
        try:
            await load.publish(target.publisher("room"), video_kbps=500, audio=True)
            for _ in range(SUBSCRIBERS):
                await load.subscribe(target.subscriber("room"), audio=True)
            await until(lambda: load.report()["streams"] >= 2 * SUBSCRIBERS)
            load.reset()
            before = target.usage().cpu_s
            await until(lambda: load.report()["packets"] > 1_000)
            report = load.report()
            # Probes are none.
            assert report["streams"] == 2 * SUBSCRIBERS
            assert report["lost"] == report["damaged"] == report["duplicates"] == report["silent_streams"] == 0
            assert target.usage().cpu_s > before
        finally:
            load.close()

    await with_mediasoup(tmp_path, check)


async def test_a_room_without_a_publisher_is_refused(tmp_path: Path) -> None:
    async def check(target: PeerTarget) -> None:
        load = Load(SrtpProfile.AEAD_AES_128_GCM)
        try:
            with pytest.raises(PeerError, match="nobody publishes in empty"):
                await load.subscribe(target.subscriber("empty"), audio=True)
        finally:
            load.close()

    await with_mediasoup(tmp_path, check)
