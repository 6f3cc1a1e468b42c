from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import timedelta

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.sim import settle

from sfu.conference import Conference, ConferenceOptions, EndReason, Meeting, Source
from sfu.conference.draft import MeetingDraft
from sfu.conference.events import MeetingEnded
from sfu.conference.layout import Feeds
from sfu.conference.ledger import PlainLedger
from sfu.conference.names import digest
from sfu.conference.records import MeetingStatus, ParticipantRecord, RecordingPolicy
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
    found = run(store.find("kept"))
    assert found is not None
    assert found.status is MeetingStatus.ENDED, "what expired has ended"
    with pytest.raises(RemoteError, match="has ended"):
        run(conference.meeting("kept"))


def test_a_meeting_is_not_over_before_its_planned_end_and_comes_back_as_it_was(
    engine: Engine, clock: VirtualClock
) -> None:
    conference = Conference(engine, clock)
    start = clock.wall() + timedelta(hours=3)
    planned = run(conference.plan(MeetingDraft("Review", scheduled_start=start, duration_s=1800)))
    assert (planned.record.status, dict(conference.meetings)) == (MeetingStatus.SCHEDULED, {})
    early = run(conference.meeting(planned.record.id))
    early.join("Ann").leave()
    clock.advance(3601)
    assert dict(conference.meetings) == {}
    again = run(conference.meeting(early.id))
    assert again.join("Bob", host_token=planned.tokens.host).rights.role == "host"
    assert again.record.status is MeetingStatus.ACTIVE
    again.participants[next(iter(again.participants))].leave()
    clock.advance(3.5 * 3600)
    run(conference.end_idle())
    assert run(conference.record(early.id)).status is MeetingStatus.ENDED


def test_who_comes_and_goes_is_written_down(conference: Conference, clock: VirtualClock) -> None:
    meeting = run(conference.create_meeting())
    host = meeting.join("Ann", host_token=meeting.host_token)
    clock.advance(1)
    guest = meeting.join("Bob")
    clock.advance(20)
    guest.leave()
    ann, bob = run(conference.stays(meeting.id, None, 10)).items
    assert (ann.participant_id, ann.name, ann.is_host, ann.left_at) == (host.id, "Ann", True, None)
    assert (bob.participant_id, bob.role, bob.reason) == (guest.id, "participant", "left")
    assert bob.left_at == bob.joined_at + timedelta(seconds=20)
    conference.close()
    [ann] = run(conference.stays(meeting.id, None, 10, current=False)).items[:1]
    assert ann.reason == "server_stopping"
    assert run(conference.record(meeting.id)).status is MeetingStatus.ACTIVE, "it goes on after the restart"


def test_what_is_changed_holds_for_the_running_meeting(conference: Conference) -> None:
    meeting = run(conference.create_meeting("Old"))
    record = run(conference.update(meeting.id, 1, {"title": " New ", "max_participants": 1}))
    assert (record.title, record.version, meeting.title) == ("New", 2, "New")
    meeting.join("Ann")
    with pytest.raises(RemoteError, match="has its 1 participants"):
        meeting.join("Bob")
    with pytest.raises(RemoteError) as caught:
        run(conference.update(meeting.id, 1, {"title": "Newer"}))
    assert caught.value.code == "precondition_failed"


def test_encryption_from_end_to_end_and_recording_exclude_each_other(conference: Conference) -> None:
    with pytest.raises(RemoteError, match="has no keys") as caught:
        run(conference.plan(MeetingDraft(e2ee=True, recording=RecordingPolicy.AUTO)))
    assert (caught.value.code, caught.value.status) == ("conflict", 409)
    meeting = run(conference.create_meeting())
    run(conference.update(meeting.id, None, {"e2ee": True}))
    with pytest.raises(RemoteError, match="has no keys"):
        run(conference.update(meeting.id, None, {"recording": RecordingPolicy.ALLOWED}))


def test_a_meeting_that_was_ended_or_deleted_is_for_nobody_any_more(conference: Conference) -> None:
    ended, deleted = run(conference.create_meeting()), run(conference.create_meeting())
    ann = Client(ended, "Ann")
    run(conference.end_meeting(ended.id))
    run(conference.end_meeting(ended.id))
    assert ann.events[-1] == MeetingEnded(EndReason.ENDED)
    assert run(conference.record(ended.id)).status is MeetingStatus.ENDED
    run(conference.delete_meeting(deleted.id))
    with pytest.raises(RemoteError) as caught:
        run(conference.record(deleted.id))
    assert caught.value.code == "meeting_not_found"


def test_the_name_of_a_meeting_that_ended_is_free_again(conference: Conference) -> None:
    first = run(conference.meeting_or_new("demo"))
    first.end()
    assert run(conference.meeting_or_new("demo")) is not first


def test_a_new_join_token_revokes_the_one_before(conference: Conference, clock: VirtualClock) -> None:
    meeting = run(conference.create_meeting())
    before = meeting.join_token
    record, token = run(conference.new_join_token(meeting.id))
    assert token not in {before, None}
    assert meeting.record.join_digest == record.join_digest == digest(token)
    assert record.join_expires_at == clock.wall() + timedelta(days=30)


class FlakyStore(MemoryStore):
    """Answers nothing while it is away."""

    away = False

    async def joined(self, record: ParticipantRecord) -> None:
        if self.away:
            raise RemoteError("store_unavailable", "the database is away", status=503)
        await super().joined(record)


def test_a_store_of_ones_own_gets_what_happened_when_it_is_looked_at_next(engine: Engine, clock: VirtualClock) -> None:
    store = FlakyStore()
    conference = Conference(engine, clock, store=store, ledger=PlainLedger(store))
    meeting = run(conference.create_meeting())
    store.away = True
    meeting.join("Ann").leave()
    with pytest.raises(RemoteError):
        run(conference.stays(meeting.id, None, 10))
    store.away = False
    assert [stay.reason for stay in run(conference.stays(meeting.id, None, 10)).items] == ["left"]


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
