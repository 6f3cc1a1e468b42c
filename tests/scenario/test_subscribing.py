"""What a plugin denies somebody never reaches it, over the simulated shard: real packets, virtual time."""

from __future__ import annotations

import asyncio

from tests.scenario.harness.network import Network
from tests.scenario.harness.peer import Peer
from tests.scenario.test_voices import ROOM, SPEECH, speaks
from tests.support.hooks import SubscribeRule

from sfu.conference import Source


def test_a_denied_microphone_and_camera_reach_everybody_but_one(make_network):
    network: Network = make_network(hooks=lambda clock: SubscribeRule(clock, takes_s=0.2))
    rule: SubscribeRule = network.conference.hooks
    meeting = asyncio.run(network.conference.create_meeting("secrets"))
    peers = [Peer(network, meeting, number) for number in range(1, 7)]
    ann, bob, *others = peers
    rule.denies = lambda pair: pair.subscriber.id == bob.attendee.id and pair.publisher.id == ann.attendee.id
    for peer in peers:
        peer.level = ROOM
        peer.publish(Source.MICROPHONE)
    ann.publish(Source.CAMERA)
    network.run_until(lambda: all(peer.state == "connected" for peer in peers), within_s=5)
    network.run(2.5)
    speaks(network, ann, 2.0)
    assert all(peer.heard(ann) > 50 for peer in others)
    assert all(peer.seen(ann) for peer in others)
    ann.level = SPEECH
    speaks(network, others[0], 1.0)
    assert bob.heard(others[0]) > 20, "who stands beside it on the stage is heard"
    before = bob.heard(others[0])
    ann.attendee.mute(Source.MICROPHONE, muted=True)
    network.run(0.5)
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    speaks(network, others[0], 1.0)
    assert bob.heard(others[0]) > before
    assert (bob.heard(ann), bob.seen(ann)) == (0, [])
    rule.denies = lambda _: False
    meeting.reconsider(bob.attendee.id)
    speaks(network, ann, 2.0)
    assert bob.heard(ann) > 20
    assert bob.seen(ann)
