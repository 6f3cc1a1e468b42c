"""Who was in a meeting when its server was lost comes back to its seat. In virtual time; the keeper is a dictionary."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock

from sfu.conference import Attendee, Conference, ConferenceOptions, EndReason, LeaveReason, Meeting, Source
from sfu.conference.admission import Application
from sfu.conference.authority import Caller, Role
from sfu.conference.events import Removed
from sfu.conference.grants import Grants
from sfu.conference.names import digest
from sfu.conference.options import Duplicates
from sfu.conference.records import Access, MeetingRecord
from sfu.conference.returning import GATHER_S, Seat
from sfu.conference.store import MemoryStore
from sfu.conference.waiting import Waiting
from sfu.errors import RemoteError
from sfu.media.engine import Engine

HOST = "the host's token"
BOSS = Caller(Role.HOST)


class Notebook:
    """A ``SeatKeeper`` that writes JSON down."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, str]] = {}
        self.told = 0

    def seated(self, meeting_id: str, seat: Seat) -> None:
        self.told += 1
        self.lines.setdefault(meeting_id, {})[seat.participant_id] = json.dumps(seat.to_json())

    def freed(self, meeting_id: str, seat: Seat) -> None:
        del self.lines[meeting_id][seat.participant_id]

    async def seats(self, meeting_id: str) -> Sequence[Seat]:
        found = [Seat.of_json(json.loads(line)) for line in self.lines.get(meeting_id, {}).values()]
        return [seat for seat in found if seat is not None]


class Servers:
    """One after the other, each with the same store and keeper."""

    def __init__(self, engine: Engine, clock: VirtualClock, **options: Any) -> None:
        self._engine, self._clock = engine, clock
        self._options = ConferenceOptions(**options)
        self.store, self.notebook = MemoryStore(), Notebook()

    def start(self) -> Meeting:
        conference = Conference(
            self._engine, self._clock, self._options, store=self.store, seat_keepers=(self.notebook,)
        )
        return asyncio.run(conference.meeting("standup"))


Make = Callable[..., Servers]


@pytest.fixture
def make(engine: Engine, clock: VirtualClock) -> Make:
    def made(options: dict[str, Any] | None = None, **how: Any) -> Servers:
        servers = Servers(engine, clock, **(options or {}))
        record = replace(MeetingRecord("standup", "", EPOCH, host_digest=digest(HOST)), **how)
        asyncio.run(servers.store.add(record))
        return servers

    return made


def come_back(meeting: Meeting, token: str, name: str = "Ann", **how: Any) -> Attendee:
    found = meeting.admission.apply(Application(name, former_token=token, **how))
    assert isinstance(found, Attendee), "it need not wait"
    return found


def refused(meeting: Meeting, **how: Any) -> str:
    with pytest.raises(RemoteError) as caught:
        meeting.admission.apply(Application("Ann", **how))
    return caught.value.code


def test_who_comes_back_after_a_crash_is_who_it_was(make: Make, clock: VirtualClock) -> None:
    servers = make()
    before = servers.start()
    host = Client(before, "Host", host_token=HOST).attendee
    ann = Client(before, "Ann", audience=True).attendee
    before.permissions.raise_hand(ann, raised=True)
    bob = Client(before, "Bob").attendee
    before.moderation.promote(host.caller, bob.id, Role.COHOST)
    cid = Client(before, "Cid").attendee
    before.moderation.mute(BOSS, cid.id, may_unmute=False)
    clock.advance(GATHER_S)

    after = servers.start()
    assert (len(after.participants), len(after.returning)) == (0, 4)
    again = [come_back(after, one.token, one.name) for one in (ann, bob, cid, host)]
    assert [(one.id, one.name, one.rights) for one in again] == [
        (one.id, one.name, one.rights) for one in (ann, bob, cid, host)
    ]
    assert {one.token for one in again}.isdisjoint(one.token for one in (ann, bob, cid, host)), "a token is new"
    assert again[0].rights.hand == 1
    dan = Client(after, "Dan", audience=True).attendee
    after.permissions.raise_hand(dan, raised=True)
    assert dan.rights.hand == 2, "hands go on"
    assert len(after.returning) == 0


