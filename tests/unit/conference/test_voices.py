"""Who is told of whom, and what that costs in a large meeting. The data plane's part is in tests/scenario."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.media import World
from tests.support.noise import repeatable
from tests.support.pace import Pace
from tests.support.sim import settle

from sfu.conference import Conference, ConferenceOptions, Source
from sfu.conference.events import SlotsChanged, SpeakersChanged
from sfu.conference.gate import Gate
from sfu.conference.hooks import NO_HOOKS
from sfu.conference.slot import SlotTable
from sfu.conference.track import Track
from sfu.conference.voices import Voices
from sfu.media.engine import Engine
from sfu.media.router import Router
from sfu.rtp.codecs import EncodingParameters, Kind
from sfu.sdp.negotiate import EgressSection

SLOTS = 3
SPEECH, ROOM = bytes([30, 32, 29, 33, 31]), bytes([60, 61, 60, 62, 61])


class Person:
    """A participant as ``Voices`` knows one: audio slots that follow the stage, and what it was told."""

    def __init__(self, voices: Voices, router: Router, number: int) -> None:
        self.id = f"p{number}"
        slots = SlotTable(cast("Any", None), "cname", lambda: None, ear=partial(voices.hear, self.id))
        for position in range(SLOTS):
            slots.add(EgressSection(str(4 + position), Kind.AUDIO, 1, None, "cname", "s", "t"))
            slots._slots[-1].follow(position)
        slots.views()
        self.slots = slots
        self.reception = SimpleNamespace(slots=slots)
        self.producer = router.create_transport().produce(Kind.AUDIO, "0", (EncodingParameters(),))
        self.track = Track(self.id, Source.MICROPHONE, producer=self.producer, name=self.id)
        self.events: list[object] = []
        self.notify = self.events.append


class Hall:
    """A meeting's voices over a shard that only records."""

    def __init__(self, people: int) -> None:
        self.world = World()
        self.clock = VirtualClock()
        self.router = self.world.engine.create_router()
        self.people: dict[str, Person] = {}
        gate = Gate(self.clock, NO_HOOKS, record=lambda: cast("Any", None), person=lambda _: None)
        there = cast("Mapping[str, Any]", self.people)
        self.voices = Voices(self.clock, SLOTS, participants=there, tell=self._tell, gate=gate)
        self.voices.use(self.router)
        for number in range(people):
            person = Person(self.voices, self.router, number)
            self.people[person.id] = person
            self.voices.track_changed(person.id, Source.MICROPHONE, person.track)
        self.voices.counted()
        self.list = list(self.people.values())

    def _tell(self, event: object) -> None:
        for person in self.people.values():
            person.notify(event)

    def stage(self, *people: int | None) -> None:
        """The shard says who stands where."""
        ids = [None if number is None else self.list[number].producer.id for number in people]
        self.world.events(("stage_changed", self.router.id, ids))

    def hear(self, levels: Mapping[int, bytes]) -> None:
        """The shard says what was heard, 100 ms after the last time."""
        self.clock.advance(0.1)
        blocks = (self.list[who].producer.id.to_bytes(4, "little") + block for who, block in levels.items())
        self.world.events(("levels", self.router.id, b"".join(blocks)))

    def told(self, who: int, kind: type) -> list[Any]:
        return [event for event in self.list[who].events if isinstance(event, kind)]

    def close(self) -> None:
        self.world.engine.close()


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall(6)
    yield hall
    hall.close()


def test_those_who_do_not_stand_on_the_stage_get_one_message_and_the_others_their_own(hall: Hall) -> None:
    hall.clock.advance(1)
    hall.stage(0, 1, 2, 3)
    [plain] = hall.told(4, SlotsChanged)
    assert [(slot.mid, slot.participant_id) for slot in plain.slots] == [("4", "p0"), ("5", "p1"), ("6", "p2")]
    assert hall.told(5, SlotsChanged) == [plain]
    assert hall.told(5, SlotsChanged)[0] is plain, "encoded once"
    [own] = hall.told(1, SlotsChanged)
    assert [slot.participant_id for slot in own.slots] == ["p0", "p3", "p2"]
    [reserve] = hall.told(3, SlotsChanged)
    assert reserve is plain


def test_who_stands_at_two_positions_hears_the_reserve_once(hall: Hall) -> None:
    ann = hall.list[0]
    screen = ann.producer.transport.produce(Kind.AUDIO, "3", (EncodingParameters(),))
    hall.voices.track_changed(ann.id, Source.SCREEN_AUDIO, Track(ann.id, Source.SCREEN_AUDIO, producer=screen))
    places = [ann.producer.id, screen.id, hall.list[2].producer.id, hall.list[3].producer.id]
    hall.world.events(("stage_changed", hall.router.id, places))
    heard = [hall.voices.hear(ann.id, position) for position in range(SLOTS)]
    assert [track.participant_id if track else None for track in heard] == ["p3", None, "p2"]
    assert hall.voices.hear(ann.id, SLOTS) is None, "nobody listens to the reserve itself"


def test_changes_of_one_beat_are_told_together_and_what_came_back_is_not_told(hall: Hall) -> None:
    hall.clock.advance(1)
    hall.stage(0, 1, 2, 3)
    hall.stage(0, 5, 2, 3)
    hall.stage(0, 1, 2, 3)
    hall.stage(4, 1, 2, 3)
    hall.clock.advance(0.3)
    assert [len(event.slots) for event in hall.told(5, SlotsChanged)] == [3, 1]
    hall.list[2].track.muted = True
    hall.voices.track_changed("p2", Source.MICROPHONE, hall.list[2].track)
    hall.clock.advance(0.3)
    [muted] = hall.told(5, SlotsChanged)[-1].slots
    assert (muted.mid, muted.state) == ("6", "muted")


