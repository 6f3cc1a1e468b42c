"""Who may do what: roles, rules, limits, raised hands, taking over a screen; also for clients that do not ask."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Conference, ConferenceOptions, Meeting, Source
from sfu.conference.authority import Role
from sfu.conference.events import OfferMade, PermissionsChanged, Unpublished
from sfu.conference.rights import Rules
from sfu.conference.track import Content
from sfu.errors import RemoteError
from sfu.media.engine import Engine


def make(conference: Conference, **rules: Any) -> Meeting:
    return asyncio.run(conference.create_meeting(rules=Rules(**rules)))


def join(meeting: Meeting, name: str, **how: Any) -> Client:
    client = Client(meeting, name, **how)
    client.answer()
    return client


def host_of(meeting: Meeting) -> Client:
    return join(meeting, "Host", host_token=meeting.host_token)


def producers(client: Client) -> dict[str, bool]:
    """Whether what a client sends is held back, by mid."""
    return {producer.mid: producer.paused for producer in client.attendee.transport.producers.values()}


@pytest.fixture
def webinar(conference: Conference) -> Meeting:
    return make(conference, audience=True)


def test_audience_publishes_nothing_and_what_it_sends_reaches_nobody(webinar: Meeting) -> None:
    host, ann = host_of(webinar), join(webinar, "Ann")
    assert (ann.welcome.permissions.role, ann.welcome.permissions.publish) == ("audience", ())
    assert host.welcome.permissions.role == "host"
    for source in Source:
        with pytest.raises(RemoteError, match="until a host permits") as caught:
            ann.attendee.publish(source)
        assert (caught.value.code, caught.value.status) == ("forbidden", 403)
    assert set(producers(ann).values()) == {True}, "its m-lines exist, and forward nothing"
    assert host.shown() == host.shown("audio") == []
    host.attendee.publish(Source.CAMERA)
    assert ann.shown() == [(host.id, "camera", "active")]


def test_audience_becomes_a_speaker_without_a_new_offer_and_is_told(webinar: Meeting, clock: VirtualClock) -> None:
    host, ann = host_of(webinar), join(webinar, "Ann")
    webinar.permissions.raise_hand(ann.attendee, raised=True)
    webinar.permissions.permit(host.attendee, ann.id, [Source.MICROPHONE, Source.CAMERA])
    [told] = ann.heard(PermissionsChanged)
    assert (told.role, told.publish, told.max_video) == ("participant", ("microphone", "camera"), 49)
    ann.attendee.publish(Source.CAMERA)
    ann.attendee.publish(Source.MICROPHONE)
    assert host.shown() == [(ann.id, "camera", "active")]
    assert ann.heard(OfferMade) == []
    clock.advance(1)
    view = [view for view in (*host.told("joined"), *host.told("updated")) if view.id == ann.id][-1]
    assert (view.role, view.hand, list(view.sources)) == ("participant", None, ["microphone", "camera"])
    with pytest.raises(RemoteError, match="you may publish microphone, camera"):
        ann.attendee.publish(Source.SCREEN)


def test_what_is_no_longer_permitted_is_taken_away_at_once(webinar: Meeting) -> None:
    host, ann = host_of(webinar), join(webinar, "Ann")
    webinar.permissions.permit(host.attendee, ann.id, list(Source))
    for source in (Source.MICROPHONE, Source.CAMERA):
        ann.attendee.publish(source)
    webinar.permissions.permit(host.attendee, ann.id, [Source.MICROPHONE])
    assert ann.heard(Unpublished) == [Unpublished("camera", "not_allowed", host.id)]
    assert host.shown() == []
    assert producers(ann)["1"], "a client that goes on sending is not forwarded"
    assert ann.attendee.rights.role is Role.PARTICIPANT
    webinar.permissions.permit(host.attendee, ann.id, [])
    assert ann.heard(Unpublished)[1:] == [Unpublished("microphone", "not_allowed", host.id)]
    assert ann.attendee.rights.role is Role.AUDIENCE
    with pytest.raises(RemoteError):
        ann.attendee.publish(Source.MICROPHONE)


def test_only_hosts_permit_and_hosts_stay_hosts(webinar: Meeting) -> None:
    host, ann = host_of(webinar), join(webinar, "Ann")
    other = host_of(webinar)
    for request in (
        lambda: webinar.permissions.permit(ann.attendee, ann.id, list(Source)),
        lambda: webinar.permissions.lower_hand(ann.attendee, host.id),
    ):
        with pytest.raises(RemoteError, match="only a host") as caught:
            request()
        assert caught.value.code == "forbidden"
    with pytest.raises(RemoteError, match="to a host") as caught:
        webinar.permissions.permit(host.attendee, other.id, [])
    assert caught.value.code == "forbidden"
    with pytest.raises(RemoteError) as caught:
        webinar.permissions.permit(host.attendee, "nobody", [])
    assert caught.value.code == "participant_not_found"
    assert ann.heard(PermissionsChanged) == []


def test_who_has_the_permission_already_is_told_nothing(webinar: Meeting) -> None:
    host, ann = host_of(webinar), join(webinar, "Ann")
    webinar.permissions.permit(host.attendee, ann.id, [])
    assert ann.heard(PermissionsChanged) == []


def test_a_meeting_may_be_for_voices_alone(conference: Conference) -> None:
    meeting = make(conference, publish=frozenset({Source.MICROPHONE}))
    ann = join(meeting, "Ann")
    ann.attendee.publish(Source.MICROPHONE)
    with pytest.raises(RemoteError, match="you may publish microphone"):
        ann.attendee.publish(Source.CAMERA)
    host_of(meeting).attendee.publish(Source.CAMERA)


def test_more_cameras_than_the_meeting_allows_are_refused_until_one_goes_off(conference: Conference) -> None:
    meeting = make(conference, max_cameras=2)
    ann, bob, cid = (join(meeting, name) for name in ("Ann", "Bob", "Cid"))
    ann.attendee.publish(Source.CAMERA)
    bob.attendee.publish(Source.CAMERA, muted=True)
    with pytest.raises(RemoteError, match="max_cameras of the meeting is 2") as caught:
        cid.attendee.publish(Source.CAMERA)
    assert (caught.value.code, caught.value.status) == ("limit_reached", 409)
    ann.attendee.publish(Source.CAMERA)
    cid.attendee.publish(Source.MICROPHONE)
    bob.attendee.unpublish(Source.CAMERA)
    cid.attendee.publish(Source.CAMERA)


def test_nobody_receives_more_videos_than_the_meeting_allows(conference: Conference) -> None:
    meeting = make(conference, max_video=2)
    people = [join(meeting, str(number)) for number in range(4)]
    for one in people:
        one.attendee.publish(Source.CAMERA)
    assert [len(one.shown()) for one in people] == [2] * 4
    assert people[0].welcome.permissions.max_video == 2
    with pytest.raises(RemoteError, match="max_video of the meeting is 2") as caught:
        people[0].attendee.request_slots(3)
    assert caught.value.code == "limit_reached"


def test_a_second_screen_is_a_conflict_unless_it_takes_over(conference: Conference) -> None:
    meeting = make(conference)
    ann, bob = join(meeting, "Ann"), join(meeting, "Bob")
    ann.attendee.publish(Source.SCREEN, content=Content.TEXT)
    ann.attendee.publish(Source.SCREEN_AUDIO)
    ann.attendee.publish(Source.CAMERA)
    with pytest.raises(RemoteError, match="Ann is presenting") as caught:
        bob.attendee.publish(Source.SCREEN)
    assert (caught.value.code, caught.value.status) == ("conflict", 409)
    assert "take_over" in caught.value.hint
    bob.attendee.publish(Source.SCREEN, take_over=True)
    assert ann.heard(Unpublished) == [
        Unpublished("screen", "taken_over", bob.id), Unpublished("screen_audio", "taken_over", bob.id)
    ]  # fmt: skip
    assert ann.shown() == [(bob.id, "screen", "active")]
    assert bob.shown() == [(ann.id, "camera", "active")]
    assert ann.attendee.view().sources.keys() == {"camera"}
    with pytest.raises(RemoteError):
        ann.attendee.publish(Source.SCREEN)


def test_of_several_screens_the_one_that_is_shared_longest_is_taken_over(conference: Conference) -> None:
    meeting = make(conference, max_screens=2)
    ann, bob, cid = (join(meeting, name) for name in ("Ann", "Bob", "Cid"))
    bob.attendee.publish(Source.SCREEN)
    ann.attendee.publish(Source.SCREEN)
    assert [who for who, _, _ in cid.shown()] == [bob.id, ann.id]
    bob.attendee.publish(Source.SCREEN, muted=True, take_over=True)
    assert ann.heard(Unpublished) == bob.heard(Unpublished) == []
    cid.attendee.publish(Source.SCREEN, take_over=True)
    assert [event.source for event in bob.heard(Unpublished)] == ["screen"]
    assert ann.heard(Unpublished) == []


def test_a_meeting_without_screens_has_none_to_take_over(conference: Conference) -> None:
    ann = join(make(conference, max_screens=0), "Ann")
    for take_over in (False, True):
        with pytest.raises(RemoteError, match="max_screens of the meeting is 0") as caught:
            ann.attendee.publish(Source.SCREEN, take_over=take_over)
        assert caught.value.code == "limit_reached"


def test_a_take_over_that_can_not_be_sent_takes_nothing(conference: Conference) -> None:
    meeting = make(conference)
    ann, bob = join(meeting, "Ann"), Client(meeting, "Bob")
    bob.answer(send=["0"])
    ann.attendee.publish(Source.SCREEN)
    with pytest.raises(RemoteError, match="m-line of screen"):
        bob.attendee.publish(Source.SCREEN, take_over=True)
    assert ann.heard(Unpublished) == []


def test_what_a_screen_shows_is_told_and_can_change(meeting: Meeting) -> None:
    ann = join(meeting, "Ann")
    ann.attendee.publish(Source.SCREEN, content=Content.DETAIL)
    assert ann.attendee.view().sources["screen"].content == "detail"
    ann.attendee.publish(Source.SCREEN, content=Content.MOTION)
    assert ann.attendee.view().sources["screen"].content == "motion"


def test_hands_are_in_the_order_in_which_they_were_raised(meeting: Meeting) -> None:
    host = host_of(meeting)
    ann, bob = join(meeting, "Ann"), join(meeting, "Bob")
    hands = meeting.permissions
    for client in (bob, ann, bob):
        hands.raise_hand(client.attendee, raised=True)
    first, second = bob.attendee.view().hand, ann.attendee.view().hand
    assert first is not None
    assert second is not None
    assert first < second
    hands.lower_hand(host.attendee, bob.id)
    assert bob.attendee.view().hand is None
    hands.raise_hand(bob.attendee, raised=True)
    assert (bob.attendee.view().hand or 0) > second
    hands.raise_hand(ann.attendee, raised=False)
    assert ann.attendee.view().hand is None


def test_a_wrong_host_token_opens_nothing(conference: Conference) -> None:
    meeting = make(conference)
    with pytest.raises(RemoteError, match="host token is wrong") as caught:
        meeting.join("Mallory", host_token="wrong")
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)
    assert meeting.participants == {}


def test_rules_outlive_the_memory_of_the_process(engine: Engine, clock: VirtualClock) -> None:
    first = Conference(engine, clock, ConferenceOptions())
    made = make(first, audience=True)
    record = asyncio.run(first.store.find(made.id))
    assert record is not None
    second = Conference(engine, clock)
    asyncio.run(second.store.add(record))
    meeting = asyncio.run(second.meeting(made.id))
    assert meeting.host_token is None
    assert Client(meeting, "Ann").attendee.rights.role is Role.AUDIENCE
    assert Client(meeting, "Host", host_token=made.host_token).attendee.rights.role is Role.HOST
