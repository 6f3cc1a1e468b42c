"""The life of a meeting against a model, over SQLite: who comes, waits, is let in, sent away, removed, promoted,
leaves; the server is killed and started again; and in the end everything is as the model says.

A kill leaves what was noted either in the database or, as while that is away, in the journal. What a kill in the last
tenth of a second takes with it is a matter of ``tests/unit/conference/test_chat.py``.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.clock import EPOCH, VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Attendee, Conference, ConferenceOptions, Meeting
from sfu.conference.admission import Application
from sfu.conference.authority import Caller, Role
from sfu.conference.events import Event
from sfu.conference.grants import GUEST, Grants
from sfu.conference.ledger import Fact
from sfu.conference.names import digest
from sfu.conference.records import Access, MeetingRecord
from sfu.conference.returning import GATHER_S
from sfu.conference.rights import Rules
from sfu.conference.standings import DENIED_FOR
from sfu.conference.waiting import Waiting, WaitingOptions
from sfu.errors import RemoteError
from sfu.store.database import Database
from sfu.store.journal import Journal
from sfu.store.sql_store import SqlStore
from sfu.store.tables import metadata
from sfu.store.writer import Writer

HOST_TOKEN = "the host's token"
BOSS = Caller(Role.HOST)
WINDOW_S = 30.0
PLACES = 3

HOST, ANN, BOB, CID, DAN = range(5)
WHO = {
    HOST: GUEST,
    ANN: Grants(identity="ann"),
    BOB: Grants(identity="bob", token_id="bob's", browser=digest("bob's")),
    CID: Grants(browser=digest("cid's")),
    DAN: GUEST,
}
KNOWN = {ANN, BOB, CID}
anybody = st.sampled_from(sorted(WHO))


@dataclass
class Place:
    """Of somebody who is in, or whose seat is reserved."""

    id: str
    token: str
    role: Role
    hand: bool = False
    until: float = 0.0
    """When its seat is free, of who was in when the server was killed."""


@dataclass
class Model:
    """What should be."""

    access: Access
    here: dict[int, Place] = field(default_factory=dict)
    """In the order of joining."""
    seats: dict[int, Place] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    admitted: set[int] = field(default_factory=set)
    denied: dict[int, float] = field(default_factory=dict)
    appointed: dict[int, Role] = field(default_factory=dict)
    locked: bool = False
    may_unmute: bool = True
    ended: bool = False
    said: list[tuple[int, str]] = field(default_factory=list)

    def answer(self, who: int, now: float, *, back: bool) -> str:
        """To somebody who wants to join: ``in``, ``back``, ``waiting``, or why not."""
        if who in self.removed:
            return "removed"
        if back and who in self.seats:
            return "back"
        own = who in self.seats and who in {ANN, BOB}
        full = len(self.here) + len(self.seats) - own >= PLACES
        if self.role(who) is not Role.PARTICIPANT:
            return "meeting_full" if full else "in"
        if self.locked:
            return "locked"
        if self.access is Access.WAITING_ROOM and who not in self.admitted:
            return "denied" if now - self.denied.get(who, -1e9) < DENIED_FOR.total_seconds() else "waiting"
        return "meeting_full" if full else "in"

    def role(self, who: int) -> Role:
        return Role.HOST if who == HOST else self.appointed.get(who, Role.PARTICIPANT)

    def succeed(self) -> None:
        """A host is missing."""
        if not any(place.role is Role.HOST for place in self.here.values()):
            heir = next((place for place in self.here.values() if place.role is Role.COHOST), None)
            if heir is not None:
                heir.role = Role.HOST

    def gone(self, who: int) -> None:
        if self.here.pop(who).role is Role.HOST:
            self.succeed()
        self.emptied()

    def emptied(self) -> None:
        if not self.here and not self.seats:
            self.may_unmute = True

    def seats_are_free(self) -> None:
        seats, self.seats = self.seats, {}
        if any(place.role is Role.HOST for place in seats.values()):
            self.succeed()
        self.emptied()


class Notes:
    """A ``Ledger`` that the test empties."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.facts: list[Fact] = []

    def note(self, fact: Fact) -> None:
        self.facts.append(fact)

    defer = note

    async def settle(self) -> bool:
        facts, self.facts = self.facts, []
        await self._store.bring(facts)
        return True


