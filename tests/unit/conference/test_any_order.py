"""A meeting under any sequence of what clients may do: nothing raises but ``RemoteError``, and everybody is told
the truth.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.answers import ClientSide, answer_to
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.examples import examples
from tests.support.sim import settle, sim_engine

from sfu.conference import Attendee, Conference, ConferenceOptions, Meeting, Source
from sfu.conference.events import OfferMade, RosterChanged, SlotsChanged
from sfu.conference.layout import choose_feeds
from sfu.conference.scene import Scene
from sfu.conference.views import ParticipantView, SlotView
from sfu.errors import RemoteError
from sfu.media.engine import Engine
from sfu.rtp.codecs import Kind

ACTIONS = (
    "join", "answer", "answer_old", "publish", "mute", "unmute", "unpublish", "slots", "restart", "leave",
    "detach", "attach", "die", "wait", "wait_long", "refuse", "speak",
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3), st.sampled_from(Source), st.integers(0, 8)),
    min_size=15,
    max_size=40,
)


class Mirror:
    """What a client believes, from its welcome and its notifications alone."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.people: dict[str, ParticipantView] = {}
        self.slots: dict[str, SlotView] = {}
        self.welcome()

    def welcome(self) -> None:
        welcome = self.client.welcome
        self.people = {view.id: view for view in welcome.participants}
        self.total = welcome.total
        self.slots = {slot.mid: slot for slot in welcome.slots}

    def catch_up(self) -> None:
        for event in self.client.events:
            match event:
                case RosterChanged(joined, updated, left, total):
                    self.people.update((view.id, view) for view in (*joined, *updated))
                    for departure in left:
                        self.people.pop(departure.participant_id, None)
                    self.total = total
                case SlotsChanged(slots):
                    self.slots.update((slot.mid, slot) for slot in slots)
                case OfferMade(_, _, places):
                    for place in places:
                        self.slots.setdefault(place.mid, SlotView(place.mid, place.kind))
        self.client.events.clear()


def act(meeting: Meeting, clock: VirtualClock, mirrors: list[Mirror], step: tuple[str, int, Source, int]) -> None:
    action, who, source, number = step
    if action == "join":
        clock.advance(1)  # nobody rushes in
        mirrors.append(Mirror(Client(meeting, f"P{len(mirrors)}")))
        return
    if action in {"wait", "wait_long"}:
        clock.advance(5 if action == "wait" else 40)
        return
    if who >= len(mirrors):
        return
    mirror = mirrors[who]
    client, attendee = mirror.client, mirror.client.attendee
    match action:
        case "speak":
            speak(attendee)
        case "detach":
            attendee.detach(client.events.append)
        case "attach":
            if attendee.id in meeting.participants:
                client.events.clear()
                client.welcome = attendee.attach(client.events.append)
                mirror.welcome()
        case _:
            request(client, action, source, number)


def request(client: Client, action: str, source: Source, number: int) -> None:
    attendee = client.attendee
    requests = {
        "answer": lambda: client.answer(send=["0", "1", "2"]),
        "answer_old": lambda: attendee.answer(attendee.offer.version - 1, answer_to(attendee.offer.sdp)),
        "refuse": lambda: client.answer(send=["1"], refuse=["7"], client=ClientSide(ufrag="othr")),
        "publish": lambda: attendee.publish(source, muted=number % 2 == 1),
        "mute": lambda: attendee.mute(source, muted=True),
        "unmute": lambda: attendee.mute(source, muted=False),
        "unpublish": lambda: attendee.unpublish(source),
        "slots": lambda: attendee.request_slots(number),
        "restart": attendee.restart_ice,
        "leave": attendee.leave,
        "die": lambda: attendee.transport.close("test"),
    }
    requests[action]()


def speak(attendee: Attendee) -> None:
    """The shard says that it heard a quiet room and then a voice, for more than a second."""
    track = attendee.sources.tracks.get(Source.MICROPHONE)
    if track is not None and track.producer is not None:
        for block in (*[bytes([70] * 5)] * 3, *[bytes([30, 33, 31, 36, 30])] * 10):
            attendee.transport.router.levels_heard(track.producer.id.to_bytes(4, "little") + block)


