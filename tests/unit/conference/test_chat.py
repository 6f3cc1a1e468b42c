"""The chat: what is said reaches everybody in order, once; who may say it, how much, how fast; what a host may do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Attendee, Conference, Meeting
from sfu.conference.admission import Application
from sfu.conference.authority import Role
from sfu.conference.chat import BURST, INTERVAL_S, MAX_BYTES, MAX_CHARS
from sfu.conference.chat_history import MEETING_BURST, MEETING_PER_S, ChatLog
from sfu.conference.chat_views import ChatDeletion, ChatEntry, ChatMode
from sfu.conference.events import ChatSettingsChanged, ChatTold
from sfu.conference.ledger import Hushed, Said
from sfu.conference.memory_store import MemoryStore
from sfu.conference.rights import Rules
from sfu.errors import RemoteError
from sfu.media.engine import Engine


def make(conference: Conference, **rules: Any) -> Meeting:
    return asyncio.run(conference.create_meeting(rules=Rules(**rules)))


def entries(client: Client) -> list[ChatEntry]:
    """What a client was told, as it came."""
    return [entry for event in client.heard(ChatTold) for entry in event.entries]


def texts(client: Client) -> list[str]:
    return [entry.text for entry in entries(client) if not isinstance(entry, ChatDeletion)]


def say(client: Client, text: str, **how: Any) -> int:
    return client.attendee.meeting.chat.say(client.attendee, text, **how)


def refused(client: Client, text: str = "hello", **how: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        say(client, text, **how)
    return caught.value


def test_what_is_said_reaches_everybody_with_its_number_and_its_author_too(
    meeting: Meeting, clock: VirtualClock
) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    assert say(ann, "  hello\r\nthere ") == 1
    clock.advance(INTERVAL_S)
    assert say(bob, "hi") == 2
    clock.advance(INTERVAL_S)
    for client in (ann, bob):
        first, second = entries(client)
        assert (first.seq, first.participant_id, first.name, first.text) == (1, ann.id, "Ann", "hello\nthere")
        assert first.at == "2026-01-01T00:00:00.000Z"
        assert (second.seq, second.text) == (2, "hi")


def test_lines_are_gathered_so_that_nobody_gets_more_than_eight_messages_a_second(
    meeting: Meeting, clock: VirtualClock
) -> None:
    people = [Client(meeting, f"P{number}") for number in range(6)]
    for tick in range(40):
        say(people[tick % 6], f"line {tick}")
        clock.advance(0.05)
    clock.advance(1)
    for client in people:
        assert texts(client) == [f"line {tick}" for tick in range(40)]
        assert len(client.heard(ChatTold)) <= 17, "two seconds, eight a second"


def test_all_who_see_the_same_get_the_same_object_so_that_it_is_encoded_once(
    meeting: Meeting, clock: VirtualClock
) -> None:
    ann, bob, eve, joe = (Client(meeting, name) for name in ("Ann", "Bob", "Eve", "Joe"))
    say(ann, "now")
    say(ann, "all")
    say(ann, "you", to=bob.id)
    clock.advance(1)
    assert eve.heard(ChatTold)[-1] is joe.heard(ChatTold)[-1]
    assert texts(eve) == ["now", "all"]
    assert texts(ann) == texts(bob) == ["now", "all", "you"]


def test_a_direct_message_is_known_to_the_two_alone_also_in_the_history_and_after_its_deletion(
    meeting: Meeting, clock: VirtualClock
) -> None:
    ann, bob, eve = (Client(meeting, name) for name in ("Ann", "Bob", "Eve"))
    seq = say(ann, "secret", to=bob.id)
    clock.advance(1)
    assert texts(ann) == texts(bob) == ["secret"]
    assert (entries(bob)[0].to, entries(bob)[0].to_name) == (bob.id, "Bob")
    page = meeting.chat.page(bob.attendee, None, 10)
    assert [line.text for line in page.entries] == ["secret"]
    assert meeting.chat.page(eve.attendee, None, 10).entries == ()
    eve.attendee.rights.role = Role.HOST
    with pytest.raises(RemoteError) as caught:
        meeting.chat.delete(eve.attendee.caller, seq)
    assert caught.value.code == "message_not_found", "not even that it exists"
    meeting.chat.delete(ann.attendee.caller, seq)
    clock.advance(1)
    assert eve.heard(ChatTold) == []
    assert isinstance(entries(bob)[-1], ChatDeletion)


def test_direct_messages_go_to_somebody_else_who_is_there_and_can_read(
    meeting: Meeting, conference: Conference, clock: VirtualClock
) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    assert refused(ann, to="nobody").code == "participant_not_found"
    assert refused(ann, to=ann.id).code == "bad_request"
    bob.attendee.leave()
    assert refused(ann, to=bob.id).code == "participant_not_found"
    quiet = make(conference, direct_messages=False)
    ann, bob = Client(quiet, "Ann"), Client(quiet, "Bob")
    assert refused(ann, to=bob.id).code == "forbidden"
    assert ann.welcome.chat.direct is False
    say(ann, "to all")


def test_who_comes_back_is_told_of_exactly_what_was_missed_before_anything_new(
    meeting: Meeting, clock: VirtualClock
) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    chat = meeting.chat
    say(ann, "one")
    bad = say(ann, "two")
    clock.advance(1)
    known = entries(bob)[-1].seq
    bob.attendee.detach(bob.events.append)
    bob.events.clear()
    say(ann, "three")
    gone = say(ann, "four")
    clock.advance(1)
    chat.delete(ann.attendee.caller, bad)
    chat.delete(ann.attendee.caller, gone)
    clock.advance(1)
    say(ann, "first, at once")
    say(ann, "waits for its beat")
    welcome = bob.attendee.attach(bob.events.append)
    chat.replay(bob.attendee, welcome.chat.log, known)
    clock.advance(1)
    told = entries(bob)
    assert [entry.seq for entry in told] == sorted({entry.seq for entry in told})
    assert [entry.seq for entry in told if entry.seq > welcome.chat.seq] == [welcome.chat.seq + 1]
    assert texts(bob) == ["three", None, "first, at once", "waits for its beat"]
    assert [entry.deletes for entry in told if isinstance(entry, ChatDeletion)] == [bad], "of what he had seen"


def test_a_replay_of_another_log_tells_nothing(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    say(ann, "one")
    clock.advance(1)
    ann.events.clear()
    meeting.chat.replay(ann.attendee, "another", 0)
    assert ann.heard(ChatTold) == []
    meeting.chat.replay(ann.attendee, ann.welcome.chat.log, 10**9)
    assert ann.heard(ChatTold) == []
    meeting.chat.replay(ann.attendee, ann.welcome.chat.log, 0)
    assert texts(ann) == ["one"]


def test_who_says_it_again_with_the_same_nonce_said_it_once(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    seq = say(ann, "once", nonce="n1")
    assert say(ann, "once", nonce="n1") == seq
    assert say(bob, "once", nonce="n1") == seq + 1, "another author's nonce is another's"
    clock.advance(1)
    assert texts(bob) == ["once", "once"]


def test_who_comes_late_reads_the_history_by_pages_without_gap_or_double(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    for number in range(30):
        say(ann, str(number))
        clock.advance(1)
    say(ann, "live")
    say(ann, "not told yet")
    late = Client(meeting, "Late")
    clock.advance(1)
    found: list[str | None] = []
    before: int | None = late.welcome.chat.seq + 1
    while True:
        page = meeting.chat.page(late.attendee, before, 7)
        found = [line.text for line in page.entries] + found
        if not page.more:
            break
        before = page.entries[0].seq
    assert found + texts(late) == [*map(str, range(30)), "live", "not told yet"]


@pytest.mark.parametrize(
    "text", ["", " \n ", "x" * (MAX_CHARS + 1), "😀" * (MAX_BYTES // 4 + 1), "a\0b", "\ud800", "\x1b[31m"]
)
def test_what_is_no_message_is_refused(meeting: Meeting, text: str) -> None:
    assert refused(Client(meeting, "Ann"), text).code == "bad_request"


def test_the_longest_message_is_as_long_as_is_said(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    say(ann, "€" * MAX_CHARS)
    assert len("€".encode()) * MAX_CHARS == MAX_BYTES
    clock.advance(1)
    assert texts(ann) == ["€" * MAX_CHARS]


def test_who_writes_too_fast_is_told_so_and_may_go_on_after_a_while(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    for _ in range(int(BURST)):
        say(ann, "x")
    error = refused(ann)
    assert (error.code, error.status) == ("rate_limited", 429)
    say(bob, "others may")
    clock.advance(1)
    say(ann, "x")
    assert refused(ann).code == "rate_limited"


def test_a_meeting_as_a_whole_writes_no_faster_than_everybody_can_be_told(
    conference: Conference, clock: VirtualClock
) -> None:
    meeting = make(conference)
    people = [Client(meeting, f"P{number}") for number in range(8)]
    cost = 1 + MAX_CHARS / 1000
    for number in range(int(MEETING_BURST / cost)):
        say(people[number % 8], "x" * MAX_CHARS)
    assert refused(people[-1], "x" * MAX_CHARS).code == "rate_limited"
    clock.advance(2 * cost / MEETING_PER_S)
    say(people[-2], "x" * MAX_CHARS)
    say(people[-1], "x" * MAX_CHARS)
    assert refused(people[-3], "x" * MAX_CHARS).code == "rate_limited"


def test_a_host_switches_the_chat_off_or_to_hosts_and_everybody_is_told(meeting: Meeting, clock: VirtualClock) -> None:
    host, ann, bob = (
        Client(meeting, "Host", host_token=meeting.host_token),
        Client(meeting, "Ann"),
        Client(meeting, "B"),
    )
    with pytest.raises(RemoteError) as caught:
        meeting.chat.settle(ann.attendee.caller, mode=ChatMode.OFF)
    assert caught.value.code == "forbidden"
    meeting.chat.settle(host.attendee.caller, mode=ChatMode.OFF)
    assert refused(ann).code == refused(host).code == "forbidden"
    meeting.chat.settle(host.attendee.caller, mode=ChatMode.HOSTS)
    meeting.chat.settle(host.attendee.caller, mode=ChatMode.HOSTS)
    assert refused(ann).code == refused(ann, to=bob.id).code == "forbidden"
    say(host, "listen")
    say(ann, "a question", to=host.id)
    meeting.chat.settle(host.attendee.caller, direct=False)
    assert refused(ann, to=host.id).code == "forbidden"
    told = [(event.mode, event.direct) for event in bob.heard(ChatSettingsChanged)]
    assert told == [("off", True), ("hosts", True), ("hosts", False)]
    late = Client(meeting, "Late")
    assert (late.welcome.chat.mode, late.welcome.chat.direct) == ("hosts", False)


def test_a_host_deletes_a_line_and_its_text_is_gone_for_who_comes_later(meeting: Meeting, clock: VirtualClock) -> None:
    host, ann, bob = (
        Client(meeting, "Host", host_token=meeting.host_token),
        Client(meeting, "Ann"),
        Client(meeting, "B"),
    )
    seq, other = say(ann, "rude"), say(host, "be kind")
    clock.advance(1)
    with pytest.raises(RemoteError) as caught:
        meeting.chat.delete(bob.attendee.caller, seq)
    assert caught.value.code == "forbidden"
    meeting.chat.delete(host.attendee.caller, seq)
    meeting.chat.delete(host.attendee.caller, seq)
    clock.advance(1)
    deletions = [entry for entry in entries(ann) if isinstance(entry, ChatDeletion)]
    assert [(entry.deletes, entry.by) for entry in deletions] == [(seq, host.id)]
    late = Client(meeting, "Late")
    assert [(line.seq, line.text) for line in meeting.chat.page(late.attendee, None, 9).entries] == [
        (seq, None),
        (other, "be kind"),
    ]
    with pytest.raises(RemoteError) as caught:
        meeting.chat.delete(host.attendee.caller, 999)
    assert (caught.value.code, caught.value.status) == ("message_not_found", 404)


class Diary:
    """A keeper as a database would be one: what it was given, by meeting."""

    def __init__(self) -> None:
        self.logs: dict[str, tuple[str, list[ChatEntry]]] = {}

    def keep(self, meeting_id: str, log: str, entry: ChatEntry) -> None:
        self.logs.setdefault(meeting_id, (log, []))[1].append(entry)

    def forget(self, meeting_id: str) -> None:
        self.logs.pop(meeting_id, None)

    async def load(self, meeting_id: str) -> ChatLog | None:
        found = self.logs.get(meeting_id)
        return None if found is None else ChatLog(*found)


def test_a_meeting_that_is_opened_again_goes_on_with_what_a_keeper_kept(engine: Engine, clock: VirtualClock) -> None:
    diary, store = Diary(), MemoryStore()
    first = Conference(engine, clock, store=store, history=diary)
    meeting = asyncio.run(first.create_meeting("Stand-up", rules=Rules(keep_chat=True)))
    ann = Client(meeting, "Ann")
    say(ann, "one")
    bad = say(ann, "two")
    meeting.chat.delete(ann.attendee.caller, bad)
    clock.advance(1)
    again = asyncio.run(Conference(engine, clock, store=store, history=diary).meeting(meeting.id))
    bob = Client(again, "Bob")
    assert (bob.welcome.chat.log, bob.welcome.chat.seq) == (ann.welcome.chat.log, 3)
    assert [line.text for line in again.chat.page(bob.attendee, None, 9).entries] == ["one", None]
    assert say(bob, "three") == 4


def test_what_was_told_and_lost_gives_its_numbers_to_nobody_else(engine: Engine, clock: VirtualClock) -> None:
    """The end of the process took lines with it that everybody had been told of."""
    store = MemoryStore()
    meeting = asyncio.run(Conference(engine, clock, store=store).create_meeting(rules=Rules(keep_chat=True)))
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    say(ann, "kept")
    [kept] = asyncio.run(store.said(meeting.id))
    lost = [say(client, "lost") for _ in range(50) for client in (ann, bob) if clock.advance(1) is None]
    store.note_kept(Hushed(meeting.id, clock.wall()))
    store.note_kept(Said(meeting.id, kept))
    again = asyncio.run(Conference(engine, clock, store=store).meeting(meeting.id))
    cid = Client(again, "Cid")
    assert cid.welcome.chat.log == ann.welcome.chat.log
    assert [line.text for line in again.chat.page(cid.attendee, None, 9).entries] == ["kept"]
    assert say(cid, "new") > max(lost)
    dan = Client(again, "Dan")
    again.chat.replay(dan.attendee, again.chat.log, max(lost))
    clock.advance(1)
    assert [entry.text for event in dan.heard(ChatTold) for entry in event.entries] == ["new"]


def test_what_is_said_directly_is_kept_for_those_two(engine: Engine, clock: VirtualClock) -> None:
    store = MemoryStore()
    meeting = asyncio.run(Conference(engine, clock, store=store).create_meeting(rules=Rules(keep_chat=True)))
    ann, bob, cid = (Client(meeting, name) for name in ("Ann", "Bob", "Cid"))
    say(ann, "for Bob", to=bob.id)
    clock.advance(1)
    again = asyncio.run(Conference(engine, clock, store=store).meeting(meeting.id))
    for client, expected in ((ann, ["for Bob"]), (bob, ["for Bob"]), (cid, [])):
        back = again.admission.apply(Application(client.attendee.name, former_token=client.attendee.token))
        assert isinstance(back, Attendee)
        assert [line.text for line in again.chat.page(back, None, 9).entries] == expected


def test_what_is_said_is_kept_where_the_rules_say_so_and_while_they_do(engine: Engine, clock: VirtualClock) -> None:
    store = MemoryStore()
    conference = Conference(engine, clock, store=store)
    meeting = asyncio.run(conference.create_meeting())
    ann = Client(meeting, "Ann")
    say(ann, "one")
    assert asyncio.run(store.said(meeting.id)) == ()
    asyncio.run(conference.update(meeting.id, None, {"rules": Rules(keep_chat=True)}))
    say(ann, "two")
    assert [line.text for line in asyncio.run(store.said(meeting.id))] == ["one", "two"]
    asyncio.run(conference.update(meeting.id, None, {"rules": Rules()}))
    say(ann, "three")
    assert asyncio.run(store.said(meeting.id)) == ()
    clock.advance(1)
    assert len(meeting.chat.page(ann.attendee, None, 9).entries) == 3, "those who are there remember"


def test_what_was_kept_is_forgotten_also_when_nobody_has_the_meeting(engine: Engine, clock: VirtualClock) -> None:
    store = MemoryStore()
    meeting = asyncio.run(Conference(engine, clock, store=store).create_meeting(rules=Rules(keep_chat=True)))
    say(Client(meeting, "Ann"), "one")
    elsewhere = Conference(engine, clock, store=store)
    asyncio.run(elsewhere.update(meeting.id, None, {"title": "Other"}))
    assert len(asyncio.run(store.said(meeting.id))) == 1
    asyncio.run(elsewhere.update(meeting.id, None, {"rules": Rules()}))
    assert asyncio.run(store.said(meeting.id)) == ()


def test_an_empty_meeting_remembers_what_was_said_and_starts_no_timers(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    say(ann, "one")
    say(ann, "two")
    ann.attendee.leave()
    late = Client(meeting, "Late")
    assert [line.text for line in meeting.chat.page(late.attendee, None, 9).entries] == ["one", "two"]
    assert late.welcome.chat.seq == 2
