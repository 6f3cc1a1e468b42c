"""When layouts are decided, and what is told of it: a large meeting over the simulated shard, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.floor import speak

from sfu.conference import Conference, ConferenceOptions, Meeting, Source, Tile
from sfu.conference.arranger import BATCH, HOLD_S, INTERVAL_S, SOUNDS_S
from sfu.conference.attendee import TELL_BURST
from sfu.conference.beat import RUSH, SMALL
from sfu.conference.events import SlotsChanged, ViewChanged
from sfu.conference.layout import Mode, View, choose_feeds
from sfu.layers import Priority
from sfu.media.engine import Engine

AUDIENCE = SMALL + 12


class Hall:
    """A meeting of more than ``SMALL``: ``ann`` and ``bob`` watch, ``cameras`` are on, the others only listen."""

    def __init__(self, engine: Engine, clock: VirtualClock, cameras: int = 6) -> None:
        self.asked: list[int] = []
        self.chooses_audio = False
        self.clock = clock
        options = ConferenceOptions(max_participants=200, adaptive=False)
        self.conference = Conference(engine, clock, options, choose_feeds=self._choose)
        self.meeting: Meeting = asyncio.run(self.conference.create_meeting())
        self.ann, self.bob = self.join("Ann"), self.join("Bob")
        self.cameras = [self.join(f"Camera {number}") for number in range(cameras)]
        for client in self.cameras:
            client.attendee.publish(Source.CAMERA)
        for number in range(AUDIENCE - len(self.meeting.participants)):
            Client(self.meeting, f"Listener {number}")
        self.rest()

    def _choose(self, scene, receivers):
        self.asked.append(len(receivers))
        feeds = choose_feeds(scene, receivers)
        return [replace(each, audio=()) for each in feeds] if self.chooses_audio else feeds

    def join(self, name: str) -> Client:
        client = Client(self.meeting, name)
        client.answer()
        return client

    def rest(self) -> None:
        """Until nothing is left to be told."""
        self.clock.advance(3)
        self.ann.events.clear()
        self.bob.events.clear()
        self.asked.clear()

    def seen(self, client: Client | None = None) -> list[int]:
        """Whose cameras a client sees, by number."""
        ids = [camera.id for camera in self.cameras]
        return [ids.index(who) for who, _, _ in (client or self.ann).shown()]


@pytest.fixture
def hall(engine: Engine, clock: VirtualClock) -> Iterator[Hall]:
    hall = Hall(engine, clock)
    yield hall
    hall.conference.close()
    assert clock.pending == 0, "a timer outlives the conference"


def test_the_first_change_is_seen_at_once_and_those_that_follow_together(hall: Hall, clock: VirtualClock) -> None:
    assert hall.seen() == [0, 1, 2, 3]
    hall.cameras[0].attendee.unpublish(Source.CAMERA)
    clock.advance(0.01)
    assert hall.seen() == [4, 1, 2, 3], "and who stays keeps his slot"
    for camera in (hall.cameras[1], hall.cameras[2]):
        clock.advance(0.1)
        camera.attendee.unpublish(Source.CAMERA)
    assert len(hall.ann.heard(SlotsChanged)) == 1
    clock.advance(INTERVAL_S)
    assert hall.seen() == [4, 5, 3]
    assert len(hall.ann.heard(SlotsChanged)) == 2


def test_what_somebody_wishes_for_himself_is_done_at_once(hall: Hall, clock: VirtualClock) -> None:
    hall.cameras[5].attendee.mute(Source.CAMERA, muted=True)
    hall.cameras[5].attendee.mute(Source.CAMERA, muted=False)
    hall.asked.clear()
    hall.ann.attendee.show({}, hidden=False, view=View(page=1))
    assert hall.seen() == [4, 5]
    [told] = hall.ann.heard(ViewChanged)
    assert (told.videos, told.page, told.pages) == (6, 1, 2)
    hall.ann.attendee.show({}, hidden=False, view=View(pins=((hall.cameras[5].id, Source.CAMERA),)))
    assert hall.seen() == [0, 5, 1, 2], "5 keeps its slot"
    hall.ann.attendee.request_slots(2)
    assert sorted(hall.seen()) == [0, 5]
    assert hall.asked == [1, 1, 1], "nobody else was decided for"
    assert hall.seen(hall.bob) == [0, 1, 2, 3]


def test_whoever_takes_the_floor_is_seen_at_once(hall: Hall, clock: VirtualClock) -> None:
    hall.bob.attendee.show({}, hidden=False, view=View(Mode.SPEAKER))
    hall.cameras[0].attendee.mute(Source.CAMERA, muted=True)
    clock.advance(0.1)
    speak(hall.meeting, hall.cameras[5].id)
    clock.advance(0.01)
    assert hall.seen() == [0, 1, 2, 5], "nobody has spoken: the last on the page gives way"
    assert hall.seen(hall.bob) == [0, 1, 2, 5]
    [told] = [event for event in hall.ann.heard(SlotsChanged) if len(event.slots) == 1 and event.slots[0].mid == "10"]
    assert (told.slots[0].participant_id, told.slots[0].name) == (hall.cameras[5].id, "Camera 5")


def test_a_new_speakers_slot_is_told_at_once_whatever_was_told_before(hall: Hall, clock: VirtualClock) -> None:
    for _ in range(TELL_BURST):
        hall.ann.attendee._slots_beat.now()
    speak(hall.meeting, hall.cameras[5].id)
    clock.advance(0.0)
    shown = [slot.participant_id for event in hall.ann.heard(SlotsChanged) for slot in event.slots]
    assert hall.cameras[5].id in shown


def test_whoever_has_the_floor_keeps_it_on_the_screen_for_a_second(hall: Hall, clock: VirtualClock) -> None:
    speak(hall.meeting, hall.cameras[4].id)
    clock.advance(0.3)
    speak(hall.meeting, hall.cameras[5].id, hall.cameras[4].id)
    clock.advance(HOLD_S - 0.31)
    assert 5 not in hall.seen()
    clock.advance(0.02)
    assert {4, 5} < set(hall.seen())


def test_who_interrupts_for_less_than_that_is_not_shown(hall: Hall, clock: VirtualClock) -> None:
    speak(hall.meeting, hall.cameras[4].id)
    clock.advance(0.3)
    speak(hall.meeting, hall.cameras[5].id, hall.cameras[4].id)
    clock.advance(0.3)
    speak(hall.meeting, hall.cameras[4].id, hall.cameras[5].id)
    clock.advance(5)
    assert 5 not in hall.seen()


def test_the_floor_passes_after_quiet_without_any_wait(hall: Hall, clock: VirtualClock) -> None:
    speak(hall.meeting, hall.cameras[4].id)
    clock.advance(HOLD_S)
    speak(hall.meeting, hall.cameras[5].id, hall.cameras[4].id)
    clock.advance(0.01)
    assert 5 in hall.seen()


def test_a_turn_of_the_loop_decides_for_so_many_and_no_more(hall: Hall, clock: VirtualClock) -> None:
    speak(hall.meeting, hall.cameras[5].id)
    assert sum(hall.asked) <= BATCH
    clock.advance(0.0)
    assert max(hall.asked) <= BATCH
    assert sum(hall.asked) == len(hall.meeting.participants)


def test_where_nothing_changes_nobody_is_told_anything(hall: Hall, clock: VirtualClock) -> None:
    speak(hall.meeting, hall.ann.id)
    clock.advance(2)
    speak(hall.meeting, hall.cameras[0].id)
    clock.advance(2)
    assert hall.ann.events == []


def come_with_microphones(hall: Hall, clock: VirtualClock) -> int:
    """Ten, one after the other within four seconds; how many were decided for beside those who came themselves."""
    for number in range(10):
        hall.join(f"Voice {number}").attendee.publish(Source.MICROPHONE)
        clock.advance(0.4)
    return sum(hall.asked) - 10


def test_who_comes_with_a_microphone_alone_makes_others_no_layouts(hall: Hall, clock: VirtualClock) -> None:
    assert come_with_microphones(hall, clock) <= AUDIENCE + 10, "each was decided for once at most"
    hall.asked.clear()
    clock.advance(SOUNDS_S)
    assert sum(hall.asked) == len(hall.meeting.participants), "a policy may look at who has one"
    hall.rest()
    clock.advance(2 * SOUNDS_S)
    assert hall.asked == []


def test_a_policy_that_chooses_who_is_heard_is_asked_twice_a_second(hall: Hall, clock: VirtualClock) -> None:
    hall.chooses_audio = True
    hall.cameras[0].attendee.mute(Source.CAMERA, muted=True)
    hall.rest()
    assert come_with_microphones(hall, clock) >= 4 / INTERVAL_S * AUDIENCE / 2


def test_a_camera_that_goes_away_leaves_nothing_behind_that_is_fed(hall: Hall, clock: VirtualClock) -> None:
    hall.cameras[5].attendee.mute(Source.CAMERA, muted=True)  # the next decision waits
    hall.cameras[1].attendee.leave()
    slot = next(slot for slot in hall.ann.attendee.slots.video if slot.track and not slot.is_fed)
    assert slot.track is not None
    hall.ann.attendee.show({slot.mid: Tile(1280, 720)}, hidden=False)
    clock.advance(0.01)
    assert hall.ann.attendee.reception.state is not None, "what is left goes on"
    clock.advance(INTERVAL_S)
    assert slot.is_fed


def test_how_many_videos_there_are_is_told_once_a_second(hall: Hall, clock: VirtualClock) -> None:
    for _ in range(20):
        camera = hall.cameras[0].attendee
        if Source.CAMERA in camera.sources.tracks:
            camera.unpublish(Source.CAMERA)
        else:
            camera.publish(Source.CAMERA)
        clock.advance(0.1)
    assert len(hall.ann.heard(ViewChanged)) <= 3
    clock.advance(1)
    assert hall.ann.attendee._told_view.videos == len(hall.meeting._arranger.scene.cameras)


def test_a_small_meeting_waits_while_people_rush_in(engine: Engine, clock: VirtualClock) -> None:
    meeting = asyncio.run(Conference(engine, clock, ConferenceOptions()).create_meeting())
    ann = Client(meeting, "Ann")
    ann.answer()
    others = [Client(meeting, str(number)) for number in range(RUSH)]
    clock.advance(0.9)
    ann.events.clear()
    for other in others:
        other.answer()
        other.attendee.publish(Source.CAMERA)
    clock.advance(INTERVAL_S)
    assert len(ann.heard(SlotsChanged)) <= 2
    assert len(ann.shown()) == 4


def test_the_dominant_speakers_picture_suffers_late(hall: Hall, clock: VirtualClock) -> None:
    def priorities() -> list[Priority]:
        clock.advance(0.1)
        return [demand.wish.priority for demand in hall.ann.attendee.reception._demands]

    assert priorities() == [Priority.VISIBLE] * 4
    speak(hall.meeting, hall.cameras[1].id)
    assert priorities() == [Priority.VISIBLE, Priority.DOMINANT, Priority.VISIBLE, Priority.VISIBLE]
    clock.advance(1)
    speak(hall.meeting, hall.cameras[2].id, hall.cameras[1].id)
    assert priorities() == [Priority.VISIBLE, Priority.VISIBLE, Priority.DOMINANT, Priority.VISIBLE]
    tiles = {slot.mid: Tile(640, 360, pinned=slot.mid == "9") for slot in hall.ann.attendee.slots.video}
    hall.ann.attendee.show(tiles, hidden=False)
    assert priorities()[2] is Priority.PINNED


@pytest.fixture
def at_beat(hall: Hall, clock: VirtualClock) -> Callable[[], None]:
    return lambda: clock.advance(INTERVAL_S)


def test_whoever_leaves_while_he_waits_for_his_turn_is_passed_over(hall: Hall, at_beat: Callable[[], None]) -> None:
    speak(hall.meeting, hall.cameras[5].id)
    last = list(hall.meeting.participants.values())[-1]
    last.leave()
    hall.bob.attendee.leave()
    at_beat()
    assert 5 in hall.seen()
