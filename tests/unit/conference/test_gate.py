"""Who may receive what, where a plugin has a say: each pair is asked about once, and what is denied or not decided yet
reaches nobody.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.hooks import SubscribeRule
from tests.support.sim import settle, sim_engine

from sfu.conference import Conference, ConferenceOptions, Meeting, Source
from sfu.conference.arranger import INTERVAL_S
from sfu.conference.authority import Role
from sfu.conference.events import ViewChanged
from sfu.conference.gate import AGAIN_S, MAX_PAIRS
from sfu.conference.hooks import Pair
from sfu.conference.layout import Feeds, View
from sfu.conference.rights import Rules
from sfu.conference.track import Track

BOTH = (Source.MICROPHONE, Source.CAMERA)


class Room:
    """A meeting with a rule. ``seen``: who is behind somebody's video slots; ``heard``: behind the audio slots."""

    def __init__(self, *, takes_s: float = 0.0, **how: Any) -> None:
        self.clock = VirtualClock()
        self.engine, _ = sim_engine()
        self.rule = SubscribeRule(self.clock, takes_s=takes_s)
        options = ConferenceOptions(max_participants=2000, rules=Rules(max_screens=49))
        self.conference = Conference(self.engine, self.clock, options, hooks=self.rule, **how)
        self.meeting: Meeting = asyncio.run(self.conference.create_meeting("Stand-up"))
        self.clients: dict[str, Client] = {}

    def deny(self, *pairs: tuple[str, str], sources: tuple[Source, ...] = tuple(Source)) -> None:
        """Subscriber and publisher, by name."""

        def denies(pair: Pair) -> bool:
            return (pair.subscriber.name, pair.publisher.name) in pairs and pair.source in sources

        self.rule.denies = denies

    def come(self, name: str, *sources: Source) -> Client:
        client = self.clients[name] = Client(self.meeting, name)
        client.answer()
        for source in sources:
            client.attendee.publish(source)
        return client

    def wait(self, seconds: float = 2 * INTERVAL_S) -> None:
        self.clock.advance(seconds)
        settle(self.engine, self.clock.now())
        self.clock.advance(0)

    def names(self, name: str, kind: str) -> set[str]:
        by_id = {client.id: who for who, client in self.clients.items()}
        return {by_id[participant] for participant, _, _ in self.clients[name].shown(kind)}

    def seen(self, name: str) -> set[str]:
        return self.names(name, "video")

    def heard(self, name: str) -> set[str]:
        return self.names(name, "audio")

    def fed(self, name: str) -> set[int]:
        """The producers that feed slots that follow no stage."""
        consumers = (slot.consumer for slot in self.clients[name].attendee.slots._slots)
        return {
            consumer.producer.id for consumer in consumers if consumer is not None and consumer.producer is not None
        }

    def take_floor(self, participant_id: str) -> None:
        self.meeting.scene.speaks(participant_id, (participant_id,))
        self.meeting._arranger._beat.now()

    def follows(self, name: str) -> bool:
        """Whether it hears whoever stands on the stage."""
        return any(slot.position is not None for slot in self.clients[name].attendee.slots._slots)


@pytest.fixture
def make_room() -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def make(**how: Any) -> Room:
        rooms.append(Room(**how))
        return rooms[-1]

    yield make
    for room in rooms:
        room.conference.close()
        room.clock.advance(room.rule.takes_s)  # who was asked answers into the void
        assert room.clock.pending == 0, "a timer outlives the conference"
        room.engine.close()


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


def test_whom_nobody_is_denied_sees_and_hears_as_without_plugins(room: Room) -> None:
    for name in ("ann", "bob", "cid"):
        room.come(name, *BOTH)
    room.wait()
    assert room.seen("ann") == {"bob", "cid"}
    assert room.follows("ann")


def test_each_pair_is_asked_about_once_whatever_happens(room: Room) -> None:
    for name in ("ann", "bob", "cid"):
        room.come(name, *BOTH)
    room.wait()
    pairs = {(pair.subscriber.name, pair.publisher.name, pair.source) for pair in room.rule.pairs}
    assert len(room.rule.pairs) == len(pairs) == 3 * 2 * 2
    ann = room.clients["ann"].attendee
    ann.unpublish(Source.CAMERA)
    ann.publish(Source.CAMERA)
    ann.mute(Source.CAMERA, muted=True)
    room.take_floor(ann.id)
    room.wait()
    assert len(room.rule.pairs) == 12
    room.come("dan")
    room.wait()
    assert len(room.rule.pairs) == 12 + 6
    assert {pair.subscriber.name for pair in room.rule.pairs[12:]} == {"dan"}