def test_who_speaks_is_confirmed_and_told_and_the_layout_hears_of_the_floor(hall: Hall) -> None:
    floors: list[str | None] = []
    hall.voices.on_dominant = lambda: floors.append(hall.voices.dominant)
    for _ in range(6):
        hall.hear(dict.fromkeys(range(6), ROOM))
    for _ in range(10):
        hall.hear({1: SPEECH, 2: ROOM})
    for _ in range(15):
        hall.hear({3: SPEECH})
    for _ in range(8):
        hall.hear({})
    assert floors == ["p1", "p3"]
    assert hall.voices.recent == ("p3", "p1")
    one, three = hall.list[1].producer.id, hall.list[3].producer.id
    told = hall.world.shard.told("set_speakers")
    assert [hall.router.id, one, [one]] in told
    assert told[-1] == [hall.router.id, three, []]
    assert len(told) <= 8
    speakers = hall.told(0, SpeakersChanged)
    assert (speakers[-1].dominant, speakers[-1].recent, speakers[-1].audible) == ("p3", ("p3", "p1"), ())
    assert any(event.audible == ("p3",) for event in speakers)


def test_who_is_gone_or_unpublished_has_no_floor_and_no_place(hall: Hall) -> None:
    hall.stage(1, 2, 3, 4)
    for _ in range(6):
        hall.hear({1: ROOM})
    for _ in range(10):
        hall.hear({1: SPEECH})
    assert hall.voices.dominant == "p1"
    hall.voices.track_changed("p1", Source.MICROPHONE, None)
    assert hall.voices.dominant is None
    assert hall.voices.hear("p5", 0) is None
    assert hall.world.shard.told("stage_producer")[-1] == [hall.list[1].producer.id, False, False]
    assert hall.world.shard.told("set_speakers")[-1] == [hall.router.id, None, []]


def test_levels_of_screens_and_of_the_dead_are_no_ones_speech(hall: Hall) -> None:
    ann = hall.list[0]
    screen = ann.producer.transport.produce(Kind.AUDIO, "3", (EncodingParameters(),))
    hall.voices.track_changed(ann.id, Source.SCREEN_AUDIO, Track(ann.id, Source.SCREEN_AUDIO, producer=screen))
    assert hall.world.shard.told("stage_producer")[-1] == [screen.id, True, True]
    for _ in range(20):
        levels = b"".join(number.to_bytes(4, "little") + SPEECH for number in (screen.id, 4_000_000_000))
        hall.world.events(("levels", hall.router.id, levels))
    assert (hall.voices.dominant, hall.voices.audible) == (None, ())


def test_silence_is_forwarded_while_everybody_has_a_place(hall: Hall) -> None:
    assert hall.world.shard.told("set_stage") == [[hall.router.id, 3, True], [hall.router.id, 3, False]]
    for who in ("p5", "p4"):
        del hall.people[who]
        hall.voices.counted()
    assert hall.world.shard.told("set_stage")[-1] == [hall.router.id, 3, True]


async def test_who_comes_is_welcomed_with_who_speaks_and_who_is_behind_the_slots(
    engine: Engine, clock: VirtualClock
) -> None:
    meeting = await Conference(engine, clock, ConferenceOptions()).create_meeting()
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    for person in (ann, bob):
        person.answer()
        person.attendee.publish(Source.MICROPHONE)
    settle(engine, clock.now())
    bob.events.clear()
    welcome = bob.attendee.attach(bob.events.append)
    assert [slot.participant_id for slot in welcome.slots if slot.kind == "audio"] == [ann.id, None, None]
    assert (welcome.speakers.dominant, welcome.speakers.recent, welcome.speakers.audible) == (None, (), ())
    clock.advance(1)
    assert bob.heard(SlotsChanged) == [], "told already"
    ann.attendee.leave()
    settle(engine, clock.now())
    clock.advance(0.3)
    [gone] = bob.heard(SlotsChanged)
    assert [(slot.mid, slot.participant_id) for slot in gone.slots] == [("4", None)]


@repeatable
def test_a_thousand_microphones_cost_little_of_one_core() -> None:
    """Room noise in all of them; five take turns, the stage changes twice a second, and everybody is told."""
    people, seconds, share = 1_000, 4, 0.1
    rng = random.Random(4)
    hall = Hall(people)
    blocks = [bytes(rng.randrange(58, 64) for _ in range(5)) for _ in range(people)]
    hall.hear(dict(enumerate(blocks)))
    pace, told = Pace(), 0
    for turn in range(seconds * 10):
        talker = turn // 5 % 5
        levels = {who: SPEECH if who == talker else block for who, block in enumerate(blocks)}
        stage = [turn // 5 % 7, 10, 11, 12]
        with pace.of_work():
            hall.hear(levels)
            hall.stage(*stage)
        told = sum(map(len, (person.events for person in hall.list)))
    messages = told / people / seconds
    spent = pace.spent_s
    print(f"{spent / seconds:.1%} of a core, {messages:.1f} messages a second for everybody")
    assert hall.voices.dominant in {person.id for person in hall.list[:5]}
    assert 1 <= messages <= 7
    assert spent / seconds <= share, f"{spent / seconds:.1%} of a core"
    hall.close()
