from __future__ import annotations

import pytest
from tests.support.noise import steady
from tests.support.pattern import PatternTrack, ToneTrack, pitch_hz
from tests.support.peers import join, play, publish
from tests.support.server import RunningServer
from tests.support.waiting import until

pytestmark = pytest.mark.e2e


async def test_frames_played_by_whep_are_those_published_by_whip(server: RunningServer) -> None:
    camera = PatternTrack()
    publisher, _ = await publish(server.http, "stage", ToneTrack(), camera)
    viewer, _ = await play(server.http, "stage")
    async with publisher, viewer:
        await publisher.connected()
        await viewer.connected()
        assert publisher.dtls_version() == viewer.dtls_version() == "DTLSv1.2"
        seen = viewer.video()

        async def hardly_any_is_missing() -> None:
            first = len(seen.counters)
            await until(lambda: len(seen.counters), "45 decoded frames", good=lambda count: count >= first + 45)
            counters = [counter for counter in seen.counters[first:] if counter is not None]
            assert len(counters) / (counters[-1] - counters[0] + 1) > 0.9, "more than a tenth of the frames is missing"

        await steady(hardly_any_is_missing, "frames by WHIP and WHEP")
        assert None not in seen.counters, "a damaged picture was decoded"
        assert seen.counters == sorted(set(seen.counters)), "frames repeat or go back"
        assert seen.counters[-1] <= camera.sent
        assert min(seen.psnrs_db) > 28
        await until(lambda: len(viewer.audio().audio), "2 s of audio", good=lambda n: n >= 100)
        assert pitch_hz(viewer.audio().audio[-50:]) == pytest.approx(440, abs=5)


async def test_a_player_that_comes_first_starts_with_the_first_publisher_and_goes_on_with_the_next(
    server: RunningServer,
) -> None:
    viewer, session = await play(server.http, "early", ("video",))
    first, first_session = await publish(server.http, "early", PatternTrack(first=0))
    second, _ = await publish(server.http, "early", PatternTrack(first=10_000))
    async with viewer, first, second:
        await until(lambda: viewer.seen and len(viewer.video().counters), "frames", good=lambda n: n >= 15)
        seen = viewer.video()
        assert all(counter is not None and counter < 5_000 for counter in seen.counters)
        assert (await server.http.delete(first_session.url)).status_code == 200
        frames = len(seen.counters)
        await until(lambda: len(seen.counters), "frames of the next", good=lambda n: n >= frames + 20)
        assert None not in seen.counters, "the switch damaged a picture"
        switched = [counter for counter in seen.counters if counter is not None]
        assert all(counter >= 10_000 for counter in switched[-10:])
        assert switched == sorted(switched), "the player went back to the first"
        assert (await server.metrics())["sfu_viewers"] == 1
        assert (await server.http.delete(session.url)).status_code == 200
        await until(lambda: viewer.pc.connectionState, "the end", good=lambda state: state in {"closed", "failed"})


async def test_a_browserless_stream_is_seen_by_people_in_the_meeting(server: RunningServer) -> None:
    meeting = await server.create_meeting()
    ann = await join(server.http, meeting, "Ann")
    stream, session = await publish(server.http, meeting, PatternTrack(), name="Stream")
    async with ann, stream:
        joined = await until(lambda: [who for who in ann.told("joined") if who["id"] != ann.id], "the stream")
        assert (joined[0]["name"], joined[0]["sources"]) == ("Stream", {"camera": {"muted": False}})
        seen = await until(lambda: ann.shown(joined[0]["id"], "camera"), "the stream in a slot")
        assert seen is not None
        await until(lambda: len(seen.counters), "frames", good=lambda n: n >= 10)
        await server.http.delete(session.url)
        left = await until(lambda: ann.told("left"), "its end")
        assert left[0]["reason"] == "left"