class Life(RuleBasedStateMachine):
    meeting: Meeting

    @initialize(access=st.sampled_from([Access.OPEN, Access.WAITING_ROOM]))
    def begin(self, access: Access) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="sfu-life-")
        self.path = Path(self.folder.name)
        self.runner = asyncio.Runner()
        self.clock = VirtualClock()
        self.engine, _ = sim_engine()
        self.model = Model(access)
        self.numbers = 0
        self.database = Database.in_file(self.path / "sfu.db")
        self.run(self.make(access))
        self.start()

    async def make(self, access: Access) -> None:
        async with self.database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        rules, digest_of_host = Rules(keep_chat=True), digest(HOST_TOKEN)
        record = MeetingRecord("life", "", EPOCH, rules, digest_of_host, access=access, max_participants=PLACES)
        await SqlStore(self.database, "node").add(record)
        await self.database.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def start(self) -> None:
        """As ``runtime.storage`` does."""
        self.database = Database.in_file(self.path / "sfu.db")
        store = SqlStore(self.database, "node")
        writer = Writer(store, Journal(self.path / "journal", 1 << 20))

        async def replay() -> None:
            await writer.start()
            await writer.close()
            now = self.clock.wall()
            await store.end_left_over(now, now + timedelta(seconds=WINDOW_S))

        self.run(replay())
        self.store, self.notes = store, Notes(store)
        waiting = WaitingOptions(longest_s=1e9)
        options = ConferenceOptions(resume_window_s=WINDOW_S, empty_meeting_s=1e9, waiting=waiting)
        self.conference = Conference(self.engine, self.clock, options, store=store, ledger=self.notes)
        self.model.waiting.clear()

    def open(self) -> None:
        self.meeting = self.run(self.conference.meeting("life"))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.database.close())
            self.runner.close()
            self.engine.close()
            self.folder.cleanup()

    # who comes and goes

    @precondition(lambda self: not self.model.ended)
    @rule(who=anybody, back=st.booleans())
    def join(self, who: int, back: bool) -> None:
        model = self.model
        seat = model.seats.get(who)
        if who in model.here or who in model.waiting or (seat and not back and who not in {ANN, BOB}):
            return  # of a guest who comes anew nobody knows that it is the same
        self.open()
        expected = model.answer(who, self.clock.now(), back=back)
        application = Application(
            f"Person {who}",
            WHO[who],
            host_token=HOST_TOKEN if who == HOST else None,
            former_token=seat.token if back and seat else None,
        )
        if expected not in {"in", "back", "waiting"}:
            with pytest.raises(RemoteError) as caught:
                self.meeting.admission.apply(application)
            assert caught.value.code == expected
            return
        found = self.meeting.admission.apply(application)
        if isinstance(found, Waiting):
            assert expected == "waiting"
            found.attach(lambda _event: None, self.meeting.admission.room.moved(found))
            model.waiting[who] = found
            return
        assert expected in {"in", "back"}
        if expected == "back":
            assert seat is not None
            assert found.id == seat.id
            assert found.token != seat.token
            model.here[who] = Place(seat.id, found.token, seat.role, seat.hand)
            del model.seats[who]
        else:
            if who in {ANN, BOB}:
                model.seats.pop(who, None)
            model.here[who] = Place(found.id, found.token, model.role(who))
        self.stays(found)

    def stays(self, attendee: Attendee) -> None:
        """It has a socket."""

        def hear(_event: Event) -> None:
            pass

        attendee.attach(hear)

    @rule(who=anybody)
    def leave(self, who: int) -> None:
        if who in self.model.here:
            self.attendee(who).leave()
            self.model.gone(who)

    def attendee(self, who: int) -> Attendee:
        found = self.meeting.participants[self.model.here[who].id]
        assert isinstance(found, Attendee)
        return found

    # what hosts do

    @rule(who=anybody)
    def admit(self, who: int) -> None:
        waiting = self.model.waiting.get(who)
        if waiting is None:
            return
        if len(self.model.here) + len(self.model.seats) >= PLACES:
            with pytest.raises(RemoteError, match="meeting has its"):
                self.meeting.admission.admit(BOSS, waiting.id)
            return
        self.meeting.admission.admit(BOSS, waiting.id)
        if who in {ANN, BOB}:
            self.model.seats.pop(who, None)
        [found] = (one for one in self.meeting.participants.values() if one.name == f"Person {who}")
        assert isinstance(found, Attendee)
        self.model.here[who] = Place(found.id, found.token, self.model.role(who))
        del self.model.waiting[who]
        if who in KNOWN:
            self.model.admitted.add(who)
            self.model.denied.pop(who, None)
        self.stays(found)

    @rule(who=anybody)
    def deny(self, who: int) -> None:
        waiting = self.model.waiting.pop(who, None)
        if waiting is not None:
            self.meeting.admission.deny(BOSS, waiting.id)
            if who in KNOWN:
                self.model.denied[who] = self.clock.now()
                self.model.admitted.discard(who)

    @rule(who=st.sampled_from([ANN, BOB, CID, DAN]))
    def remove(self, who: int) -> None:
        place = self.model.here.get(who)
        if place is None or place.role is Role.HOST:
            return
        self.meeting.admission.remove(BOSS, place.id)
        self.model.gone(who)
        if who in KNOWN:
            self.model.removed.add(who)

    @rule(who=anybody, up=st.booleans())
    def promote(self, who: int, up: bool) -> None:
        place = self.model.here.get(who)
        wanted, before = (Role.COHOST, Role.PARTICIPANT) if up else (Role.PARTICIPANT, Role.COHOST)
        if place is None or place.role is not before:
            return
        (self.meeting.moderation.promote if up else self.meeting.moderation.demote)(BOSS, place.id, wanted)
        place.role, place.hand = wanted, False
        if who in {ANN, BOB}:
            self.model.appointed[who] = wanted

    @precondition(lambda self: hasattr(self, "meeting") and not self.model.ended)
    @rule(locked=st.booleans())
    def lock(self, locked: bool) -> None:
        self.open()
        self.meeting.admission.lock(BOSS, locked=locked)
        self.model.locked = locked

    @rule(allowed=st.booleans())
    def allow_unmute(self, allowed: bool) -> None:
        if self.model.here:
            self.meeting.moderation.allow_unmute(BOSS, allowed=allowed)
            self.model.may_unmute = allowed

    # what those do who are in

    @rule(who=anybody, raised=st.booleans())
    def hand(self, who: int, raised: bool) -> None:
        if who in self.model.here:
            self.meeting.permissions.raise_hand(self.attendee(who), raised=raised)
            self.model.here[who].hand = raised

    @rule(who=anybody)
    def say(self, who: int) -> None:
        if who not in self.model.here:
            return
        self.wait(1.0)
        self.numbers += 1
        seq = self.meeting.chat.say(self.attendee(who), f"line {self.numbers}")
        assert seq > max((one for one, _ in self.model.said), default=0)
        self.model.said.append((seq, f"line {self.numbers}"))
        self.clock.advance(GATHER_S)

    # what happens

    @rule(seconds=st.sampled_from([5.0, 40.0, 400.0]))
    def wait(self, seconds: float) -> None:
        """Of the window of who comes back nothing is left after 40 s, and of it much after 5."""
        self.clock.advance(seconds)
        if self.clock.now() >= self.free_at and self.model.seats:
            self.model.seats_are_free()

    free_at = 0.0

    @precondition(lambda self: not self.model.ended)
    @rule(in_journal=st.booleans(), twice=st.booleans(), later_s=st.sampled_from([0.0, 1.0, 60.0]))
    def crash(self, in_journal: bool, twice: bool, later_s: float) -> None:
        """And it is started again, at once or ``later_s`` after that somebody asks for the meeting."""
        self.clock.advance(GATHER_S)
        self.drop(in_journal=in_journal, twice=twice)
        self.start()
        model = self.model
        for place in model.here.values():
            place.until = self.clock.now() + WINDOW_S
        self.clock.advance(later_s)
        seats, model.here = {**model.seats, **model.here}, {}
        model.seats = {who: place for who, place in seats.items() if place.until > self.clock.now()}
        self.open()
        self.free_at = self.clock.now() + WINDOW_S
        model.emptied()

    def drop(self, *, in_journal: bool, twice: bool) -> None:
        """What a kill leaves. Nothing of the process is asked to say goodbye."""
        facts, self.notes.facts = self.notes.facts, []
        if in_journal:
            journal = Journal(self.path / "journal", 1 << 20)
            for _ in range(1 + twice):
                journal.append(facts)
            journal.close()
        else:
            self.run(self.store.bring(facts))
        self.run(self.database.close())
        self.engine.close()
        before, self.clock = self.clock, VirtualClock()
        self.clock.advance(before.now() - self.clock.now())
        self.engine, _ = sim_engine()

    @precondition(lambda self: hasattr(self, "meeting") and not self.model.ended)
    @rule()
    def end(self) -> None:
        self.run(self.conference.end_meeting("life"))
        self.model.ended = True
        self.model.here.clear()
        self.model.seats.clear()
        self.model.waiting.clear()

    # and always

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if not hasattr(self, "meeting"):
            return
        model, meeting = self.model, self.meeting
        if model.ended:
            assert not self.conference.meetings
            return
        here = {one.id: (one.rights.role, one.rights.hand is not None) for one in meeting.participants.values()}
        assert here == {place.id: (place.role, place.hand) for place in model.here.values()}
        assert len(meeting.returning) == len(model.seats)
        assert meeting.admission.is_locked is model.locked
        assert meeting.permissions.may_unmute is model.may_unmute
        assert {one.id for one in meeting.admission.room} == {one.id for one in model.waiting.values()}

    @invariant()
    def rows_say_who_is_there_and_what_was_said(self) -> None:
        if not hasattr(self, "meeting"):
            return
        self.run(self.notes.settle())
        stays = self.run(self.store.participants("life", None, 200, current=True)).items
        expected = {(place.id, place.role.value, place.role is Role.HOST) for place in self.model.here.values()}
        assert {(stay.participant_id, stay.role, stay.is_host) for stay in stays} == expected
        assert [(line.seq, line.text) for line in self.run(self.store.said("life"))] == self.model.said


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=25, max_examples=15, deadline=None, derandomize=True)
