"""Whole meetings over the simulated shard: negotiation, ICE, DTLS, SRTP, forwarding, loss, in virtual time."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest
from tests.scenario.harness.network import Link, Network
from tests.scenario.harness.peer import Peer

from sfu.conference import Meeting, Source
from sfu.conference.events import RosterChanged

BOTH = (Source.CAMERA, Source.MICROPHONE)


def open_meeting(network: Network) -> Meeting:
    return asyncio.run(network.conference.create_meeting("scenario"))


def meet(network: Network, count: int, link: Link | None = None, within_s: float = 5) -> list[Peer]:
    """``count`` people in a meeting, camera and microphone on, all of them seeing each other."""
    meeting = open_meeting(network)
    peers = [Peer(network, meeting, number, link) for number in range(1, count + 1)]
    for peer in peers:
        peer.publish(*BOTH)
    network.run_until(lambda: all(one.seen(other) for one, other in permutations(peers, 2)), within_s=within_s)
    return peers


def departures(peer: Peer) -> list:
    """Everybody who left, as a peer was told."""
    return [entry for event in peer.events if isinstance(event, RosterChanged) for entry in event.left]


def new_frames(network: Network, receiver: Peer, sender: Peer, seconds: float) -> int:
    """Frames that ``receiver`` sees of ``sender`` in the next ``seconds``."""
    before = len(receiver.seen(sender))
    network.run(seconds)
    return len(receiver.seen(sender)) - before


def test_three_people_see_and_hear_each_other_within_a_second(make_network):
    network = make_network()
    peers = meet(network, 3)
    assert network.clock.now() - 1000 < 1.0
    network.run(2)
    for one, other in permutations(peers, 2):
        assert len(one.seen(other)) >= 45
        assert one.heard(other) >= 90
    for peer in peers:
        assert peer.state == "connected"
        assert not peer.seen(peer)
    assert network.engine.stats().failures == {}


def test_who_comes_late_sees_everybody_within_a_quarter_of_a_second_at_40_ms_of_round_trip(make_network):
    network = make_network()
    peers = meet(network, 4)
    network.run(10)
    late = Peer(network, peers[0].attendee.meeting, 9)
    took = network.run_until(lambda: all(late.seen(peer) for peer in peers), within_s=0.25)
    print(f"first frames of everybody after {took * 1e3:.0f} ms")


def test_twenty_percent_of_loss_leaves_a_picture_that_moves(make_network):
    seconds, frames = 20, []
    for seed in range(4):
        network = make_network(seed)
        # A handshake that loses several flights takes 1 + 2 + 4 s.
        one, two = meet(network, 2, Link(delay_s=0.05, jitter_s=0.05, loss=0.2), within_s=20)
        frames.append(new_frames(network, two, one, seconds))
    assert sum(frames) >= 0.85 * len(frames) * seconds * 25, frames
    assert min(frames) >= 0.5 * seconds * 25, frames


def test_the_same_seed_gives_the_same_meeting(make_network):
    seen = []
    for _ in range(2):
        network = make_network(7)
        one, two = meet(network, 2, Link(delay_s=0.05, jitter_s=0.05, loss=0.2), within_s=20)
        frames = [new_frames(network, two, one, 5), new_frames(network, one, two, 5)]
        seen.append((one.connected_at, two.connected_at, network.lost, frames, two.recovered, one.nacked))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("seed", range(4))
def test_five_percent_of_loss_each_way_is_repaired_without_a_freeze(make_network, seed):
    network = make_network(seed)
    link = Link(delay_s=0.03, jitter_s=0.02, loss=0.05)
    one, two = meet(network, 2, link)
    network.run(1)
    since = network.clock.now()
    frames = new_frames(network, two, one, 20)
    assert network.lost > 100
    assert frames >= 0.97 * 20 * 25, f"seed {seed}"
    assert two.longest_freeze_s(one, since) < 1.0, f"seed {seed}"
    assert two.recovered > 20, "retransmissions to the subscriber"
    assert one.nacked > 20, "retransmissions by the publisher"


def test_media_flows_and_losses_are_repaired_while_python_is_stalled(make_network):
    network = make_network()
    one, two = meet(network, 2, Link(loss=0.02))
    network.python_stalled = True
    since, recovered = network.clock.now(), two.recovered
    assert new_frames(network, two, one, 35) >= 0.98 * 35 * 25
    assert two.longest_freeze_s(one, since) < 1.0
    assert two.recovered > recovered
    network.python_stalled = False
    network.run(1)
    assert (one.state, two.state) == ("connected", "connected")


def test_who_vanishes_is_noticed_by_consent_and_leaves_after_the_resume_window(make_network):
    network = make_network()
    one, two = meet(network, 2)
    one.vanish()
    network.run(20)
    assert one.state == "disconnected"
    waited = 20 + network.run_until(lambda: one.state == "closed", within_s=20)
    assert 25 <= waited <= 36
    assert "consent" in one.attendee.transport.close_reason
    assert not departures(two)
    network.run(31)
    (left,) = departures(two)
    assert (left.participant_id, left.reason) == (one.attendee.id, "closed")


def test_a_client_that_changes_its_address_goes_on_without_a_restart(make_network):
    network = make_network()
    one, two = meet(network, 2)
    two.move(("203.0.113.77", 7777))
    network.run(5)
    assert two.attendee.transport.remote_address == ("203.0.113.77", 7777)
    assert new_frames(network, two, one, 1) >= 24
    assert new_frames(network, one, two, 1) >= 24


def test_an_ice_restart_to_a_new_address_keeps_streams_and_keys(make_network):
    network = make_network()
    one, two = meet(network, 2)
    streams = set(two.streams)
    since = network.clock.now()
    two.attendee.restart_ice()
    network.run(3)
    two.move(("203.0.113.77", 7777))
    network.run(5)
    assert new_frames(network, two, one, 1) >= 24
    assert set(two.streams) == streams
    assert two.longest_freeze_s(one, since) < 4
    assert two.state == "connected"


def test_who_cannot_decode_a_codec_is_told_and_gets_none_of_it(make_network):
    network = make_network()
    meeting = open_meeting(network)
    one = Peer(network, meeting, 1)
    two = Peer(network, meeting, 2, codecs={"opus", "h264"})
    one.publish(*BOTH)
    network.run(3)
    assert two.heard(one) > 50
    assert not two.streams
    slots = [slot for slot in two.attendee.slots.views() if slot.kind == "video" and slot.participant_id]
    assert [(slot.state, slot.codec) for slot in slots] == [("unsupported_codec", "vp8")]


def test_a_muted_camera_is_not_forwarded_and_comes_back_with_a_keyframe(make_network):
    network = make_network()
    one, two = meet(network, 2)
    one.attendee.mute(Source.CAMERA, muted=True)
    network.run(0.2)
    assert new_frames(network, two, one, 2) == 0
    keyframes = sum(encoding.keyframes for encoding in one.camera)
    one.attendee.mute(Source.CAMERA, muted=False)
    assert new_frames(network, two, one, 1) >= 20
    assert sum(encoding.keyframes for encoding in one.camera) > keyframes


def test_slots_are_filled_again_by_a_switch_when_somebody_leaves(make_network):
    network = make_network()
    meeting = open_meeting(network)
    watcher = Peer(network, meeting, 9)
    peers = [Peer(network, meeting, number) for number in range(1, 7)]
    for peer in peers:
        peer.publish(Source.CAMERA)
    network.run(2)
    assert [peer.number for peer in peers if watcher.seen(peer)] == [1, 2, 3, 4]
    streams = set(watcher.streams)
    peers[1].attendee.leave()
    peers[1].stop()
    network.run(2)
    assert watcher.seen(peers[4])
    assert not watcher.seen(peers[5])
    assert set(watcher.streams) == streams, "the slot's stream goes on with another source"


def test_more_video_slots_come_by_a_new_offer_while_media_goes_on(make_network):
    network = make_network()
    meeting = open_meeting(network)
    watcher = Peer(network, meeting, 9)
    peers = [Peer(network, meeting, number) for number in range(1, 7)]
    for peer in peers:
        peer.publish(Source.CAMERA)
    network.run(2)
    since = network.clock.now()
    watcher.attendee.request_slots(6)
    network.run(2)
    assert all(watcher.seen(peer) for peer in peers)
    assert watcher.longest_freeze_s(peers[0], since) < 0.2


def test_a_viewer_that_wants_less_gets_the_lowest_encoding(make_network):
    network = make_network()
    one, two = meet(network, 2)
    (slot,) = [slot for slot in two.attendee.slots.views() if slot.kind == "video" and slot.participant_id]
    two.attendee.set_layers(slot.mid, 0, 255)
    network.run(2)
    since = len(two.seen(one))
    network.run(1)
    assert {mark.encoding for mark in two.seen(one)[since:]} == {0}
    two.attendee.set_layers(slot.mid, 255, 255)
    network.run(2)
    since = len(two.seen(one))
    network.run(1)
    assert {mark.encoding for mark in two.seen(one)[since:]} == {2}


def test_who_leaves_is_told_goodbye_and_nothing_of_the_meeting_stays(make_network):
    network = make_network()
    peers = meet(network, 3)
    for peer in peers:
        peer.stop()
        peer.attendee.leave()
    network.run(2)
    assert all(peer.goodbye for peer in peers)
    stats = network.engine.stats()
    assert (stats.routers, stats.producers, stats.consumers, dict(stats.transports)) == (0, 0, 0, {})
    snapshot = network.port.shard.snapshot()
    assert [len(snapshot[kind]) for kind in ("routers", "transports", "producers", "consumers")] == [0, 0, 0, 0]
    assert stats.failures == {}


def test_forty_people_in_one_meeting_all_see_four_others_and_hear_three(make_network):
    network = make_network()
    meeting = open_meeting(network)
    peers = [Peer(network, meeting, number) for number in range(1, 41)]
    for peer in peers:
        peer.publish(*BOTH)
    network.run(2)
    for peer in peers:
        others = [other.number for other in peers if other is not peer]
        assert [other.number for other in peers if peer.seen(other)] == others[:4]
    heard = {(peer.number, other.number): peer.heard(other) for peer in peers for other in peers}
    network.run(1)
    for peer in peers:
        voices = [count for other in peers if (count := peer.heard(other) - heard[peer.number, other.number])]
        assert len(voices) == 3
        assert all(count >= 49 for count in voices)
    assert network.engine.stats().failures == {}


@pytest.mark.parametrize("seed", range(2))
def test_garbage_from_known_and_unknown_addresses_does_not_disturb_a_call(make_network, seed):
    network = make_network(seed)
    one, two = meet(network, 2)
    rng = network.rng
    network.plug(("203.0.113.66", 666), Link(), lambda _datagram: None)
    for _ in range(3000):
        first = rng.choice((0, 1, 20, 22, 64, 128, 144, 200))
        garbage = bytes([first]) + rng.randbytes(rng.randrange(0, 200))
        network.send(rng.choice((one.address, ("203.0.113.66", 666))), garbage)
    assert new_frames(network, two, one, 3) >= 70
    assert (one.state, two.state) == ("connected", "connected")
    assert sum(network.engine.stats().drops.values()) >= 2500