def test_a_seat_is_reserved_for_the_resume_window_and_free_then(make: Make, clock: VirtualClock) -> None:
    servers = make({"max_participants": 2, "resume_window_s": 30.0}, max_participants=2)
    before = servers.start()
    tokens = [Client(before, name).attendee.token for name in ("Ann", "Bob")]
    clock.advance(GATHER_S)
    after = servers.start()
    assert refused(after) == "meeting_full"
    clock.advance(29)
    come_back(after, tokens[0])
    assert refused(after) == "meeting_full"
    clock.advance(1)
    newcomer = after.admission.apply(Application("Cid"))
    assert isinstance(newcomer, Attendee)
    assert refused(after, former_token=tokens[1]) == "meeting_full", "its seat was given away"


def test_who_left_or_was_sent_away_has_no_seat(make: Make, clock: VirtualClock) -> None:
    servers = make()
    before = servers.start()
    ann, bob, cid = (Client(before, name, grants=Grants(token_id=name)).attendee for name in ("Ann", "Bob", "Cid"))
    clock.advance(GATHER_S)
    ann.leave()
    before.admission.remove(BOSS, bob.id)
    before.admission.revoke(token_id="Cid")
    assert servers.notebook.lines["standup"] == {}
    after = servers.start()
    for one in (ann, bob, cid):
        assert come_back(after, one.token).id != one.id


def test_a_server_that_stops_in_order_keeps_the_seats(make: Make) -> None:
    servers = make()
    before = servers.start()
    ann = Client(before, "Ann").attendee
    before.end(EndReason.SERVER_STOPPING)
    assert come_back(servers.start(), ann.token).id == ann.id, "what was gathered is told at the end"


def test_who_comes_back_need_not_wait_nor_find_the_door_open(make: Make, clock: VirtualClock) -> None:
    servers = make(access=Access.WAITING_ROOM)
    before = servers.start()
    host = Client(before, "Host", host_token=HOST).attendee
    waiting = before.admission.apply(Application("Ann"))
    assert isinstance(waiting, Waiting)
    waiting.attach(lambda _event: None, before.admission.room.moved(waiting))
    before.admission.admit(host.caller, waiting.id)
    [ann] = (one for one in before.participants.values() if one.name == "Ann")
    clock.advance(GATHER_S)
    after = servers.start()
    after.admission.is_locked = True
    assert come_back(after, ann.token).id == ann.id
    assert refused(after, former_token="somebody's") == "locked"


def test_an_answer_that_was_lost_is_had_again_by_the_token_of_before(make: Make, clock: VirtualClock) -> None:
    servers = make({"max_participants": 2}, max_participants=2)
    before = servers.start()
    ann = Client(before, "Ann", host_token=HOST).attendee
    bob = Client(before, "Bob").attendee
    clock.advance(GATHER_S)
    after = servers.start()
    come_back(after, bob.token, "Bob").attach(lambda _event: None)
    first = come_back(after, ann.token)
    second = come_back(after, ann.token)
    assert (second.id, second.rights.role) == (ann.id, Role.HOST)
    assert second.token != first.token
    assert [one.name for one in after.participants.values()] == ["Bob", "Ann"], "once"
    second.attach(lambda _event: None)
    assert refused(after, former_token=ann.token) == "meeting_full", "who is there has its own token"


def test_others_are_not_told_that_somebody_left_who_is_back_at_once(make: Make, clock: VirtualClock) -> None:
    servers = make()
    meeting = servers.start()
    bob = Client(meeting, "Bob")
    ann = meeting.join("Ann")
    clock.advance(5)
    assert [view.id for view in bob.told("joined")] == [ann.id]
    bob.events.clear()
    again = come_back(meeting, ann.token)
    clock.advance(5)
    assert again.id == ann.id
    assert (bob.told("joined"), bob.told("left")) == ([], [])
    assert [view.id for view in bob.told("updated")] == [ann.id]


def test_who_lost_its_media_takes_its_own_place_also_before_its_socket_is_missed(make: Make) -> None:
    meeting = make({"max_participants": 1}, max_participants=1).start()
    ann = Client(meeting, "Ann", host_token=HOST)
    again = come_back(meeting, ann.attendee.token)
    assert (again.id, again.rights.role, len(meeting.participants)) == (ann.id, Role.HOST, 1)
    assert [event.reason for event in ann.heard(Removed)] == [LeaveReason.REPLACED]


def test_the_only_one_there_may_take_its_seat_again(make: Make, clock: VirtualClock) -> None:
    meeting = make().start()
    ann = meeting.join("Ann", host_token=HOST)
    again = come_back(meeting, ann.token)
    assert (again.id, again.rights.role) == (ann.id, Role.HOST)
    clock.advance(1)
    assert [one.token for one in meeting.participants.values()] == [again.token]


