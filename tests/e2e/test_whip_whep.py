from __future__ import annotations

import pytest
from tests.support.pattern import PatternTrack, ToneTrack, pitch_hz
from tests.support.peers import play, publish
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
        await until(lambda: len(viewer.video().counters), "45 decoded frames", good=lambda n: n >= 45, within_s=30)
        seen = viewer.video()
        assert None not in seen.counters, "a damaged picture was decoded"
        counters = [counter for counter in seen.counters if counter is not None]
        assert counters == sorted(set(counters)), "frames repeat or go back"
        assert counters[-1] <= camera.sent
        assert len(counters) / (counters[-1] - counters[0] + 1) > 0.9, "more than a tenth of the frames is missing"
        assert min(seen.psnrs_db) > 28
        await until(lambda: len(viewer.audio().audio), "2 s of audio", good=lambda n: n >= 100)
        assert pitch_hz(viewer.audio().audio[-50:]) == pytest.approx(440, abs=5)