def check(meeting: Meeting, mirrors: list[Mirror]) -> None:
    """Of what was decided with the last step. What follows the stage is looked at when its beat is over."""
    feeds = {(t.participant_id, t.source): t for p in meeting.participants.values() for t in p.sources.feeds()}
    for mirror in mirrors:
        attendee = mirror.client.attendee
        if attendee.id not in meeting.participants:
            assert not attendee.is_connected
            continue
        shown = [slot for slot in attendee.slots._slots if slot.track is not None]
        [wanted] = choose_feeds(Scene(feeds.values()), [attendee.receiver])
        videos = [slot for slot in shown if slot.kind is Kind.VIDEO]
        assert sorted(id(slot.track) for slot in videos) == sorted(map(id, wanted.video))
        assert len({id(slot.track) for slot in shown}) == len(shown), "one track in two slots"
        for slot in shown:
            assert slot.track is not None
            assert slot.track.participant_id != attendee.id
            assert feeds[slot.track.participant_id, slot.track.source] is slot.track
            assert slot.consumer is not None
            assert slot.kind is Kind.AUDIO or slot.consumer.producer is slot.track.producer
            assert slot.track.producer is not None
            assert slot.track.producer.paused is slot.track.muted
        if attendee.is_connected:
            mirror.catch_up()
            steady = {slot.mid: slot.view() for slot in attendee.slots._slots if slot.position is None}
            assert {mid: view for mid, view in mirror.slots.items() if mid in steady} == steady


def check_stage(engine: Engine, meeting: Meeting, mirrors: list[Mirror]) -> None:
    """What everybody was told of who is heard is what the data plane does."""
    consumers = engine._links[0].port.snapshot()["consumers"]
    for mirror in mirrors:
        attendee = mirror.client.attendee
        if attendee.id not in meeting.participants:
            continue
        following = [slot for slot in attendee.slots._slots if slot.position is not None and slot.consumer is not None]
        for slot in following:
            track = slot.track
            fed = consumers[slot.consumer.id]["producer"]
            assert fed == (track.producer.id if track is not None and track.producer is not None else None)
        if attendee.is_connected:
            assert {slot.mid: slot.view() for slot in attendee.slots._slots} == mirror.slots


def check_roster(meeting: Meeting, clock: VirtualClock, mirrors: list[Mirror]) -> None:
    """When the beat is over everybody knows who is there."""
    clock.advance(1)
    views = {view.id: view for view in meeting.participant_views()}
    for mirror in mirrors:
        if mirror.client.attendee.is_connected and mirror.client.attendee.id in meeting.participants:
            mirror.catch_up()
            assert mirror.people == views
            assert mirror.total == len(views)


@given(steps)
@settings(max_examples=examples(150))
def test_whatever_the_clients_do_everybody_is_told_the_truth(sequence: list[tuple[str, int, Source, int]]) -> None:
    engine, _ = sim_engine()
    clock = VirtualClock()
    conference = Conference(engine, clock, ConferenceOptions(max_participants=4, audio_slots=2))
    meeting = asyncio.run(conference.create_meeting())
    mirrors = [Mirror(Client(meeting, f"P{number}")) for number in range(3)]
    for mirror in mirrors[:2]:
        mirror.client.answer()
    mirrors[2].client.attendee.publish(Source.CAMERA)  # shown when it answers, which is up to the sequence
    for step in sequence:
        with suppress(RemoteError):
            act(meeting, clock, mirrors, step)
        check(meeting, mirrors)
        for mirror in mirrors:
            for consumer in mirror.client.attendee.transport.consumers.values():
                consumer.start()  # as if it were secured
        settle(engine, clock.now())
        check_roster(meeting, clock, mirrors)
        check_stage(engine, meeting, mirrors)
    conference.close()
    assert engine.stats().routers == 0
    assert clock.pending == 0, "a timer outlives the conference"
    engine.close()
