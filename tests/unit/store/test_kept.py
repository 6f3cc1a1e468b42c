"""What stores keep of a meeting for when it is opened again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.store.records import NOON, at, meeting, recording, stay, uuid

from sfu.conference.authority import Role
from sfu.conference.chat_history import MAX_ENTRIES
from sfu.conference.chat_lines import KeptLine
from sfu.conference.chat_views import ChatDeletion, ChatLine, ChatMode, DirectLine
from sfu.conference.grants import Grants
from sfu.conference.ledger import Became, Decided, Hushed, Joined, Left, Ordered, Said, Seated
from sfu.conference.orders import NOTHING, Orders
from sfu.conference.returning import Seat
from sfu.conference.standings import Decision, Standing
from sfu.conference.store import MeetingStore
from sfu.conference.track import Source
from sfu.store.database import Database
from sfu.store.sql_store import SqlStore

MEETING = uuid(1)
ANN, BOB = b"a" * 32, b"b" * 32


def line(seq: int, text: str | None = "hello", **how: object) -> Said:
    return Said(MEETING, replace(KeptLine("log", seq, at(seq), "p1", "Ann", text), **how))  # type: ignore[arg-type]


def seat(number: int, **how: object) -> Seat:
    given = Seat(
        participant_id=f"p{number}",
        session_id=uuid(1000 + number),
        token_digest=number.to_bytes(32, "big"),
        name=f"Person {number} ✓",
        role=Role.COHOST,
        publish=frozenset(Source),
        grants=Grants(identity="ann@example.org", publish=frozenset({Source.CAMERA}), expires_at=NOON, link=b"l" * 32),
        hand=3,
        leaves_at=at(90),
    )
    return replace(given, **how)  # type: ignore[arg-type]


async def texts(store: MeetingStore) -> list[tuple[int, str | None]]:
    return [(one.seq, one.text) for one in await store.said(MEETING)]


async def test_how_hosts_have_a_meeting_is_kept_whole(store: MeetingStore) -> None:
    await store.add(meeting())
    assert await store.recall(MEETING) == NOTHING
    orders = Orders(locked=True, may_unmute=False, spotlight=("p2", "p1"), chat=ChatMode.HOSTS, direct=False)
    await store.keep(Ordered(MEETING, at(1), orders))
    assert (await store.recall(MEETING)).orders == orders
    assert (await store.update(MEETING, 1, {"title": "New"})).version == 2, "an order is no change of what was agreed"
    assert (await store.recall(MEETING)).orders == orders
    await store.keep(Ordered(MEETING, at(2), Orders()))
    assert (await store.recall(MEETING)).orders == Orders()


async def test_decisions_about_people_are_kept_the_newest_of_each(store: MeetingStore) -> None:
    await store.add(meeting())
    first, second = Standing(ANN, Decision.DENIED, at(1)), Standing(BOB, Decision.REMOVED, at(2))
    third = Standing(ANN, Decision.ADMITTED, at(3))
    for one in (first, second, third):
        await store.keep(Decided(MEETING, one))
    assert (await store.recall(MEETING)).standings == (second, third)
    await store.keep(Decided(MEETING, Standing(BOB, None, at(4))))
    assert (await store.recall(MEETING)).standings == (third,)


async def test_who_is_kept_out_is_known_by_name_after_a_restart(store: MeetingStore) -> None:
    await store.add(meeting())
    denied = Standing(ANN, Decision.DENIED, at(1), "person 1", "Ann")
    removed = Standing(ANN, Decision.REMOVED, at(2), "person 2", "Ann of Example")
    for one in (denied, removed):
        await store.keep(Decided(MEETING, one))
    assert (await store.recall(MEETING)).standings == (removed,)


async def test_a_chat_is_kept_in_order_and_without_what_was_deleted(store: MeetingStore) -> None:
    await store.add(meeting())
    direct = line(3, "only you", to="p2", to_name="Bob")
    deletion = Said(MEETING, KeptLine("log", 4, at(4), "p1", deletes=1))
    for said in (line(1, "Größe 👩‍💻"), line(2), direct, deletion, line(2, "again")):
        await store.keep(said)
    assert [one.entry for one in await store.said(MEETING)] == [
        ChatLine(1, "2026-01-01T12:01:00.000Z", "p1", "Ann", None),
        ChatLine(2, "2026-01-01T12:02:00.000Z", "p1", "Ann", "hello"),
        DirectLine(3, "2026-01-01T12:03:00.000Z", "p1", "Ann", "only you", "p2", "Bob"),
        ChatDeletion(4, 1, "p1"),
    ]
    assert [KeptLine.of("log", one.entry, one.at) for one in await store.said(MEETING)] == list(
        await store.said(MEETING)
    )


async def test_a_chat_keeps_as_much_as_a_history_and_one_log(store: MeetingStore) -> None:
    await store.add(meeting())
    if isinstance(store, SqlStore):
        await store.bring([line(seq) for seq in range(1, MAX_ENTRIES + 1)])
    else:
        for seq in range(1, MAX_ENTRIES + 1):
            await store.keep(line(seq))
    for seq in (MAX_ENTRIES + 5, MAX_ENTRIES + 9):
        await store.keep(line(seq))
    kept = await texts(store)
    assert (kept[0][0], kept[-1][0], len(kept)) == (3, MAX_ENTRIES + 9, MAX_ENTRIES)
    await store.keep(line(2, "of another log", log="other"))
    assert await texts(store) == [(2, "of another log")]
    await store.keep(Hushed(MEETING, at(9)))
    assert await texts(store) == []


async def test_what_is_kept_goes_with_its_meeting(store: MeetingStore) -> None:
    await store.add(meeting(id="demo"))
    facts = [
        Ordered("demo", at(1), Orders(locked=True)),
        Decided("demo", Standing(ANN, Decision.REMOVED, at(1))),
        Said("demo", KeptLine("log", 1, at(1), "p1", "Ann", "hello")),
    ]
    for fact in facts:
        await store.keep(fact)
    await store.remove("demo")
    for fact in facts:
        await store.keep(fact)
    assert (await store.recall("demo"), await store.said("demo")) == (NOTHING, ())
    await store.add(meeting(id="demo", created_at=at(5)))
    assert (await store.recall("demo"), list(await store.said("demo"))) == (NOTHING, [])


async def test_rows_of_stays_tell_who_is_host(store: MeetingStore) -> None:
    await store.add(meeting())
    await store.joined(stay(1, MEETING))
    await store.keep(Became(uuid(1001), "host", is_host=True))
    await store.keep(Became(uuid(1999), "host", is_host=True))
    [one] = (await store.participants(MEETING, None, 10)).items
    assert (one.role, one.is_host) == ("host", True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


async def test_seats_of_a_server_that_was_killed_are_reserved_from_its_next_start_on(database: Database) -> None:
    store, other = SqlStore(database, "node"), SqlStore(database, "other")
    await store.add(meeting())
    await store.bring([Joined(stay(number, MEETING)) for number in (1, 2, 3)])
    await store.bring([Seated(MEETING, seat(number)) for number in (1, 2, 3)])
    await store.keep(Seated(MEETING, seat(2, hand=None, role=Role.HOST)))
    await store.left(uuid(1003), at(5), "left")
    await other.bring([Joined(stay(4, MEETING)), Seated(MEETING, seat(4))])
    assert await store.seats(MEETING, at(6)) == (), "everybody is there"
    assert await store.end_left_over(at(6), at(7)) == 2
    assert await store.seats(MEETING, at(6.5)) == (seat(2, hand=None, role=Role.HOST), seat(1))
    assert await store.seats(MEETING, at(7)) == ()
    await store.forget_old(at(0), at(7))
    assert await store.seats(MEETING, at(6.5)) == (), "forgotten"


async def test_seats_outlive_an_orderly_stop_and_are_given_once(database: Database) -> None:
    store = SqlStore(database, "node")
    await store.add(meeting())
    first, second = stay(1, MEETING), stay(2, MEETING, participant_id="p1")
    await store.bring([Joined(first), Seated(MEETING, seat(1)), Left(first.session_id, at(2), "server_stopping")])
    await store.end_left_over(at(3), at(4))
    assert await store.seats(MEETING, at(3)) == (seat(1),)
    again = seat(2, participant_id="p1")
    await store.bring([Joined(second, is_back=True), Seated(MEETING, again)])
    assert await store.seats(MEETING, at(3)) == ()
    await store.end_left_over(at(3), at(4))
    assert await store.seats(MEETING, at(3)) == (again,), "after the next crash, with the newer token alone"


async def test_an_ended_meeting_has_no_seats(database: Database) -> None:
    store = SqlStore(database, "node")
    await store.add(meeting())
    await store.bring([Joined(stay(1, MEETING)), Seated(MEETING, seat(1))])
    await store.end(MEETING, at(2))
    await store.end_left_over(at(3), at(4))
    assert await store.seats(MEETING, at(3)) == ()


async def test_what_was_said_long_ago_is_forgotten(database: Database) -> None:
    store = SqlStore(database, "node")
    await store.add(meeting())
    await store.bring([line(1), line(2), line(3)])
    await store.forget_old(at(3), at(3))
    assert [seq for seq, _ in await texts(store)] == [3]


async def test_meetings_that_ended_long_ago_are_forgotten_but_those_with_recordings(database: Database) -> None:
    store = SqlStore(database, "node")
    for number in range(1, 6):
        await store.add(meeting(number))
        await store.joined(stay(number, uuid(number)))
    for number, ended in ((1, 5), (2, 50), (3, 5), (5, 5)):
        await store.end(uuid(number), at(ended))
    await store.put_recording(recording(1, uuid(3)))
    assert await store.forget_ended(at(10)) == 2
    left = [number for number in range(1, 6) if await store.find(uuid(number)) is not None]
    assert left == [2, 3, 4], "one ended later, one was recorded, one goes on"
    assert (await store.participants(uuid(1), None, 10)).items == ()
    assert len((await store.participants(uuid(4), None, 10)).items) == 1
    assert await store.forget_ended(at(10)) == 0
