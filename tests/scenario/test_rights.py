"""Who may publish, where it counts: in the packets that arrive."""

from __future__ import annotations

import asyncio

import pytest
from tests.scenario.harness.peer import Peer

from sfu.conference import Source
from sfu.conference.events import OfferMade, Unpublished
from sfu.conference.rights import Rules
from sfu.errors import RemoteError


def film(peer: Peer) -> None:
    """Sends its camera without asking anybody."""
    peer.is_filming = True
    peer._film_run += 1
    peer._film(peer._film_run)


def test_what_audience_sends_reaches_nobody_until_it_is_permitted_and_then_without_an_offer(make_network):
    network = make_network(2)
    meeting = asyncio.run(network.conference.create_meeting(rules=Rules(audience=True)))
    meeting.first_is_host = True
    host, ann = Peer(network, meeting, 1), Peer(network, meeting, 2)
    network.run(1)
    film(ann)
    network.run(2)
    assert ann.frames > 40
    assert host.seen(ann) == []
    offers = len([event for event in ann.events if isinstance(event, OfferMade)])
    meeting.permissions.permit(host.attendee, ann.attendee.id, [Source.CAMERA])
    ann.attendee.publish(Source.CAMERA)
    took = network.run_until(lambda: bool(host.seen(ann)), within_s=0.5)
    print(f"seen {took * 1e3:.0f} ms after it was permitted")
    assert len([event for event in ann.events if isinstance(event, OfferMade)]) == offers
    meeting.permissions.permit(host.attendee, ann.attendee.id, [])
    network.run(0.2)
    seen = len(host.seen(ann))
    network.run(2)
    assert len(host.seen(ann)) == seen, "it goes on sending, and nobody gets it"
    assert [event.reason for event in ann.events if isinstance(event, Unpublished)] == ["not_allowed"]
    with pytest.raises(RemoteError):
        ann.attendee.publish(Source.CAMERA)


def test_a_screen_that_was_taken_over_is_seen_no_longer_though_its_client_goes_on_sending(make_network):
    network = make_network(2)
    meeting = asyncio.run(network.conference.create_meeting())
    ann, bob = Peer(network, meeting, 1), Peer(network, meeting, 2)
    network.run(1)
    ann.attendee.publish(Source.SCREEN)
    bob.attendee.publish(Source.SCREEN, take_over=True)
    [slot] = [slot for slot in ann.attendee.slots.video if slot.track is not None]
    assert slot.track is not None
    assert (slot.track.participant_id, slot.track.source) == (bob.attendee.id, Source.SCREEN)
    assert all(slot.track is None for slot in bob.attendee.slots.video)
    producers = {one: one.attendee.sources._producers[Source.SCREEN] for one in (ann, bob)}
    assert producers[ann].paused
    assert not producers[bob].paused


def test_whom_a_host_muted_nobody_hears_though_its_client_goes_on_talking(make_network):
    network = make_network(3)
    meeting = asyncio.run(network.conference.create_meeting())
    meeting.first_is_host = True
    host, ann, bob = (Peer(network, meeting, number) for number in (1, 2, 3))
    for peer in (ann, bob):
        peer.publish(Source.MICROPHONE)
    network.run_until(lambda: bob.heard(ann) > 20 and host.heard(ann) > 20, within_s=5)
    meeting.moderation.mute_all(host.attendee.caller, may_unmute=False)
    network.run(0.1)
    heard = bob.heard(ann), host.heard(ann), ann.heard(bob)
    network.run(2)
    assert (bob.heard(ann), host.heard(ann), ann.heard(bob)) == heard, "both send as before"
    with pytest.raises(RemoteError):
        ann.attendee.mute(Source.MICROPHONE, muted=False)
    meeting.moderation.ask_to_unmute(host.attendee.caller, ann.attendee.id)
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    network.run_until(lambda: bob.heard(ann) > heard[0] + 20, within_s=2)
    assert ann.heard(bob) == heard[2]
