"""Keeping order: what hosts mute is muted in the data plane, roles change hands, the spotlight is everybody's."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.answers import answer_to
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Conference, ConferenceOptions, Meeting, Source
from sfu.conference.authority import Caller, Outsider, Role
from sfu.conference.events import ModerationChanged, Muted, PermissionsChanged, RosterChanged, UnmuteAsked, Unpublished
from sfu.conference.layout import View
from sfu.conference.rights import EVERYTHING, Rules
from sfu.conference.views import ParticipantView
from sfu.errors import RemoteError

SERVER = Caller(Outsider.SERVER)


def join(meeting: Meeting, name: str, **how: object) -> Client:
    client = Client(meeting, name, **how)
    client.answer()
    return client


def host_of(meeting: Meeting) -> Client:
    return join(meeting, "Host", host_token=meeting.host_token)


def talking(meeting: Meeting, name: str, **how: object) -> Client:
    client = join(meeting, name, **how)
    client.attendee.publish(Source.MICROPHONE)
    return client


def is_held_back(client: Client) -> bool:
    """Whether the data plane forwards nothing of its microphone."""
    [producer] = [one for one in client.attendee.transport.producers.values() if one.mid == "0"]
    return producer.paused


def role(client: Client) -> Role:
    return client.attendee.rights.role


def as_told(client: Client, other: Client) -> ParticipantView:
    """What a client was told of another one last."""
    views = (view for event in client.heard(RosterChanged) for view in (*event.joined, *event.updated))
    return [view for view in views if view.id == other.id][-1]


def refusal(call: object, *args: object, **how: object) -> str:
    with pytest.raises(RemoteError) as caught:
        call(*args, **how)  # type: ignore[operator]
    return caught.value.code


def test_what_a_host_mutes_is_muted_at_once_and_its_client_and_the_others_are_told(
    meeting: Meeting, clock: VirtualClock
) -> None:
    host, ann, bob = host_of(meeting), talking(meeting, "Ann"), join(meeting, "Bob")
    assert not is_held_back(ann)
    meeting.moderation.mute(host.attendee.caller, ann.id)
    assert is_held_back(ann)
    assert [(event.source, event.by, event.by_name) for event in ann.heard(Muted)] == [("microphone", host.id, "Host")]
    clock.advance(1)
    assert as_told(bob, ann).sources["microphone"].muted
    assert ann.attendee.attach(ann.events.append).permissions.muted_by_host, "who comes back must not unmute unasked"
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    assert not is_held_back(ann), "who may unmute does so without asking"
    assert not ann.attendee.attach(ann.events.append).permissions.muted_by_host
    meeting.moderation.mute(host.attendee.caller, bob.id)
    assert bob.heard(Muted) == [], "there is nothing to mute"


def test_who_may_not_unmute_stays_muted_whatever_its_client_tries_until_it_is_asked(
    meeting: Meeting, clock: VirtualClock
) -> None:
    host, ann = host_of(meeting), talking(meeting, "Ann")
    meeting.moderation.mute(host.attendee.caller, ann.id, may_unmute=False)
    assert ann.heard(PermissionsChanged)[-1].may_unmute is False
    assert refusal(ann.attendee.mute, Source.MICROPHONE, muted=False) == "forbidden"
    ann.attendee.unpublish(Source.MICROPHONE)
    ann.attendee.publish(Source.MICROPHONE)
    ann.attendee.publish(Source.MICROPHONE, muted=False)
    assert is_held_back(ann)
    assert ann.heard(Muted)[-1].source == "microphone", "its client learns that it is not heard"
    assert ann.attendee.attach(ann.events.append).permissions.may_unmute is False
    meeting.moderation.ask_to_unmute(host.attendee.caller, ann.id)
    assert is_held_back(ann), "the participant decides"
    assert [event.by_name for event in ann.heard(UnmuteAsked)] == ["Host"]
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    assert not is_held_back(ann)


def test_mute_all_mutes_everybody_of_a_lower_role_and_who_comes_later(meeting: Meeting) -> None:
    host, other = host_of(meeting), host_of(meeting)
    co, ann = talking(meeting, "Co"), talking(meeting, "Ann")
    meeting.moderation.promote(host.attendee.caller, co.id, Role.COHOST)
    for one in (host, other):
        one.attendee.publish(Source.MICROPHONE)
    meeting.moderation.mute_all(co.attendee.caller, may_unmute=False)
    assert [is_held_back(one) for one in (host, other, co, ann)] == [False, False, False, True]
    assert ann.heard(ModerationChanged)[-1].may_unmute is False
    late = talking(meeting, "Late")
    assert late.welcome.moderation.may_unmute is False
    assert late.welcome.permissions.may_unmute is False
    assert is_held_back(late)
    meeting.moderation.mute_all(host.attendee.caller)
    assert [is_held_back(one) for one in (host, other, co, ann)] == [False, False, True, True]
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    assert not is_held_back(ann)


def test_unmuting_may_be_allowed_again_without_muting_anybody(meeting: Meeting) -> None:
    host, ann = host_of(meeting), talking(meeting, "Ann")
    meeting.moderation.allow_unmute(host.attendee.caller, allowed=False)
    assert not is_held_back(ann)
    assert ann.heard(Muted) == []
    meeting.moderation.mute(host.attendee.caller, ann.id, may_unmute=False)
    meeting.moderation.allow_unmute(host.attendee.caller, allowed=True)
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    assert not is_held_back(ann)


def test_nobody_below_a_host_keeps_order_and_co_hosts_keep_none_among_themselves(meeting: Meeting) -> None:
    host, one, two, ann = host_of(meeting), talking(meeting, "1"), talking(meeting, "2"), talking(meeting, "Ann")
    for co in (one, two):
        meeting.moderation.promote(host.attendee.caller, co.id, Role.COHOST)
    lead = meeting.moderation
    for caller in (ann, one):
        for target in (host, two):
            assert refusal(lead.mute, caller.attendee.caller, target.id) == "forbidden"
            assert refusal(lead.demote, caller.attendee.caller, target.id, Role.AUDIENCE) == "forbidden"
        assert refusal(lead.promote, caller.attendee.caller, ann.id, Role.COHOST) == "forbidden"
        assert refusal(lead.transfer_host, caller.attendee.caller, ann.id) == "forbidden"
    assert refusal(lead.spotlight, ann.attendee.caller, [ann.id]) == "forbidden"
    assert refusal(lead.mute_all, ann.attendee.caller) == "forbidden"
    assert refusal(lead.mute, host.attendee.caller, "nobody") == "participant_not_found"
    lead.demote(one.attendee.caller, ann.id, Role.AUDIENCE)
    lead.promote(one.attendee.caller, ann.id, Role.PARTICIPANT)


def test_roles_go_up_and_down_and_what_may_not_be_published_any_more_is_taken_away(
    meeting: Meeting, clock: VirtualClock
) -> None:
    host, ann = host_of(meeting), talking(meeting, "Ann")
    lead = meeting.moderation
    lead.promote(host.attendee.caller, ann.id, Role.COHOST)
    assert (role(ann), ann.attendee.rights.publish) == (Role.COHOST, EVERYTHING)
    assert ann.heard(PermissionsChanged)[-1].role == "cohost"
    clock.advance(1)
    assert as_told(host, ann).role == "cohost"
    lead.demote(host.attendee.caller, ann.id, Role.AUDIENCE)
    assert (role(ann), is_held_back(ann)) == (Role.AUDIENCE, True)
    assert [event.reason for event in ann.heard(Unpublished)] == ["not_allowed"]
    assert refusal(lead.demote, host.attendee.caller, ann.id, Role.PARTICIPANT) == "conflict"
    assert refusal(lead.promote, host.attendee.caller, ann.id, Role.HOST) == "bad_request"
    lead.promote(host.attendee.caller, ann.id, Role.PARTICIPANT)
    assert refusal(lead.promote, host.attendee.caller, host.id, Role.PARTICIPANT) == "forbidden"


def test_a_host_passes_the_meeting_on_and_is_a_co_host_from_then_on(meeting: Meeting) -> None:
    host, ann = host_of(meeting), join(meeting, "Ann")
    meeting.moderation.transfer_host(host.attendee.caller, ann.id)
    assert (role(host), role(ann)) == (Role.COHOST, Role.HOST)
    meeting.moderation.transfer_host(SERVER, host.id)
    assert (role(host), role(ann)) == (Role.HOST, Role.COHOST)


def test_when_the_last_host_leaves_the_co_host_who_joined_first_follows(meeting: Meeting) -> None:
    host, other, ann, bob, eve = host_of(meeting), host_of(meeting), *(join(meeting, name) for name in "ABE")
    for one in (bob, ann):
        meeting.moderation.promote(host.attendee.caller, one.id, Role.COHOST)
    host.attendee.leave()
    assert [role(one) for one in (other, ann, bob)] == [Role.HOST, Role.COHOST, Role.COHOST], "there is a host yet"
    other.attendee.leave()
    assert [role(one) for one in (ann, bob, eve)] == [Role.HOST, Role.COHOST, Role.PARTICIPANT]
    assert ann.heard(PermissionsChanged)[-1].role == "host"
    ann.attendee.leave()
    bob.attendee.leave()
    assert role(eve) is Role.PARTICIPANT, "nobody was named: the meeting goes on without a host"
    assert role(host_of(meeting)) is Role.HOST


def test_the_spotlight_is_in_front_for_everybody_who_pinned_nobody(
    conference: Conference, meeting: Meeting, clock: VirtualClock
) -> None:
    people = [join(meeting, f"P{number}", video=2) for number in range(6)]
    people[0].attendee.rights.role = Role.HOST
    for one in people:
        one.attendee.publish(Source.CAMERA)
    watcher, pinner, last = people[1], people[2], people[5]
    pinner.attendee.show({}, hidden=False, view=View(pins=((people[3].id, Source.CAMERA),)))
    assert last.id not in [who for who, _, _ in watcher.shown()]
    meeting.moderation.spotlight(people[0].attendee.caller, [last.id])
    assert last.id in [who for who, _, _ in watcher.shown()]
    assert last.id not in [who for who, _, _ in pinner.shown()]
    assert people[3].id in [who for who, _, _ in pinner.shown()]
    assert watcher.heard(ModerationChanged)[-1].spotlight == (last.id,)
    assert join(meeting, "Late").welcome.moderation.spotlight == (last.id,)
    assert refusal(meeting.moderation.spotlight, people[0].attendee.caller, ["nobody"]) == "participant_not_found"
    last.attendee.leave()
    assert watcher.heard(ModerationChanged)[-1].spotlight == ()
    assert meeting.scene.spotlight == ()


@pytest.mark.parametrize("options", [ConferenceOptions(max_participants=8)])
def test_a_client_that_only_sends_is_muted_and_unmuted_by_the_host(meeting: Meeting) -> None:
    host = host_of(meeting)
    ann = join(meeting, "Ann")
    offer = answer_to(ann.attendee.offer.sdp).replace("a=setup:active", "a=setup:actpass")
    publisher = meeting.arrivals.join_with_offer("Camera", offer)
    meeting.moderation.mute(host.attendee.caller, publisher.id)
    assert publisher.sources.tracks[Source.MICROPHONE].muted
    meeting.moderation.ask_to_unmute(host.attendee.caller, publisher.id)
    assert not publisher.sources.tracks[Source.MICROPHONE].muted
    assert refusal(meeting.moderation.transfer_host, host.attendee.caller, publisher.id) == "conflict"


def test_a_meeting_of_listeners_gives_a_participant_everything_to_publish(conference: Conference) -> None:
    webinar = asyncio.run(conference.create_meeting(rules=Rules(publish=frozenset())))
    host, ann = host_of(webinar), join(webinar, "Ann")
    webinar.permissions.raise_hand(ann.attendee, raised=True)
    webinar.moderation.promote(host.attendee.caller, ann.id, Role.PARTICIPANT)
    assert ann.attendee.rights.publish == EVERYTHING
    assert ann.attendee.rights.hand is None