def test_what_is_denied_is_never_in_a_slot_and_all_else_is(room: Room) -> None:
    room.deny(("bob", "ann"))
    for name in ("ann", "bob", "cid"):
        room.come(name, *BOTH, Source.SCREEN if name == "ann" else Source.CAMERA)
    room.wait()
    assert room.seen("bob") == {"cid"}
    assert room.seen("cid") == {"ann", "bob"}
    bob = room.clients["bob"].attendee
    bob.show({}, hidden=False, view=View(pins=((room.clients["ann"].id, Source.CAMERA),)))
    room.meeting.moderation  # noqa: B018 - a spotlight is a pin for all
    room.wait()
    assert room.seen("bob") == {"cid"}
    own = {producer.id for producer in room.clients["ann"].attendee.transport.producers.values()}
    assert not room.fed("bob") & own
    assert room.clients["bob"].heard(ViewChanged)[-1].videos == 1, "it is not told to make room for them"


def test_sources_are_decided_one_by_one(room: Room) -> None:
    room.deny(("bob", "ann"), sources=(Source.CAMERA,))
    room.come("ann", *BOTH, Source.SCREEN)
    room.come("bob", *BOTH)
    room.wait()
    assert {source for _, source, _ in room.clients["bob"].shown()} == {"screen"}
    assert room.follows("bob"), "no microphone is denied"


def test_nothing_is_shown_before_it_was_decided(make_room: Callable[..., Room]) -> None:
    room = make_room(takes_s=5.0)
    room.come("ann", *BOTH)
    room.come("bob", *BOTH)
    room.wait(4)
    assert (room.seen("ann"), room.seen("bob")) == (set(), set())
    assert not room.follows("bob")
    staged = room.meeting.voices._staged
    assert staged == {}, "nor is anybody on the stage"
    room.wait(4)
    assert (room.seen("ann"), room.seen("bob")) == ({"bob"}, {"ann"})
    assert len(staged) == 2
    room.come("cid", Source.CAMERA)
    room.wait(4)
    assert room.seen("ann") == {"bob"}, "the others go on"
    assert room.seen("cid") == set()
    room.wait(4)
    assert (room.seen("ann"), room.seen("cid")) == ({"bob", "cid"}, {"ann", "bob"})


def test_who_must_not_hear_somebody_leaves_the_stage_and_hears_the_others_on_it(room: Room) -> None:
    room.deny(("bob", "ann"))
    for name in ("ann", "bob", "cid", "dan", "eve"):
        room.come(name, Source.MICROPHONE)
    room.wait()
    assert not room.follows("bob")
    assert room.follows("cid")
    tracks = {who: client.attendee.sources.tracks[Source.MICROPHONE] for who, client in room.clients.items()}
    stand(room, [tracks["ann"], tracks["cid"], tracks["bob"], tracks["dan"]])
    assert room.heard("bob") == {"cid", "dan"}
    stand(room, [tracks["eve"], tracks["cid"], tracks["ann"], None])
    assert room.heard("bob") == {"cid", "eve"}
    assert not room.fed("bob") & {tracks["ann"].producer.id}  # type: ignore[union-attr]
    room.clients["ann"].attendee.leave()
    assert room.follows("bob"), "there is nobody left whom it must not hear"


def stand(room: Room, places: list[Track | None]) -> None:
    """As the shard tells it: who stands where, the last is the reserve."""
    router = room.meeting._upkeep.router()
    router.stage_changed([None if track is None or track.producer is None else track.producer.id for track in places])


def test_one_who_publishes_a_microphone_again_is_not_heard_by_whom_it_is_denied(room: Room) -> None:
    room.deny(("bob", "ann"))
    ann, _ = room.come("ann", Source.MICROPHONE), room.come("bob", Source.MICROPHONE)
    room.wait()
    ann.attendee.unpublish(Source.MICROPHONE)
    room.wait()
    assert not room.follows("bob")
    ann.attendee.publish(Source.MICROPHONE)
    assert not room.follows("bob")


def test_a_policy_of_ones_own_can_not_show_what_is_denied(make_room: Callable[..., Room]) -> None:
    def everything(scene: Any, receivers: Any) -> list[Feeds]:
        audio = tuple(track for track in scene.tracks if track.source is Source.MICROPHONE)
        return [Feeds(audio, (*scene.cameras, *scene.screens)) for _ in receivers]

    room = make_room(choose_feeds=everything)
    room.deny(("bob", "ann"))
    for name in ("ann", "bob", "cid"):
        room.come(name, *BOTH)
    room.wait()
    assert room.seen("bob") == {"bob", "cid"} == room.heard("bob")


