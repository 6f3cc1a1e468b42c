"""Calls over networks that lose packets, move their users, or lose their signaling."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aioice.ice
import pytest
from tests.support.noise import REPEATED_TEST_TIMEOUT_S, steady
from tests.support.pattern import PatternTrack, ToneTrack
from tests.support.peers import join, play, publish
from tests.support.relay import Relay
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

WATCHED_S = 12.0


@pytest.mark.slow
@pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)
async def test_with_a_twentieth_of_all_packets_lost_each_way_video_never_freezes_for_a_second(
    server: RunningServer,
) -> None:
    seed = 20_26
    async with AsyncExitStack() as stack:
        relays = [
            await stack.enter_async_context(Relay((server.host, server.media_port), loss=0.05, seed=seed + index))
            for index in range(2)
        ]
        camera = PatternTrack(fps=30)
        publisher, _ = await publish(server.http, "lossy", camera, rewrite=relays[0].rewrite)
        await stack.enter_async_context(publisher)
        viewer, _ = await play(server.http, "lossy", ("video",), rewrite=relays[1].rewrite)
        await stack.enter_async_context(viewer)
        await publisher.connected()
        await viewer.connected()
        await until(lambda: len(viewer.video().counters), "a decoded frame")

        def lost() -> int:
            return sum(relay.counts["lost_up"] + relay.counts["lost_down"] for relay in relays)

        async def watch() -> None:
            before, start = await server.metrics(), time.monotonic()
            seen = viewer.video()
            frames_before, sent_before, lost_before = len(seen.counters), camera.sent, lost()
            await asyncio.sleep(WATCHED_S)
            gap_s = seen.longest_gap_s(start)
            after = await server.metrics()
            assert lost() - lost_before > 20
            assert gap_s < 1.0
            counters = [counter for counter in seen.counters[frames_before:] if counter is not None]
            assert len(counters) > 0.8 * (camera.sent - sent_before), "a fifth of the frames is missing"

            def grown(what: str) -> float:
                name = f'sfu_data_plane_total{{what="{what}"}}'
                return after[name] - before[name]

            assert grown("rx_recovered") > 0, "nothing was asked of the publisher again"
            assert grown("tx_retransmitted") > 0, "nothing was sent to the viewer again"

        await steady(watch, "a call that loses a twentieth of its packets")
        assert None not in viewer.video().counters, "a damaged picture was decoded"


@pytest.mark.slow
async def test_a_client_that_changes_its_address_goes_on_without_a_restart(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 1)  # browsers check every 2.5 s; by itself aioice every 5 s
    async with AsyncExitStack() as stack:
        relays = [
            await stack.enter_async_context(Relay((server.host, server.media_port), seed=index)) for index in range(2)
        ]
        publisher, _ = await publish(server.http, "roaming", PatternTrack(), rewrite=relays[0].rewrite)
        await stack.enter_async_context(publisher)
        viewer, _ = await play(server.http, "roaming", ("video",), rewrite=relays[1].rewrite)
        await stack.enter_async_context(viewer)
        await until(lambda: viewer.seen and len(viewer.video().counters), "frames", good=lambda n: n > 5)
        for relay in relays:
            old = relay.upstream
            await relay.move()
            new = relay.upstream
            assert new != old
            await until(lambda r=relay, n=new: r.media_to(n), "that the server sends to the new address")
            relay.forget()
            frames = len(viewer.video().counters)
            await until(
                lambda: len(viewer.video().counters),
                f"30 more frames by way of {new}",
                good=lambda now, frames=frames: now > frames + 30,
            )
        assert publisher.pc.connectionState == viewer.pc.connectionState == "connected"
        assert None not in viewer.video().counters


async def test_a_socket_that_comes_back_within_the_window_has_lost_nothing(server: RunningServer) -> None:
    meeting = await server.create_meeting()
    ann = await join(server.http, meeting, "Ann", ToneTrack(), PatternTrack())
    bob = await join(server.http, meeting, "Bob")
    async with ann, bob:
        seen = await until(lambda: bob.shown(ann.id, "camera"), "Ann's camera in a slot of Bob's")
        assert seen is not None
        await until(lambda: len(seen.counters), "frames", good=lambda n: n > 10)
        await bob.drop_socket()
        await until(
            lambda: [entry["connected"] for entry in ann.told("updated") if entry["id"] == bob.id],
            "that Bob is away",
            good=lambda flags: flags and flags[-1] is False,
        )
        frames = len(seen.counters)
        await until(lambda: len(seen.counters), "frames without a socket", good=lambda n: n > frames + 15)
        await bob.connect_socket()
        assert bob.welcome["resumed"]
        assert bob.welcome["offer"] is None
        assert bob.shown(ann.id, "camera") is seen
        assert bob.welcome["transport"] == "connected"
        await bob.request("ping")


async def test_without_its_socket_for_the_whole_window_a_participant_has_left(tmp_path: Path) -> None:
    async with running_server(tmp_path, config="[meeting]\nresume_window_s = 1.0\n") as server:
        meeting = await server.create_meeting()
        ann, bob = await join(server.http, meeting, "Ann"), await join(server.http, meeting, "Bob")
        async with ann, bob:
            await bob.drop_socket()
            left = await until(lambda: ann.told("left"), "that Bob has left")
            assert left == [{"participant_id": bob.id, "reason": "timeout"}]
