"""A meeting that is opened again, after a restart or because nobody was in it for long, is as hosts had it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock

from sfu.conference import Attendee, Conference, ConferenceOptions, EndReason, Meeting
from sfu.conference.admission import Application
from sfu.conference.authority import Caller, Role
from sfu.conference.chat_views import ChatMode
from sfu.conference.grants import Grants
from sfu.conference.names import digest
from sfu.conference.orders import Kept
from sfu.conference.records import Access, MeetingRecord
from sfu.conference.returning import GATHER_S
from sfu.conference.standings import DENIED_FOR, MAX_OTHERS, MAX_REMOVED, Decision, Standing, Standings
from sfu.conference.store import MemoryStore
from sfu.conference.waiting import Waiting
from sfu.errors import RemoteError
from sfu.media.engine import Engine

HOST = "the host's token"
BOSS = Caller(Role.HOST)
ANN = Grants(identity="ann", token_id="ann's token", browser=digest("ann's browser"))

Start = Callable[[], Meeting]


@pytest.fixture
def start(engine: Engine, clock: VirtualClock, request: pytest.FixtureRequest) -> Start:
    """Starts the server again, each time with the same store."""
    store = MemoryStore()
    record = MeetingRecord("standup", "", EPOCH, host_digest=digest(HOST), access=Access.WAITING_ROOM)
    asyncio.run(store.add(replace(record, **getattr(request, "param", {}))))

    def started() -> Meeting:
        conference = Conference(engine, clock, ConferenceOptions(), store=store)
        return asyncio.run(conference.meeting("standup"))

    return started


def apply(meeting: Meeting, grants: Grants = ANN, **how: Any) -> Attendee | Waiting:
    return meeting.admission.apply(Application("Ann", grants, **how))


def refused(meeting: Meeting, grants: Grants = ANN) -> str:
    with pytest.raises(RemoteError) as caught:
        apply(meeting, grants)
    return caught.value.code


def waits(meeting: Meeting, grants: Grants = ANN) -> Waiting:
    found = apply(meeting, grants)
    assert isinstance(found, Waiting)
    found.attach(lambda _event: None, meeting.admission.room.moved(found))
    return found


def test_what_hosts_said_for_everybody_holds_after_a_crash(start: Start, clock: VirtualClock) -> None:
    before = start()
    host = Client(before, "Host", host_token=HOST).attendee
    bob = Client(before, "Bob").attendee
    before.admission.lock(host.caller, locked=True)
    before.moderation.mute_all(host.caller, may_unmute=False)
    before.moderation.spotlight(host.caller, [bob.id])
    before.chat.settle(host.caller, mode=ChatMode.HOSTS, direct=False)
    clock.advance(GATHER_S)

    after = start()
    assert after.admission.is_locked
    assert refused(after) == "locked"
    again = apply(after, Grants(), former_token=host.token)
    assert isinstance(again, Attendee)
    again.attach(lambda _event: None)
    assert (after.chat.mode, after.chat.direct) == (ChatMode.HOSTS, False)
    assert after.moderation.view().spotlight == (bob.id,), "who is expected back keeps the place"
    assert after.scene.spotlight == (bob.id,)
    after.admission.lock(BOSS, locked=False)
    cid = after.join("Cid")
    assert not cid.rights.may_unmute
    clock.advance(30)
    assert after.moderation.view().spotlight == (), "Bob did not come"


@pytest.mark.parametrize("is_at_hand", [True, False], ids=["running", "not running"])
def test_other_rules_for_the_chat_undo_what_a_host_said_before(
    engine: Engine, clock: VirtualClock, is_at_hand: bool
) -> None:
    store = MemoryStore()
    before = Conference(engine, clock, ConferenceOptions(), store=store)
    meeting = asyncio.run(before.create_meeting())
    host = Client(meeting, "Host", host_token=meeting.host_token).attendee
    meeting.chat.settle(host.caller, mode=ChatMode.OFF, direct=False)
    meeting.admission.lock(host.caller, locked=True)
    between = before if is_at_hand else Conference(engine, clock, ConferenceOptions(), store=store)

    def change(**changes: Any) -> None:
        asyncio.run(between.update(meeting.id, None, changes))

    def opened() -> Meeting:
        return asyncio.run(Conference(engine, clock, ConferenceOptions(), store=store).meeting(meeting.id))

    change(title="Weekly", rules=replace(meeting.record.rules, max_video=4))
    assert (opened().chat.mode, opened().chat.direct) == (ChatMode.OFF, False), "nothing was agreed about the chat"
    change(rules=replace(meeting.record.rules, chat=ChatMode.HOSTS))
    after = opened()
    assert (after.chat.mode, after.chat.direct) == (ChatMode.HOSTS, True)
    assert after.admission.is_locked, "about that nothing was agreed"


def test_who_comes_while_other_rules_are_written_down_has_those(engine: Engine, clock: VirtualClock) -> None:
    store = MemoryStore()
    before = Conference(engine, clock, ConferenceOptions(), store=store)
    meeting = asyncio.run(before.create_meeting())
    host = Client(meeting, "Host", host_token=meeting.host_token).attendee
    meeting.chat.settle(host.caller, mode=ChatMode.OFF)
    conference = Conference(engine, clock, ConferenceOptions(), store=store)

    async def both() -> Meeting:
        recall, opened = store.recall, []

        async def slow_recall(meeting_id: str) -> Kept:
            kept = await recall(meeting_id)
            if not opened:  # somebody joins before what was forgotten is written down
                opened.append(True)
                await conference.meeting(meeting_id)
            return kept

        store.recall = slow_recall  # type: ignore[method-assign]
        rules = replace(meeting.record.rules, chat=ChatMode.HOSTS)
        await conference.update(meeting.id, None, {"rules": rules})
        return conference.meetings[meeting.id]

    found = asyncio.run(both())
    assert found.chat.mode is ChatMode.HOSTS
    assert found.chat.ordered == (None, None)


def test_when_nobody_comes_back_the_next_begin_anew(start: Start, clock: VirtualClock) -> None:
    before = start()
    host = Client(before, "Host", host_token=HOST).attendee
    before.moderation.allow_unmute(host.caller, allowed=False)
    before.admission.lock(host.caller, locked=True)
    clock.advance(GATHER_S)
    after = start()
    clock.advance(30)
    assert after.moderation.view().may_unmute
    assert after.admission.is_locked, "a lock holds until a host opens it"
    assert start().moderation.view().may_unmute, "and so it is written down"


def test_a_server_that_stops_writes_no_order_that_nobody_gave(start: Start) -> None:
    before = start()
    host = Client(before, "Host", host_token=HOST).attendee
    before.moderation.allow_unmute(host.caller, allowed=False)
    before.end(EndReason.SERVER_STOPPING)
    assert not start().moderation.view().may_unmute


@pytest.mark.parametrize(
    "known_by",
    [Grants(identity="ann"), Grants(token_id="ann's token"), Grants(browser=digest("ann's browser"))],
    ids=["identity", "token", "browser"],
)
def test_who_was_removed_stays_out_by_whatever_they_are_known(start: Start, known_by: Grants) -> None:
    before = start()
    ann = before.join("Ann", grants=ANN)
    before.admission.remove(BOSS, ann.id)
    for meeting in (before, start()):
        assert refused(meeting, known_by) == "removed"
        with pytest.raises(RemoteError, match="removed"):
            meeting.join("Ann", grants=known_by)
        waits(meeting, Grants(identity="bob"))


def test_who_was_let_in_need_not_wait_again(start: Start) -> None:
    before = start()
    waiting = waits(before)
    before.admission.admit(BOSS, waiting.id)
    [ann] = before.participants.values()
    ann.leave()
    for meeting in (before, start()):
        assert isinstance(apply(meeting), Attendee)
        waits(meeting, Grants(identity="bob", browser=ANN.browser))


def test_who_was_sent_away_does_not_get_in_by_asking_again(start: Start, clock: VirtualClock) -> None:
    before = start()
    before.admission.deny(BOSS, waits(before).id)
    clock.advance(DENIED_FOR.total_seconds() - 1)
    for meeting in (before, start()):
        assert refused(meeting) == "denied"
        assert refused(meeting, Grants(browser=ANN.browser)) == "denied", "nor as a guest"
        waits(meeting, Grants(identity="bob"))
    clock.advance(1)
    after = start()
    after.admission.admit(BOSS, waits(after).id)
    assert [who.identity for who in after.participants.values()] == ["ann"]
    assert isinstance(apply(start()), Attendee), "what a host said last counts"


def test_what_a_host_made_of_an_identity_it_is_when_it_comes_again(start: Start) -> None:
    before = start()
    host = Client(before, "Host", host_token=HOST).attendee
    ann, bob = before.join("Ann", grants=ANN), before.join("Bob", grants=Grants(identity="bob"))
    before.moderation.promote(host.caller, ann.id, Role.COHOST)
    before.moderation.demote(host.caller, bob.id, Role.AUDIENCE)
    ann.leave()
    for meeting in (before, start()):
        again = apply(meeting)
        assert isinstance(again, Attendee)
        assert again.rights.role is Role.COHOST
        again.leave()
        demoted = apply(meeting, Grants(identity="bob", role=Role.PARTICIPANT))
        assert isinstance(demoted, Attendee)
        assert demoted.rights.role is Role.AUDIENCE, "a host decides after the token"
        demoted.leave()
        leader = apply(meeting, Grants(identity="bob", role=Role.HOST))
        assert isinstance(leader, Attendee)
        assert leader.rights.role is Role.HOST, "but for who is host by the token"
        leader.leave()


def test_who_takes_the_place_of_a_host_that_left_is_no_host_for_ever(start: Start) -> None:
    before = start()
    host = Client(before, "Host", host_token=HOST).attendee
    ann = before.join("Ann", grants=ANN)
    before.moderation.promote(host.caller, ann.id, Role.COHOST)
    host.leave()
    assert ann.rights.role is Role.HOST
    again = apply(start())
    assert isinstance(again, Attendee)
    assert again.rights.role is Role.COHOST


def test_decisions_are_bounded_and_removals_are_forgotten_for_removals_alone() -> None:
    noted: list[Standing] = []
    standings = Standings((), noted.append)
    standings.remove(Grants(identity="first"), EPOCH)
    for number in range(MAX_OTHERS + 1):
        standings.admit(Grants(identity=f"guest {number}"), EPOCH + timedelta(seconds=number))
    assert standings.is_removed(Grants(identity="first"))
    assert not standings.is_admitted(Grants(identity="guest 0"))
    assert standings.is_admitted(Grants(identity="guest 1"))
    assert noted[-1] == Standing(noted[1].who, None, EPOCH + timedelta(seconds=MAX_OTHERS)), "the store forgets it, too"
    for number in range(MAX_REMOVED):
        standings.remove(Grants(identity=f"troll {number}"), EPOCH)
    assert not standings.is_removed(Grants(identity="first"))
    assert {one.decision for one in noted} == {Decision.REMOVED, Decision.ADMITTED, None}


def test_a_guest_who_hides_is_not_known_again(start: Start) -> None:
    meeting = start()
    meeting.admission.deny(BOSS, waits(meeting, Grants()).id)
    waits(meeting, Grants())
