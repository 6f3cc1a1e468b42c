"""The door of a meeting: who comes in, who waits and for what, who stays out. In virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock

from sfu.conference import Attendee, Conference, ConferenceOptions, LeaveReason, Meeting
from sfu.conference.admission import BATCH, Application
from sfu.conference.authority import Caller, Role
from sfu.conference.events import Admitted, Denied, DenyReason, LockChanged, Removed, WaitingMoved, WaitingRoomChanged
from sfu.conference.grants import Grants
from sfu.conference.names import digest
from sfu.conference.options import Duplicates
from sfu.conference.records import Access, MeetingRecord
from sfu.conference.store import MemoryStore
from sfu.conference.waiting import ABSENT_S, Waiting, WaitingOptions
from sfu.errors import RemoteError
from sfu.media.engine import Engine

HOST = "the host's token"
LINK = "the join token"
BOSS = Caller(Role.HOST)

Make = Callable[..., Meeting]


class Knocking:
    """One who waits, with its socket and what it heard."""

    def __init__(self, meeting: Meeting, name: str = "Ann", **how: Any) -> None:
        found = meeting.admission.apply(Application(name, **how))
        assert isinstance(found, Waiting), "it has to wait"
        self.meeting, self.waiting = meeting, found
        self.heard: list[WaitingMoved | Admitted | Denied] = []
        found.attach(self.heard.append, meeting.admission.room.moved(found))

    @property
    def told(self) -> WaitingMoved:
        moved = [event for event in self.heard if isinstance(event, WaitingMoved)]
        return moved[-1] if moved else self.waiting.told  # type: ignore[return-value]

    @property
    def is_in(self) -> bool:
        return any(isinstance(event, Admitted) for event in self.heard)

    @property
    def denied(self) -> DenyReason | None:
        return next((event.reason for event in self.heard if isinstance(event, Denied)), None)


@pytest.fixture
def make(engine: Engine, clock: VirtualClock) -> Make:
    def made(waiting: WaitingOptions | None = None, **how: Any) -> Meeting:
        options = ConferenceOptions(waiting=waiting or WaitingOptions(), **how.pop("options", {}))
        store = MemoryStore()
        conference = Conference(engine, clock, options, store=store)
        record = replace(MeetingRecord("standup", "", EPOCH, host_digest=digest(HOST)), **how)
        asyncio.run(store.add(record))
        return asyncio.run(conference.meeting("standup"))

    return made


def enter(meeting: Meeting, name: str = "Ann", **how: Any) -> Attendee:
    found = meeting.admission.apply(Application(name, **how))
    assert isinstance(found, Attendee), "it need not wait"
    return found


def refused(meeting: Meeting, **how: Any) -> str:
    with pytest.raises(RemoteError) as caught:
        meeting.admission.apply(Application("Ann", **how))
    return caught.value.code


def host_of(meeting: Meeting) -> Client:
    return Client(meeting, "Host", host_token=HOST)


# the link


def test_a_meeting_that_asks_for_a_token_takes_nobody_without(make: Make) -> None:
    meeting = make(access=Access.TOKEN, join_digest=digest(LINK))
    assert refused(meeting) == "join_token_required"
    assert refused(meeting, join_token="wrong") == "join_token_required"
    enter(meeting, join_token=LINK)
    enter(meeting, grants=Grants(token_id="signed by the operator"))
    enter(meeting, host_token=HOST)


def test_a_meeting_whose_link_was_withdrawn_takes_no_empty_token(make: Make) -> None:
    meeting = make(access=Access.TOKEN)
    assert refused(meeting, join_token="") == "join_token_required"


def test_a_join_token_expires(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.TOKEN, join_digest=digest(LINK), join_expires_at=EPOCH + timedelta(seconds=60))
    enter(meeting, join_token=LINK)
    clock.advance(60)
    assert refused(meeting, join_token=LINK) == "join_token_required"


def test_who_came_by_a_link_leaves_when_it_is_revoked_and_others_stay(make: Make) -> None:
    meeting = make(access=Access.TOKEN, join_digest=digest(LINK))
    by_link, by_token = enter(meeting, join_token=LINK), enter(meeting, grants=Grants(token_id="t"))
    assert meeting.admission.revoke(link=digest(LINK)) == 1
    assert list(meeting.participants) == [by_token.id]
    assert by_link.id not in meeting.participants


def test_another_join_token_ends_the_stays_by_the_one_before(conference: Conference) -> None:
    meeting = asyncio.run(conference.create_meeting())
    by_link = enter(meeting, join_token=meeting.join_token)
    other = enter(meeting)
    _, token = asyncio.run(conference.new_join_token(meeting.id))
    assert list(meeting.participants) == [other.id]
    assert enter(meeting, join_token=token).grants.link == digest(token) != by_link.grants.link


# the waiting room


def test_in_a_waiting_room_one_waits_for_a_host_and_comes_in_with_its_word(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host = host_of(meeting)
    ann, bob = Knocking(meeting, "Ann"), Knocking(meeting, "Bob")
    assert (ann.told, bob.told) == (WaitingMoved(1, "admission"), WaitingMoved(2, "admission"))
    meeting.admission.admit(BOSS, bob.waiting.id)
    assert (ann.is_in, bob.is_in) == (False, True)
    assert [who.name for who in meeting.participants.values()] == ["Host", "Bob"]
    meeting.admission.deny(BOSS, ann.waiting.id)
    assert ann.denied is DenyReason.DENIED
    assert len(meeting.admission.room) == 0
    assert host.id in meeting.participants


def test_who_moves_up_is_told(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    people = [Knocking(meeting, str(number)) for number in range(3)]
    meeting.admission.deny(BOSS, people[0].waiting.id)
    clock.advance(1)
    assert [person.told.position for person in people[1:]] == [1, 2]
    heard = len(people[1].heard)
    clock.advance(10)
    assert len(people[1].heard) == heard, "what did not change is not told again"


def test_hosts_are_told_who_waits_and_nobody_else_is(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host, guest = host_of(meeting), Client(meeting, "Guest")
    ann = Knocking(meeting, "Ann", grants=Grants(identity="ann"))
    bob = Knocking(meeting, "Bob")
    clock.advance(1)
    joined = [view for event in host.heard(WaitingRoomChanged) for view in event.joined]
    assert [(view.name, view.known, view.reason) for view in joined] == [
        ("Ann", True, "admission"), ("Bob", False, "admission")
    ]  # fmt: skip
    meeting.admission.admit(BOSS, ann.waiting.id)
    meeting.admission.deny(BOSS, bob.waiting.id)
    clock.advance(1)
    last = host.heard(WaitingRoomChanged)[-1]
    assert (last.total, guest.heard(WaitingRoomChanged)) == (0, [])
    assert {left for event in host.heard(WaitingRoomChanged) for left in event.left} == {ann.waiting.id, bob.waiting.id}


def test_what_hosts_hear_in_one_message_is_bounded_and_nobody_is_forgotten(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host = host_of(meeting)
    for number in range(250):
        meeting.admission.apply(Application(str(number)))
    clock.advance(5)
    told = [view.name for event in host.heard(WaitingRoomChanged) for view in event.joined]
    assert told == [str(number) for number in range(250)]
    assert max(len(event.joined) for event in host.heard(WaitingRoomChanged)) <= 100
    first = meeting.admission.page(BOSS, None, 200)
    second = meeting.admission.page(BOSS, first.next, 200)
    assert [view.name for view in (*first.waiting, *second.waiting)] == told
    assert (second.next, second.total) == (None, 250)


def test_one_who_is_let_in_while_its_socket_is_away_comes_in_when_it_is_back(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host_of(meeting)
    ann = Knocking(meeting)
    ann.waiting.detach(ann.heard.append, meeting.clock.now())
    meeting.admission.admit(BOSS, ann.waiting.id)
    assert not ann.is_in
    ann.waiting.attach(ann.heard.append, meeting.admission.room.moved(ann.waiting))
    meeting.admission.review()
    assert ann.is_in


def test_who_waits_without_a_socket_has_gone_away(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    ann = Knocking(meeting)
    meeting.admission.apply(Application("Nobody"))
    clock.advance(ABSENT_S + 1)
    assert [waiting.name for waiting in meeting.admission.room] == ["Ann"]
    assert ann.denied is None


def test_nobody_waits_for_ever(make: Make, clock: VirtualClock) -> None:
    ann = Knocking(make(WaitingOptions(longest_s=600), access=Access.WAITING_ROOM))
    clock.advance(599)
    assert ann.denied is None
    clock.advance(2)
    assert ann.denied is DenyReason.TIMEOUT


def test_so_many_wait_and_no_more(make: Make) -> None:
    meeting = make(WaitingOptions(max_waiting=2), access=Access.WAITING_ROOM)
    Knocking(meeting)
    Knocking(meeting)
    assert refused(meeting) == "waiting_room_full"
    host_of(meeting)


def test_an_identity_waits_once(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    first = Knocking(meeting, grants=Grants(identity="ann"))
    Knocking(meeting, grants=Grants(identity="ann"))
    assert (first.denied, len(meeting.admission.room)) == (DenyReason.REPLACED, 1)


def test_who_asks_again_keeps_its_place_and_what_a_host_said(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host_of(meeting)
    first = Knocking(meeting, grants=Grants(identity="ann"))
    last = Knocking(meeting)
    again = Knocking(meeting, grants=Grants(identity="ann"))
    assert again.waiting.id == first.waiting.id
    assert [one.id for one in meeting.admission.room] == [again.waiting.id, last.waiting.id]
    assert (meeting.admission.room.moved(again.waiting).position, again.waiting.token == first.waiting.token) == (
        1,
        False,
    )
    meeting.admission.admit(BOSS, first.waiting.id)
    assert (again.is_in, first.is_in) == (True, False)


def test_a_page_that_was_reloaded_waits_once(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    guest = Grants(browser=digest("b"))
    first = Knocking(meeting, grants=guest)
    Knocking(meeting, grants=guest)
    assert len(meeting.admission.room) == 2, "another tab"
    first.waiting.detach(first.heard.append, meeting.clock.now())
    Knocking(meeting, grants=guest)
    assert len(meeting.admission.room) == 2
    Knocking(meeting)
    Knocking(meeting)
    assert len(meeting.admission.room) == 4


def test_the_leaky_bucket_lets_in_at_its_rate_in_order(make: Make, clock: VirtualClock) -> None:
    meeting = make(WaitingOptions(admit_per_s=0.5), access=Access.WAITING_ROOM)
    people = [Knocking(meeting, str(number)) for number in range(6)]
    counts = []
    for _ in range(12):
        clock.advance(1)
        counts.append(len(meeting.participants))
    assert counts == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert [who.name for who in meeting.participants.values()] == [person.waiting.name for person in people]


def test_the_bucket_does_not_gather_turns_while_nobody_waits(make: Make, clock: VirtualClock) -> None:
    meeting = make(WaitingOptions(admit_per_s=2), access=Access.WAITING_ROOM)
    clock.advance(100)
    for number in range(10):
        Knocking(meeting, str(number))
    clock.advance(1)
    assert len(meeting.participants) == 2


def test_a_token_with_a_role_need_not_wait_and_one_without_does(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    enter(meeting, grants=Grants(identity="ann", token_id="t", role=Role.PARTICIPANT))
    Knocking(meeting, grants=Grants(identity="bob", token_id="u"))


def test_the_end_of_the_meeting_is_told_to_those_who_wait(make: Make, clock: VirtualClock) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    ann = Knocking(meeting)
    before = clock.pending
    meeting.end()
    assert ann.denied is DenyReason.ENDED
    assert clock.pending < before
    clock.advance(10_000)
    assert clock.pending == 0


# hour and host


def test_nobody_comes_in_before_the_hour_but_hosts_do(make: Make, clock: VirtualClock) -> None:
    meeting = make(not_before=EPOCH + timedelta(seconds=90))
    ann = Knocking(meeting)
    assert ann.told == WaitingMoved(1, "not_before")
    enter(meeting, "Host", host_token=HOST)
    clock.advance(89)
    assert not ann.is_in
    clock.advance(2)
    assert ann.is_in
    enter(meeting)


def test_long_before_the_hour_nobody_waits(make: Make) -> None:
    assert refused(make(not_before=EPOCH + timedelta(days=1))) == "too_early"


def test_in_the_lobby_one_waits_until_a_host_comes(make: Make, clock: VirtualClock) -> None:
    meeting = make(lobby=True)
    people = [Knocking(meeting, str(number)) for number in range(3)]
    assert people[0].told == WaitingMoved(1, "host")
    clock.advance(20)
    assert not people[0].is_in
    enter(meeting, "Host", host_token=HOST)
    assert all(person.is_in for person in people)
    enter(meeting, "Late")


def test_many_who_waited_come_in_by_batches(make: Make, clock: VirtualClock) -> None:
    meeting = make(lobby=True)
    for number in range(2 * BATCH):
        Knocking(meeting, str(number))
    host_of(meeting)
    assert len(meeting.participants) == 1 + BATCH
    clock.advance(1)
    assert len(meeting.participants) == 1 + 2 * BATCH


def test_a_meeting_in_whose_lobby_somebody_waits_does_not_expire(make: Make, clock: VirtualClock) -> None:
    meeting = make(lobby=True, options={"empty_meeting_s": 10})
    ann = Knocking(meeting)
    clock.advance(60)
    host_of(meeting)
    assert ann.is_in


def test_who_has_the_meeting_is_its_host_by_identity(make: Make) -> None:
    meeting = make(lobby=True, host="ann")
    Knocking(meeting, grants=Grants(identity="bob", token_id="b"))
    assert enter(meeting, grants=Grants(identity="ann", token_id="a")).rights.role is Role.HOST
    guest = enter(meeting, grants=Grants(identity="ann2", token_id="c"))
    assert guest.rights.role is Role.PARTICIPANT


# places


def test_a_meeting_takes_as_many_as_its_record_says(make: Make) -> None:
    meeting = make(max_participants=2)
    enter(meeting)
    enter(meeting)
    assert refused(meeting) == "meeting_full"
    assert refused(meeting, host_token=HOST) == "meeting_full"


def test_who_lost_its_connection_keeps_its_place_for_the_resume_window(make: Make, clock: VirtualClock) -> None:
    meeting = make(max_participants=1)
    ann = Client(meeting, "Ann")
    ann.attendee.detach(ann.events.append)
    clock.advance(29)
    assert refused(meeting) == "meeting_full"
    ann.attendee.attach(ann.events.append)
    clock.advance(60)
    assert refused(meeting) == "meeting_full"
    ann.attendee.detach(ann.events.append)
    clock.advance(30)
    enter(meeting, "Bob")


def test_who_was_let_in_comes_before_who_comes_later(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM, max_participants=2)
    host_of(meeting)
    guest = enter(meeting, "Speaker", grants=Grants(role=Role.PARTICIPANT))
    ann = Knocking(meeting)
    with pytest.raises(RemoteError) as caught:
        meeting.admission.admit(BOSS, ann.waiting.id)
    assert caught.value.code == "meeting_full"
    assert meeting.admission.admit_all(BOSS) == 1
    assert not ann.is_in
    assert meeting.admission.room.moved(ann.waiting).reason == "place"
    guest.leave()
    assert ann.is_in
    assert refused(meeting, grants=Grants(role=Role.PARTICIPANT)) == "meeting_full"


# the same person


def test_an_identity_that_comes_again_takes_its_own_place(make: Make) -> None:
    meeting = make(max_participants=2)
    first = Client(meeting, "Ann", grants=Grants(identity="ann"))
    enter(meeting, "Bob")
    again = enter(meeting, grants=Grants(identity="ann"))
    assert first.heard(Removed) == [Removed(LeaveReason.REPLACED)]
    assert list(meeting.participants)[-1] == again.id
    assert len(meeting.participants) == 2


def test_a_replaced_place_is_not_given_to_who_waits(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM, max_participants=1)
    known = Grants(identity="ann", role=Role.PARTICIPANT)
    enter(meeting, grants=known)
    bob = Knocking(meeting, "Bob")
    meeting.admission.admit_all(BOSS)
    with pytest.raises(RemoteError):
        enter(meeting, "Cid", grants=Grants(identity="cid", role=Role.PARTICIPANT))
    meeting.join("Ann", grants=known)
    assert (bob.is_in, len(meeting.participants)) == (False, 1)


def test_an_identity_may_be_refused_while_it_is_in(make: Make) -> None:
    meeting = make(options={"duplicates": Duplicates.REJECT})
    ann = enter(meeting, grants=Grants(identity="ann"))
    assert refused(meeting, grants=Grants(identity="ann")) == "duplicate_identity"
    ann.leave()
    enter(meeting, grants=Grants(identity="ann"))


def test_guests_are_all_different(make: Make) -> None:
    meeting = make()
    enter(meeting)
    enter(meeting)
    assert len(meeting.participants) == 2


# hosts


def test_nobody_comes_into_a_locked_meeting_but_hosts(make: Make) -> None:
    meeting = make(lobby=True)
    ann = Knocking(meeting)
    meeting.admission.lock(BOSS, locked=True)
    host = host_of(meeting)
    assert not ann.is_in, "also not who waited"
    assert refused(meeting) == "locked"
    meeting.admission.admit(BOSS, ann.waiting.id)
    assert ann.is_in, "a host's word counts more"
    meeting.admission.lock(BOSS, locked=False)
    meeting.admission.lock(BOSS, locked=False)
    assert host.heard(LockChanged) == [LockChanged(locked=False)]
    enter(meeting)


@pytest.mark.parametrize(
    "grants",
    [Grants(identity="ann"), Grants(token_id="t"), Grants(browser=digest("b"))],
    ids=["identity", "token", "browser"],
)
def test_who_was_removed_stays_out_by_whatever_it_is_known(make: Make, grants: Grants) -> None:
    meeting = make()
    ann = Client(meeting, "Ann", grants=grants)
    meeting.admission.remove(BOSS, ann.id)
    assert ann.heard(Removed) == [Removed(LeaveReason.REMOVED)]
    assert refused(meeting, grants=grants) == "removed"
    with pytest.raises(RemoteError):
        meeting.admission.require_open(grants, None)
    with pytest.raises(RemoteError):
        meeting.join("Ann", grants=grants)
    enter(meeting, grants=Grants(identity="bob", token_id="u", browser=digest("c")))


def test_hosts_alone_open_and_close_the_door_and_do_not_remove_each_other(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM)
    host, ann = host_of(meeting), Knocking(meeting)
    door = meeting.admission
    for nobody in (Caller(Role.PARTICIPANT), Caller(Role.AUDIENCE)):
        for attempt in (
            partial(door.lock, nobody, locked=True),
            partial(door.page, nobody, None, 1),
            partial(door.admit, nobody, ann.waiting.id),
            partial(door.admit_all, nobody),
            partial(door.deny, nobody, ann.waiting.id),
            partial(door.remove, nobody, host.id),
        ):
            with pytest.raises(RemoteError) as caught:
                attempt()
            assert caught.value.code == "forbidden"
    with pytest.raises(RemoteError, match="may not do that to a host"):
        meeting.admission.remove(Caller(Role.COHOST), host.id)
    with pytest.raises(RemoteError) as caught:
        meeting.admission.remove(BOSS, "nobody")
    assert caught.value.code == "participant_not_found"
    assert (ann.is_in, ann.denied, meeting.admission.is_locked) == (False, None, False)


def test_who_is_refused_after_having_been_let_in_is_told_why(make: Make) -> None:
    meeting = make(access=Access.WAITING_ROOM, options={"duplicates": Duplicates.REJECT})
    host_of(meeting)
    ann = Knocking(meeting, grants=Grants(identity="ann"))
    meeting.join("Ann", grants=Grants(identity="ann"))
    meeting.admission.admit(BOSS, ann.waiting.id)
    [denied] = [event for event in ann.heard if isinstance(event, Denied)]
    assert denied.reason is DenyReason.REFUSED
    assert "already" in denied.detail


@pytest.mark.parametrize("by", [{"identity": "ann"}, {"token_id": "t"}])
def test_who_is_revoked_leaves_at_once_and_waits_no_longer(make: Make, by: dict[str, str]) -> None:
    inside = make()
    ann = Client(inside, "Ann", grants=Grants(identity="ann", token_id="t"))
    other = enter(inside, grants=Grants(identity="bob", token_id="u"))
    assert inside.admission.revoke(**by) == 1
    assert ann.heard(Removed) == [Removed(LeaveReason.REVOKED)]
    assert list(inside.participants) == [other.id]
    outside = make(access=Access.WAITING_ROOM)
    cid = Knocking(outside, grants=Grants(identity="ann", token_id="t"))
    outside.admission.revoke(**by)
    assert cid.denied is DenyReason.REVOKED


# who can not wait


def test_whoever_can_not_wait_is_let_in_by_token_or_not_at_all(make: Make) -> None:
    nobody = Grants()
    make().admission.require_open(nobody, None)
    by_link = make(access=Access.TOKEN, join_digest=digest(LINK)).admission
    assert by_link.require_open(nobody, LINK).link == digest(LINK)
    by_link.require_open(nobody, HOST)
    with pytest.raises(RemoteError, match="join token"):
        by_link.require_open(nobody, None)
    with pytest.raises(RemoteError, match="wait"):
        make(access=Access.WAITING_ROOM).admission.require_open(nobody, None)
    make(access=Access.WAITING_ROOM).admission.require_open(Grants(role=Role.PARTICIPANT), None)


# all together


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_nobody_is_lost_and_no_place_is_given_twice(  # noqa: C901 - all that may happen
    make: Make, clock: VirtualClock, seed: int
) -> None:
    chance = random.Random(seed)
    meeting = make(
        WaitingOptions(max_waiting=8, longest_s=60, admit_per_s=chance.choice([0, 0.7])),
        access=chance.choice(list(Access)),
        join_digest=digest(LINK),
        lobby=chance.random() < 0.5,
        max_participants=5,
    )
    knocking: list[Knocking] = []
    for _ in range(150):
        match chance.randrange(8):
            case 0 | 1 | 2:
                try:
                    found = meeting.admission.apply(
                        Application(
                            "Ann",
                            Grants(identity=chance.choice([None, "ann", "bob"])),
                            host_token=chance.choice([None, None, HOST]),
                            join_token=chance.choice([None, LINK]),
                        )
                    )
                except RemoteError:
                    continue
                if isinstance(found, Waiting):
                    one = Knocking.__new__(Knocking)
                    one.meeting, one.waiting, one.heard = meeting, found, []
                    found.attach(one.heard.append, meeting.admission.room.moved(found))
                    knocking.append(one)
            case 3 if meeting.participants:
                meeting.remove(chance.choice(list(meeting.participants.values())), LeaveReason.LEFT)
            case 4:
                clock.advance(chance.random() * 5)
            case 5 if len(meeting.admission.room):
                waiting = chance.choice(list(meeting.admission.room))
                try:
                    chance.choice([meeting.admission.admit, meeting.admission.deny])(BOSS, waiting.id)
                except RemoteError as error:
                    if error.code != "meeting_full":
                        raise
            case 6:
                meeting.admission.lock(BOSS, locked=chance.random() < 0.3)
            case 7 if chance.random() < 0.3:
                meeting.admission.admit_all(BOSS)
        assert len(meeting.participants) <= 5
        identities = [who.identity for who in meeting.participants.values() if who.identity]
        assert len(set(identities)) == len(identities)
        room = {waiting.token for waiting in meeting.admission.room}
        assert len(room) <= 8
        for one in knocking:
            ends = [event for event in one.heard if not isinstance(event, WaitingMoved)]
            assert len(ends) == (one.waiting.token not in room), "everybody waits, or was told once how it ended"
