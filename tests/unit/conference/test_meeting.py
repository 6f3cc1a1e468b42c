from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.sim import settle

from sfu.conference import Conference, ConferenceOptions, EndReason, Meeting, Source
from sfu.conference.events import MeetingEnded
from sfu.conference.layout import Feeds
from sfu.conference.store import MeetingRecord, MemoryStore
from sfu.errors import RemoteError
from sfu.media.engine import Engine


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_meeting_is_found_by_its_id_and_others_are_not(conference: Conference) -> None:
    meeting = run(conference.create_meeting("Review"))
    assert run(conference.meeting(meeting.id)) is meeting
    with pytest.raises(RemoteError) as caught:
        run(conference.meeting("nowhere"))
    assert (caught.value.code, caught.value.status) == ("meeting_not_found", 404)


def test_an_id_is_given_once(conference: Conference) -> None:
    run(conference.create_meeting(id="demo"))
    with pytest.raises(RemoteError) as caught:
        run(conference.create_meeting(id="demo"))
    assert caught.value.code == "conflict"
    assert run(conference.meeting_or_new("demo")) is run(conference.meeting_or_new("demo"))
    assert run(conference.meeting_or_new("other")).id == "other"


def test_the_number_of_meetings_is_bounded(conference: Conference) -> None:
    for _ in range(3):
        run(conference.create_meeting())
    with pytest.raises(RemoteError, match="3 meetings") as caught:
        run(conference.create_meeting())
    assert caught.value.status == 503


def test_an_empty_meeting_expires_and_an_occupied_one_does_not(conference: Conference, clock: VirtualClock) -> None:
    empty, occupied = run(conference.create_meeting()), run(conference.create_meeting())
    ann = Client(occupied, "Ann")
    clock.advance(3601)
    assert list(conference.meetings) == [occupied.id]
    with pytest.raises(RemoteError):
        run(conference.meeting(empty.id))
    with pytest.raises(RemoteError, match="has ended"):
        empty.join("late")
    ann.attendee.leave()
    clock.advance(3599)
    assert occupied.id in conference.meetings
    clock.advance(2)
    assert occupied.id not in conference.meetings


def test_a_meeting_of_the_store_that_is_not_at_hand_is_opened(engine: Engine, clock: VirtualClock) -> None:
    store = MemoryStore()
    run(store.add(MeetingRecord("kept", "From before", clock.wall())))
    conference = Conference(engine, clock, store=store)
    assert run(conference.meeting("kept")).title == "From before"
    clock.advance(3601)
    run(conference.create_meeting())
    assert run(store.find("kept")) is None, "what expired is forgotten"


def test_the_router_exists_while_somebody_is_in_the_meeting(meeting: Meeting, engine: Engine) -> None:
    assert engine.stats().routers == 0
    ann = Client(meeting, "Ann")
    assert engine.stats().routers == 1
    ann.attendee.leave()
    assert engine.stats().routers == 0


def test_a_full_meeting_takes_nobody(engine: Engine, clock: VirtualClock) -> None:
    conference = Conference(engine, clock, ConferenceOptions(max_participants=2))
    meeting = run(conference.create_meeting())
    ann = meeting.join("Ann")
    meeting.join("Bob")
    with pytest.raises(RemoteError) as caught:
        meeting.join("Cid")
    assert (caught.value.code, caught.value.status) == ("meeting_full", 409)
    ann.leave()
    meeting.join("Cid")


def test_the_end_of_the_conference_is_told_to_everybody(conference: Conference, meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    conference.close()
    assert ann.events[-1] == bob.events[-1] == MeetingEnded(EndReason.SERVER_STOPPING)
    assert conference.stats().participants == 0
    with pytest.raises(RemoteError) as caught:
        run(conference.create_meeting())
    assert caught.value.status == 503
    conference.close()


def test_the_layout_can_be_replaced(engine: Engine, clock: VirtualClock) -> None:
    def last_first(scene, receivers):
        others = [
            [track for track in reversed(scene.cameras) if track.participant_id != receiver.participant_id]
            for receiver in receivers
        ]
        return [Feeds(video=tuple(tracks[:1])) for tracks in others]

    conference = Conference(engine, clock, choose_feeds=last_first)
    meeting = run(conference.create_meeting())
    viewer = Client(meeting, "Viewer")
    viewer.answer()
    others = [Client(meeting, name) for name in ("Ann", "Bob")]
    for other in others:
        other.answer()
        other.attendee.publish(Source.CAMERA)
    assert viewer.shown() == [(others[1].id, "camera", "active")]


def test_a_fifth_speaker_is_heard_when_somebody_mutes(engine: Engine, clock: VirtualClock) -> None:
    meeting = run(Conference(engine, clock).create_meeting())
    people = [Client(meeting, name) for name in ("Ann", "Bob", "Cid", "Dan", "Eve")]
    for person in people:
        person.answer()
        person.attendee.publish(Source.MICROPHONE)
    ann, bob, cid, dan, eve = people
    settle(engine, clock.now())
    assert [who for who, _, _ in eve.shown("audio")] == [ann.id, bob.id, cid.id]
    bob.attendee.mute(Source.MICROPHONE, muted=True)
    settle(engine, clock.now())
    assert [who for who, _, _ in bob.shown("audio")] == [ann.id, eve.id, cid.id]
    assert [who for who, _, _ in eve.shown("audio")] == [ann.id, dan.id, cid.id], "who stays keeps his slot"


def test_nothing_of_a_participant_is_left_in_the_meeting(meeting: Meeting) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    ann.answer()
    bob.answer()
    ann.attendee.publish(Source.CAMERA)
    gone = weakref.ref(ann.attendee)
    ann.attendee.leave()
    del ann
    bob.events.clear()
    gc.collect()
    assert gone() is None
