"""Slots under any sequence of cameras, screens, speakers and wishes, in small meetings and in large ones: no video is
in two slots, nobody sees his own, who stays does not move, and what is told is what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.examples import examples
from tests.support.floor import speak
from tests.support.sim import sim_engine

from sfu.conference import Conference, ConferenceOptions, Meeting, Source
from sfu.conference.arranger import INTERVAL_S
from sfu.conference.attendee import TELL_S
from sfu.conference.events import OfferMade, SlotsChanged
from sfu.conference.layout import Mode, View
from sfu.conference.rights import Rules
from sfu.conference.track import Track
from sfu.conference.views import SlotView
from sfu.errors import RemoteError

PEOPLE = 6
VIDEOS = (Source.CAMERA, Source.SCREEN)
who = st.integers(0, PEOPLE - 1)
steps = st.one_of(
    st.tuples(st.sampled_from(["publish", "unpublish", "mute", "unmute", "take_over"]), who, st.sampled_from(VIDEOS)),
    st.tuples(st.sampled_from(["leave", "speak", "die"]), who, st.none()),
    st.tuples(st.just("slots"), who, st.integers(0, 6)),
    st.tuples(st.just("page"), who, st.integers(0, 3)),
    st.tuples(st.just("speaker"), who, st.none()),
    st.tuples(st.just("pin"), who, st.tuples(who, st.sampled_from(VIDEOS))),
    st.tuples(st.just("wait"), who, st.sampled_from([0.1, 1.0])),
)


class Watcher:
    """A client and what it believes of its video slots, from its welcome and notifications alone."""

    def __init__(self, meeting: Meeting, name: str) -> None:
        self.client = Client(meeting, name)
        self.client.answer(send=["1", "2"])
        self.told = {slot.mid: slot for slot in self.client.welcome.slots}
        self.before: dict[Track, str] = {}

    def catch_up(self) -> None:
        for event in self.client.events:
            match event:
                case SlotsChanged(slots):
                    self.told.update((slot.mid, slot) for slot in slots)
                case OfferMade(_, _, places):
                    for place in places:
                        self.told.setdefault(place.mid, SlotView(place.mid, place.kind))
        self.client.events.clear()


def act(meeting: Meeting, watchers: list[Watcher], clock: VirtualClock, step: tuple) -> None:
    action, index, argument = step
    client = watchers[index].client
    if action == "wait":
        clock.advance(argument)
    elif client.id not in meeting.participants:
        return
    elif action == "speak":
        recent = [*dict.fromkeys([client.id, *meeting._arranger.scene.recent])]
        speak(meeting, *recent[:10])
    elif action == "pin":
        other, source = argument
        client.attendee.show({}, hidden=False, view=View(pins=((watchers[other].client.id, source),)))
    else:
        request(client, action, argument)


def request(client: Client, action: str, argument: Any) -> None:
    attendee = client.attendee
    match action:
        case "publish":
            attendee.publish(argument)
        case "take_over":
            attendee.publish(argument, take_over=True)
        case "unpublish":
            attendee.unpublish(argument)
        case "mute" | "unmute":
            attendee.mute(argument, muted=action == "mute")
        case "leave":
            attendee.leave()
        case "die":
            attendee.transport.close("test")
        case "slots":
            attendee.request_slots(argument)
            client.answer(send=["1", "2"])
        case "page":
            attendee.show({}, hidden=False, view=View(page=argument))
        case "speaker":
            attendee.show({}, hidden=False, view=View(Mode.SPEAKER))


def check(meeting: Meeting, watchers: list[Watcher]) -> None:
    published = {
        track for one in meeting.participants.values() for track in one.sources.feeds() if track.source in VIDEOS
    }
    for watcher in watchers:
        attendee = watcher.client.attendee
        if attendee.id not in meeting.participants:
            continue
        watcher.catch_up()
        shown: dict[Track, str] = {}
        for slot in attendee.slots.video:
            told = watcher.told[slot.mid]
            producer = slot.consumer.producer if slot.consumer is not None else None
            assert (slot.track.producer if slot.track else None) is producer
            assert (told.participant_id, told.source) == (
                (slot.track.participant_id, slot.track.source.value) if slot.track else (None, None)
            )
            assert told.state == slot.state.value
            if slot.track is not None:
                assert slot.track not in shown, "in two slots"
                assert slot.track in published
                assert slot.track.participant_id != attendee.id
                shown[slot.track] = slot.mid
        for track, mid in shown.items():
            assert watcher.before.get(track, mid) == mid, "who stays does not move"
        watcher.before = shown
        room = attendee.receiver.video_slots
        others = sum(track.participant_id != attendee.id for track in published)
        if attendee.receiver.view.page == 0:
            assert len(shown) == min(others, room)


@contextmanager
def everything_is_large() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sfu.conference.beat.SMALL", 0)
        yield


def play(sequence: list[tuple], rest_s: float) -> None:
    engine, _ = sim_engine()
    clock = VirtualClock()
    conference = Conference(engine, clock, ConferenceOptions(video_slots_initial=3, rules=Rules(max_screens=2)))
    meeting = asyncio.run(conference.create_meeting())
    watchers = [Watcher(meeting, str(number)) for number in range(PEOPLE)]
    clock.advance(2)
    for step in sequence:
        with suppress(RemoteError):
            act(meeting, watchers, clock, step)
        clock.advance(rest_s)
        check(meeting, watchers)
    conference.close()
    assert clock.pending == 0, "a timer outlives the conference"
    engine.close()


@given(st.lists(steps, min_size=5, max_size=30))
@settings(max_examples=examples(60))
def test_in_a_small_meeting_slots_are_right_after_every_step(sequence: list[tuple]) -> None:
    play(sequence, TELL_S)


@given(st.lists(steps, min_size=5, max_size=30))
@settings(max_examples=examples(60))
def test_in_a_large_meeting_slots_are_right_when_the_beat_is_over(sequence: list[tuple]) -> None:
    with everything_is_large():
        play(sequence, INTERVAL_S + TELL_S)
