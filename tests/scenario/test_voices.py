"""Who is heard, over the simulated shard: real packets, real levels, virtual time."""

from __future__ import annotations

import asyncio

from tests.scenario.harness.network import Network
from tests.scenario.harness.peer import Peer

from sfu.conference import ConferenceOptions, Source
from sfu.conference.events import SlotsChanged, SpeakersChanged

SPEECH, ROOM = 30, 70


def gather(network: Network, count: int) -> list[Peer]:
    """People with open microphones in quiet rooms, connected and settled."""
    meeting = asyncio.run(network.conference.create_meeting("voices"))
    peers = [Peer(network, meeting, number) for number in range(1, count + 1)]
    for peer in peers:
        peer.level = ROOM
        peer.publish(Source.MICROPHONE)
    network.run_until(lambda: all(peer.state == "connected" for peer in peers), within_s=5)
    network.run(2.5)
    return peers


def speaks(network: Network, peer: Peer, seconds: float) -> None:
    """Syllables: three loud ticks, one in between."""
    end = network.clock.now() + seconds
    while network.clock.now() < end:
        peer.level = SPEECH
        network.run(0.06)
        peer.level = 45
        network.run(0.02)
    peer.level = ROOM


def told(peer: Peer) -> dict[str, str | None]:
    """Whom a client believes behind its audio slots, from its notifications alone."""
    slots: dict[str, str | None] = {}
    for event in peer.events:
        if isinstance(event, SlotsChanged):
            slots.update((slot.mid, slot.participant_id) for slot in event.slots if slot.kind == "audio")
    return slots


def newest(peer: Peer) -> dict[str, int]:
    """Who sent the newest packet on each audio slot."""
    return {
        peer._mid_of[ssrc]: int.from_bytes(stream.packets[max(stream.packets)].payload[1:3])
        for ssrc, stream in peer.audio.items()
    }


def test_a_new_talker_is_heard_from_the_first_packet_on(make_network):
    network = make_network()
    peers = gather(network, 8)
    talker, others = peers[6], [peer for peer in peers if peer is not peers[6]]
    before = {peer.number: peer.heard(talker) for peer in others}
    sent = talker.microphone.seq
    talker.level = SPEECH
    network.run_until(lambda: talker.microphone.seq != sent, within_s=0.03, step_s=0.001)
    took = network.run_until(
        lambda: all(peer.heard(talker) > before[peer.number] for peer in others), within_s=0.06, step_s=0.001
    )
    assert took <= 0.04 + 0.02, "two links of 20 ms, and 20 ms at most"
    network.run(0.5)
    for peer in others:
        lost = talker.microphone.seq - sent - (peer.heard(talker) - before[peer.number])
        assert lost <= 2, "on their way"
        stream = next(stream for stream in peer.audio.values() if stream.count(talker.number))
        first = min(number for number, packet in stream.packets.items() if packet.payload[1:3] == b"\0\x07")
        assert stream.packets[first].marker


def test_everybody_is_told_who_is_behind_the_slots_and_who_has_the_floor(make_network):
    network = make_network()
    peers = gather(network, 8)
    ids = {peer.attendee.id: peer.number for peer in peers}
    for talker in (peers[4], peers[7], peers[5], peers[4]):
        speaks(network, talker, 2.0)
        spoken = [event for event in peers[0].events if isinstance(event, SpeakersChanged)]
        assert spoken[-1].dominant == talker.attendee.id
        assert spoken[-1].recent[0] == talker.attendee.id
        assert talker.attendee.id in spoken[-1].audible
        network.run(1.0)
        for peer in peers:
            believed, sounding = told(peer), newest(peer)
            heard = [mid for mid in sounding if sounding[mid] == talker.number]
            assert len(heard) == (peer is not talker)
            assert all(ids[believed[mid]] == talker.number for mid in heard)
    audible = [event.audible for event in peers[0].events if isinstance(event, SpeakersChanged)]
    assert audible[-1] == ()
    assert len(audible) <= 30, "one in 300 ms at most, and none in silence"


def test_a_fourth_voice_is_heard_by_the_three_who_talk_and_then_by_everybody(make_network):
    network = make_network()
    peers = gather(network, 8)
    three, fourth, listener = peers[3:6], peers[7], peers[0]
    for peer in three:
        peer.level = SPEECH
        network.run(0.5)
    before = [peer.heard(fourth) for peer in three]
    fourth.level = SPEECH
    network.run(0.2)
    assert all(peer.heard(fourth) >= count + 6 for peer, count in zip(three, before, strict=True))
    three[1].level = ROOM
    network.run(1.3)
    before_listener = listener.heard(fourth)
    network.run(0.5)
    assert listener.heard(fourth) >= before_listener + 24


def test_a_cough_takes_no_floor_and_a_pause_no_place(make_network):
    network = make_network()
    peers = gather(network, 6)
    speaks(network, peers[0], 3.0)
    peers[5].level = 15
    network.run(0.12)
    peers[5].level = ROOM
    speaks(network, peers[0], 2.0)
    dominants = {event.dominant for event in peers[1].events if isinstance(event, SpeakersChanged)} - {None}
    assert dominants == {peers[0].attendee.id}


def test_silence_costs_nothing_and_four_people_hear_it_all(make_network):
    network = make_network()
    peers = gather(network, 6)
    before = network.engine.stats().counters["tx_rtp"]
    network.run(3)
    assert network.engine.stats().counters["tx_rtp"] == before
    assert network.engine.stats().drops["producer_silent"] > 6 * 150
    small = make_network(1)
    peers = gather(small, 4)
    before = [peer.heard(peers[0]) for peer in peers[1:]]
    small.run(1)
    assert [peer.heard(peers[0]) - count for peer, count in zip(peers[1:], before, strict=True)] == [50] * 3


def test_a_muted_microphone_is_heard_at_once_when_it_is_opened(make_network):
    network = make_network()
    peers = gather(network, 9)
    for peer in peers:
        peer.attendee.mute(Source.MICROPHONE, muted=True)
    network.run(1)
    peers[8].level = SPEECH
    peers[8].attendee.mute(Source.MICROPHONE, muted=False)
    before = peers[0].heard(peers[8])
    network.run(1.0)
    assert peers[0].heard(peers[8]) - before >= 46


def test_voices_go_on_while_python_is_stalled(make_network):
    network = make_network()
    peers = gather(network, 8)
    network.python_stalled = True
    for talker in (peers[5], peers[6], peers[7]):
        before = peers[0].heard(talker)
        talker.level = SPEECH
        network.run(1.0)
        talker.level = ROOM
        assert peers[0].heard(talker) - before >= 47
        network.run(1.2)
    network.python_stalled = False
    network.run(0.5)
    believed, sounding = told(peers[0]), newest(peers[0])
    ids = {peer.attendee.id: peer.number for peer in peers}
    assert {ids[who] for who in believed.values() if who is not None} >= {peers[7].number, peers[6].number}
    assert sounding


def test_the_number_of_slots_is_configured(make_network):
    network = make_network(3, options=ConferenceOptions(audio_slots=1))
    peers = gather(network, 4)
    peers[2].level = SPEECH
    network.run(0.5)
    assert peers[0].heard(peers[2]) >= 20
    assert len(newest(peers[0])) == 1
