"""Two people with aiortc, as any client of the signaling protocol."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.noise import REPEATED_TEST_TIMEOUT_S, steady
from tests.support.pattern import PatternTrack, ToneTrack, pitch_hz
from tests.support.peers import Participant, Seen, SignalingError, join, play, publish, untouched
from tests.support.relay import Relay
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("subprotocol", ["sfu.v1.json", "sfu.v1.msgpack"])
async def test_two_participants_see_and_hear_each_other(server: RunningServer, subprotocol: str) -> None:
    meeting = await server.create_meeting()
    ann = await join(server.http, meeting, "Ann", ToneTrack(440), PatternTrack(first=0), subprotocol=subprotocol)
    bob = await join(server.http, meeting, "Bob", ToneTrack(880), PatternTrack(first=10_000), subprotocol=subprotocol)
    async with ann, bob:
        for viewer, other, first, hz in ((ann, bob, 10_000, 880), (bob, ann, 0, 440)):
            video = await until(lambda v=viewer, o=other: v.shown(o.id, "camera"), "the other's camera in a slot")
            audio = await until(lambda v=viewer, o=other: v.shown(o.id, "microphone"), "the other's microphone")
            assert video is not None
            assert audio is not None
            await until(lambda seen=video: len(seen.counters), "20 frames", good=lambda n: n >= 20)
            assert all(counter is not None and 0 <= counter - first < 5_000 for counter in video.counters)
            await until(lambda seen=audio: len(seen.audio), "audio", good=lambda n: n >= 100)
            assert pitch_hz(audio.audio[-50:]) == pytest.approx(hz, abs=5)
        await ann.request("mute", source="camera", muted=True)
        await until(lambda: {slot["state"] for slot in bob.slots.values()}, "muted", good=lambda s: "muted" in s)
        await until(lambda: time.monotonic() - video.times[-1], "no more frames", good=lambda gap_s: gap_s >= 1.0)
        frames = len(video.counters)
        await ann.request("mute", source="camera", muted=False)
        await until(lambda: len(video.counters), "frames again", good=lambda n: n > frames + 20)
        await ann.request("leave")
        await until(lambda: bob.told("left"), "that Ann has left")
        assert await until(lambda: ann.close_code, "a closed socket", good=lambda code: code is not None) == 1000


async def test_more_tiles_come_by_a_new_offer_and_media_goes_on(server: RunningServer) -> None:
    meeting = await server.create_meeting()
    ann = await join(server.http, meeting, "Ann", PatternTrack())
    bob = await join(server.http, meeting, "Bob")
    async with ann, bob:
        seen = await until(lambda: bob.shown(ann.id, "camera"), "Ann's camera")
        assert seen is not None
        await until(lambda: len(seen.counters), "frames")
        await bob.request("slots", video=6)
        [offer] = await until(lambda: [m for m in bob.notifications if m["type"] == "offer"], "an offer")
        assert offer["version"] == 2
        assert sum(slot["kind"] == "video" for slot in offer["slots"]) == 6
        await bob.answer(offer["version"], offer["sdp"])
        with pytest.raises(SignalingError, match="answered already"):
            await bob.request("answer", version=2, sdp=bob.pc.localDescription.sdp)
        frames = len(seen.counters)
        await until(lambda: len(seen.counters), "more frames", good=lambda n: n > frames + 15)


@pytest.mark.parametrize("profile", ["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"])
async def test_media_flows_with_each_srtp_profile(server: RunningServer, profile: str) -> None:
    publisher, _ = await publish(server.http, "profiles", PatternTrack(), srtp=profile)
    viewer, _ = await play(server.http, "profiles", ("video",), srtp=profile)
    async with publisher, viewer:
        await until(lambda: viewer.seen and len(viewer.video().counters), "frames", good=lambda n: n >= 10)
        assert publisher.srtp_profile() == viewer.srtp_profile() == profile
        assert None not in viewer.video().counters


async def test_a_certificate_that_is_not_the_one_in_the_sdp_closes_the_transport_and_says_so(
    server: RunningServer,
) -> None:
    meeting = await server.create_meeting()
    joined = (await server.http.post(f"/meetings/{meeting}/join", json={"name": "Mallory"})).json()
    mallory = Participant(joined, "sfu.v1.json", untouched)
    async with mallory:
        await mallory.connect_socket()
        sdp = await mallory.answer_sdp(joined["offer"]["sdp"])
        wrong = ":".join(["AB"] * 32)
        sdp = re.sub(r"a=fingerprint:sha-(384|512) \S+\r\n", "", sdp)
        sdp = re.sub(r"a=fingerprint:sha-256 \S+", f"a=fingerprint:sha-256 {wrong}", sdp)
        await mallory.request("answer", version=1, sdp=sdp)
        states = await until(
            lambda: [m for m in mallory.notifications if m["type"] == "transport" and m["state"] == "closed"],
            "that the transport is closed",
        )
        assert "fingerprint" in states[0]["detail"]
        with pytest.raises(SignalingError) as caught:
            await mallory.request("publish", source="camera")
        assert caught.value.code == "conflict"


async def test_who_can_not_decode_a_codec_is_told_and_gets_no_garbage(server: RunningServer) -> None:
    meeting = await server.create_meeting()
    publisher, _ = await publish(server.http, meeting, PatternTrack(), only="video/H264")
    bob = await join(server.http, meeting, "Bob", codecs=["VP8"])
    cid = await join(server.http, meeting, "Cid")
    async with publisher, bob, cid:
        [camera] = [entry["id"] for entry in bob.welcome["participants"] if entry["name"] == "Camera"]
        seen = await until(lambda: cid.shown(camera, "camera"), "the camera in a slot of Cid's")
        assert seen is not None
        await until(lambda: len(seen.counters), "decoded H264", good=lambda n: n >= 10)
        assert None not in seen.counters
        [slot] = await until(
            lambda: [slot for slot in bob.slots.values() if slot["state"] == "unsupported_codec"], "that Bob is told"
        )
        assert (slot["participant_id"], slot["source"], slot["codec"]) == (camera, "camera", "h264")
        assert bob.shown(camera, "camera") == Seen("video"), "Bob got packets that he can not decode"


async def test_a_socket_without_a_known_subprotocol_is_refused(server: RunningServer) -> None:
    meeting = await server.create_meeting()
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"{server.ws_url}/meetings/{meeting}/signaling", subprotocols=["chat"]):
            pass
    assert caught.value.response.status_code == 400
    assert b"sfu.v1.json, sfu.v1.msgpack" in caught.value.response.body


@pytest.mark.slow
@pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)
async def test_media_and_consent_outlive_python_that_is_blocked_for_five_seconds(tmp_path: Path) -> None:
    stall = Path(__file__).parents[1] / "support"
    config = 'plugins = ["meetings", "signaling_ws", "whip", "observability", "stall_plugin:StallPlugin"]\n'
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_server(tmp_path, config=config, env={"PYTHONPATH": str(stall)})
        )
        relay = await stack.enter_async_context(Relay((server.host, server.media_port), seed=5))
        camera = PatternTrack(fps=30)
        publisher, _ = await publish(server.http, "stalled", camera)
        await stack.enter_async_context(publisher)
        viewer, _ = await play(server.http, "stalled", ("video",), rewrite=relay.rewrite)
        await stack.enter_async_context(viewer)
        await until(lambda: viewer.seen and len(viewer.video().counters), "frames", good=lambda n: n > 30)
        seen = viewer.video()

        async def stall() -> None:
            before = await server.metrics()
            start = time.monotonic()
            frames, sent = len(seen.counters), camera.sent
            lost_before = relay.counts["lost_down"]
            relay.loss = 0.03  # so that there are NACKs to answer while nobody is at home in Python
            stalled = asyncio.create_task(server.http.post("/test/stall", params={"seconds": 5.0}))
            await asyncio.sleep(4.5)
            during, of, gap_s = len(seen.counters) - frames, camera.sent - sent, seen.longest_gap_s(start)
            assert not stalled.done(), "Python was not blocked"
            lost_while_blocked = relay.counts["lost_down"] - lost_before
            relay.loss = 0.0
            assert (await stalled).status_code == 200
            assert time.monotonic() - start > 5.0
            assert during > 0.8 * of, "a fifth of the frames is missing while Python was blocked"
            assert gap_s < 1.0
            assert lost_while_blocked > 0
            name = 'sfu_data_plane_total{what="tx_retransmitted"}'
            await until(server.metrics, "retransmissions in the counters", good=lambda now: now[name] > before[name])

        await steady(stall, "a call while Python is blocked")
        frames = len(seen.counters)
        await until(lambda: len(seen.counters), "frames afterwards", good=lambda n: n > frames + 30)
        assert publisher.pc.connectionState == viewer.pc.connectionState == "connected"