def test_a_seat_is_of_the_identity_that_had_it(make: Make, clock: VirtualClock) -> None:
    servers = make({"max_participants": 1}, max_participants=1)
    before = servers.start()
    ann = Client(before, "Ann", grants=Grants(identity="ann")).attendee
    clock.advance(GATHER_S)
    after = servers.start()
    assert refused(after, former_token=ann.token, grants=Grants(identity="bob")) == "meeting_full"
    anew = after.admission.apply(Application("Ann", Grants(identity="ann")))
    assert isinstance(anew, Attendee), "its own seat is free for it, by its token alone"
    assert len(after.returning) == 0


def test_an_identity_that_is_in_already_is_in_once(make: Make, clock: VirtualClock) -> None:
    for duplicates in Duplicates:
        servers = make({"duplicates": duplicates})
        before = servers.start()
        ann = Client(before, "Ann", grants=Grants(identity="ann")).attendee
        clock.advance(GATHER_S)
        after = servers.start()
        elsewhere = after.join("Ann", grants=Grants(identity="ann"))
        elsewhere.attach(lambda _event: None)
        if duplicates is Duplicates.REJECT:
            assert refused(after, former_token=ann.token, grants=Grants(identity="ann")) == "duplicate_identity"
        else:
            come_back(after, ann.token, grants=Grants(identity="ann"))
        assert len(after.participants) == 1


def test_what_a_token_limits_is_limited_still(make: Make, clock: VirtualClock) -> None:
    servers = make()
    before = servers.start()
    grants = Grants(publish=frozenset({Source.MICROPHONE}), max_bps=100_000, session_s=60.0)
    ann = Client(before, "Ann", grants=grants).attendee
    bob = Client(before, "Bob", grants=Grants(session_s=20.0)).attendee
    clock.advance(15)
    after = servers.start()
    again = come_back(after, ann.token)
    assert (again.rights.publish, again.grants.max_bps) == (frozenset({Source.MICROPHONE}), 100_000)
    assert again.grants.session_s == pytest.approx(45)
    clock.advance(10)
    assert refused(after, former_token=bob.token) == "unauthorized", "its time is over"


def test_what_was_revoked_meanwhile_has_no_seat(make: Make, clock: VirtualClock) -> None:
    servers = make()
    before = servers.start()
    ann = Client(before, "Ann", grants=Grants(identity="ann", token_id="t")).attendee
    clock.advance(GATHER_S)
    after = servers.start()
    after.admission.revoke(identity="ann")
    assert (len(after.returning), come_back(after, ann.token).id == ann.id) == (0, False)


def test_a_host_who_does_not_come_back_is_succeeded(make: Make, clock: VirtualClock) -> None:
    servers = make()
    before = servers.start()
    host = Client(before, "Host", host_token=HOST).attendee
    bob = Client(before, "Bob").attendee
    before.moderation.promote(host.caller, bob.id, Role.COHOST)
    clock.advance(GATHER_S)
    after = servers.start()
    again = come_back(after, bob.token)
    again.attach(lambda _event: None)
    assert again.rights.role is Role.COHOST
    clock.advance(30)
    assert again.rights.role is Role.HOST


def test_keepers_are_told_of_changes_alone_and_not_of_each(make: Make, clock: VirtualClock) -> None:
    servers = make()
    meeting = servers.start()
    ann = Client(meeting, "Ann")
    for raised in (True, False, True):
        meeting.permissions.raise_hand(ann.attendee, raised=raised)
    clock.advance(GATHER_S)
    assert servers.notebook.told == 1
    ann.answer()
    ann.attendee.publish(Source.MICROPHONE)
    clock.advance(5)
    assert servers.notebook.told == 1, "what it publishes is not of its seat"


def test_no_seat_has_a_token_in_it(make: Make, clock: VirtualClock) -> None:
    servers = make()
    ann = Client(servers.start(), "Ann", host_token=HOST).attendee
    clock.advance(GATHER_S)
    [line] = servers.notebook.lines["standup"].values()
    assert ann.token not in line
    assert HOST not in line
    assert Seat.of_json(json.loads(line)) == Seat.of(ann)


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], {}, {"participant_id": 7}, {"participant_id": "a", "role": "king"}]
)
def test_what_is_no_seat_is_none(value: Any) -> None:
    assert Seat.of_json(value) is None
