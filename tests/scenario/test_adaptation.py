"""A viewer whose network changes: the real estimator, the real allocation, a bottleneck in front of the viewer."""

from __future__ import annotations

from tests.scenario.harness.network import Link, Network
from tests.scenario.harness.peer import Peer
from tests.scenario.test_meeting import open_meeting

from sfu.conference import Source, Tile
from sfu.conference.events import QualityChanged

PACKETS = (170, 550, 1150)
"""Some 100, 330 and 690 kbit/s, three packets in each of 25 frames a second."""


def watch(network: Network, rate_bps: float) -> tuple[Peer, Peer, Link]:
    """One who shows and speaks, one who looks through ``rate_bps``."""
    meeting = open_meeting(network)
    link = Link(delay_s=0.025, rate_bps=rate_bps)
    speaker, viewer = Peer(network, meeting, 1), Peer(network, meeting, 2, link)
    speaker.packet_bytes = PACKETS
    speaker.publish(Source.CAMERA, Source.MICROPHONE)
    network.run(2)
    return speaker, viewer, link


def encodings(network: Network, viewer: Peer, speaker: Peer, seconds: float) -> set[int]:
    """Of the frames that could be shown meanwhile."""
    since = len(viewer.seen(speaker))
    network.run(seconds)
    return {mark.encoding for mark in viewer.seen(speaker)[since:]}


def qualities(viewer: Peer) -> list[tuple[str, str]]:
    told = [event for event in viewer.events if isinstance(event, QualityChanged)]
    return [(view.state, view.reason) for event in told for view in event.slots]


def test_a_fast_network_gets_the_best_picture_within_seconds(make_network) -> None:
    network = make_network()
    speaker, viewer, _ = watch(network, 5_000_000)
    network.run(2)
    assert encodings(network, viewer, speaker, 5) == {2}
    assert qualities(viewer)[-1][0] == "full"


def test_a_slow_network_gets_what_it_carries_and_no_freeze(make_network) -> None:
    network = make_network()
    speaker, viewer, _ = watch(network, 600_000)
    network.run(5)
    since = network.clock.now()
    assert encodings(network, viewer, speaker, 20) == {1}
    assert viewer.longest_freeze_s(speaker, since) < 0.3
    assert qualities(viewer)[-1] == ("reduced", "network")


def test_a_network_that_slows_down_costs_sharpness_and_one_that_recovers_gives_it_back(make_network) -> None:
    network = make_network()
    speaker, viewer, link = watch(network, 3_000_000)
    network.run(8)
    since = network.clock.now()
    link.rate_bps = 300_000
    network.run(3)
    assert encodings(network, viewer, speaker, 10) == {0}
    link.rate_bps = 3_000_000
    network.run(10)
    assert encodings(network, viewer, speaker, 5) == {2}
    assert viewer.longest_freeze_s(speaker, since) < 1.0


def test_when_only_audio_fits_there_is_audio_and_video_comes_back_by_itself(make_network) -> None:
    network = make_network()
    speaker, viewer, link = watch(network, 2_000_000)
    network.run(5)
    link.rate_bps = 100_000
    network.run(5)
    assert qualities(viewer)[-1] == ("paused", "network")
    heard = viewer.heard(speaker)
    shown = len(viewer.seen(speaker))
    network.run(20)
    assert viewer.heard(speaker) - heard > 0.97 * 20 * 50
    assert len(viewer.seen(speaker)) - shown < 25, "paused, but for a try"
    link.rate_bps = 2_000_000
    shown = len(viewer.seen(speaker))
    network.run_until(lambda: len(viewer.seen(speaker)) > shown + 5, within_s=5)


def test_a_picture_that_grows_while_python_is_stalled_is_shown_without_a_freeze(make_network) -> None:
    network = make_network()
    speaker, viewer, _ = watch(network, 5_000_000)
    speaker.packet_bytes = (100, 200, 300)
    network.run(8)
    network.python_stalled = True
    speaker.packet_bytes = (170, 550, 1150)
    since, shown = network.clock.now(), len(viewer.seen(speaker))
    network.run(10)
    assert viewer.longest_freeze_s(speaker, since) < 0.3
    assert len(viewer.seen(speaker)) - shown >= 0.98 * 10 * 25
    network.python_stalled = False


def test_a_client_that_shows_a_small_tile_gets_a_small_picture(make_network) -> None:
    network = make_network()
    speaker, viewer, _ = watch(network, 5_000_000)
    network.run(3)
    [slot] = [slot for slot in viewer.attendee.slots.views() if slot.kind == "video" and slot.participant_id]

    viewer.attendee.show({slot.mid: Tile(320, 180)}, hidden=False)
    network.run(2)
    assert encodings(network, viewer, speaker, 2) == {0}
    viewer.attendee.show({slot.mid: Tile(1280, 720)}, hidden=False)
    network.run(2)
    assert encodings(network, viewer, speaker, 2) == {2}