def test_what_can_not_be_decided_is_denied_and_asked_about_again(room: Room) -> None:
    room.rule.fails = True
    room.come("ann", *BOTH)
    room.come("bob", *BOTH)
    room.wait()
    assert room.seen("bob") == set()
    assert not room.follows("bob")
    asked = len(room.rule.pairs)
    room.wait(AGAIN_S)
    assert len(room.rule.pairs) == 2 * asked
    room.rule.fails = False
    room.wait(AGAIN_S + 1)
    assert room.seen("bob") == {"ann"}
    assert room.follows("bob")
    asked = len(room.rule.pairs)
    room.wait(10 * AGAIN_S)
    assert len(room.rule.pairs) == asked


def test_a_decision_can_be_reconsidered_and_stands_until_then(make_room: Callable[..., Room]) -> None:
    room = make_room(takes_s=1.0)
    for name in ("ann", "bob", "cid"):
        room.come(name, *BOTH)
    room.wait(5)
    room.deny(("bob", "ann"), ("ann", "cid"))
    room.meeting.reconsider(room.clients["ann"].id)
    room.wait(0.5)
    assert room.seen("bob") == {"ann", "cid"}
    room.wait(1)
    assert (room.seen("ann"), room.seen("bob"), room.seen("cid")) == ({"bob"}, {"cid"}, {"ann", "bob"})
    assert [room.follows(name) for name in ("ann", "bob", "cid")] == [False, False, True]
    room.deny()
    room.meeting.permissions.assign(room.clients["ann"].attendee, Role.COHOST, frozenset(BOTH), by=None)
    room.wait(2)
    assert (room.seen("ann"), room.seen("bob")) == ({"bob", "cid"}, {"ann", "cid"})
    assert all(room.follows(name) for name in ("ann", "bob", "cid"))


def test_a_big_meeting_is_asked_about_many_pairs_at_a_time(room: Room) -> None:
    people = [Client(room.meeting, f"p{number}") for number in range(120)]
    for client in people:
        client.answer()
        client.attendee.publish(Source.CAMERA)
    room.wait()
    assert len(room.rule.pairs) == 120 * 119
    assert len(room.rule.asked) <= 120 * 119 // MAX_PAIRS + 20
    assert max(len(asked.pairs) for asked in room.rule.asked) <= MAX_PAIRS


def do_something(room: Room, rng: random.Random, step: int) -> None:
    here = [client for client in room.clients.values() if client.id in room.meeting.participants]
    action = rng.randrange(7)
    if action == 0 or len(here) < 2:
        room.come(f"p{step}", *rng.sample(list(Source), rng.randrange(3)))
    elif action == 1 and len(here) > 3:
        rng.choice(here).attendee.leave()
    elif action == 2:
        attendee, source = rng.choice(here).attendee, rng.choice([Source.CAMERA, Source.MICROPHONE])
        (attendee.unpublish if source in attendee.sources.tracks else attendee.publish)(source)
    elif action == 3:
        room.meeting.reconsider(rng.choice(here).id)
    elif action == 4:
        tracks = [track for one in here if (track := one.attendee.sources.tracks.get(Source.MICROPHONE))]
        staged = [track for track in tracks if track.producer and track.producer.id in room.meeting.voices._tracks]
        stand(room, [*rng.sample(staged, min(4, len(staged))), *[None] * 4][:4])
    elif action == 5:
        room.take_floor(rng.choice(here).id)
    else:
        room.clock.advance(rng.choice([0.01, 0.31, 1.0, AGAIN_S]))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_nobody_gets_what_is_denied_or_undecided(make_room: Callable[..., Room], seed: int) -> None:
    """People come, go, publish and are thought about in any order; the plugin takes its time, and fails at times."""
    rng = random.Random(seed)
    room = make_room(takes_s=0.3)
    allowed: dict[tuple[str, str, Source], bool] = {}

    def denies(pair: Pair) -> bool:
        verdict = rng.random() < 0.3
        allowed[pair.subscriber.id, pair.publisher.id, pair.source] = not verdict
        return verdict

    room.rule.denies = denies
    for step in range(150):
        room.rule.fails = rng.random() < 0.2
        do_something(room, rng, step)
        for client in [client for client in room.clients.values() if client.id in room.meeting.participants]:
            for publisher, source, _ in (*client.shown("audio"), *client.shown("video")):
                assert allowed.get((client.id, publisher, Source(source))), (seed, step)
    room.rule.fails, room.rule.denies = False, lambda _: False
    room.wait(2 * AGAIN_S)
    for client in room.clients.values():
        room.meeting.reconsider(client.id)
    room.wait(2 * AGAIN_S)
    assert room.meeting.gate.restricted == {}
