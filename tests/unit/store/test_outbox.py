"""What every outbox keeps to, in memory and in a database: all is told, in order, and to one at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.store.records import NOON, at, meeting, recording, stay, uuid

from sfu.conference.happenings import FIELDS, Happening, happening
from sfu.conference.ledger import Added, Changed, Ended, Fact, Happened, Joined, Left, Removed, bring
from sfu.conference.memory_outbox import MemoryOutbox
from sfu.conference.memory_store import MemoryStore
from sfu.conference.outbox import DeadPlace, Entry, Lane
from sfu.conference.records import RecordingStatus
from sfu.errors import RemoteError
from sfu.store.database import Database
from sfu.store.fact_writer import FactWriter
from sfu.store.outbox import SqlOutbox
from sfu.store.sql_store import SqlStore

LATER = NOON + timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SINKS: dict[str, Callable[[str], bool]] = {
    "all": lambda _kind: True,
    "people": lambda kind: kind.startswith("participant."),
}

Outbox = MemoryOutbox | SqlOutbox


class Kept:
    """A store and its outbox."""

    def __init__(self, database: Database | None) -> None:
        self.database = database
        self.outbox: Outbox
        self.store: MemoryStore | SqlStore
        if database is None:
            self.outbox = MemoryOutbox(SINKS, lambda: NOON)
            self.store = MemoryStore(self.outbox)
        else:
            self.outbox = SqlOutbox(database, SINKS, lambda: NOON)
            self.store = SqlStore(database, "node", self.outbox)

    async def bring(self, *facts: Fact) -> None:
        if isinstance(self.store, SqlStore):
            await self.store.bring(facts)
            return
        for fact in facts:
            if isinstance(fact, Happened):
                self.store.note_happened(fact.happening)
            else:
                await bring(self.store, fact)

    async def append(self, *happenings: Happening) -> None:
        await self.bring(*map(Happened, happenings))

    async def claim(self, sink: str = "all", now: datetime = LATER, limit: int = 100) -> Sequence[Lane]:
        return await self.outbox.claim(sink, now, now + MINUTE, limit)

    async def told(self, sink: str = "all") -> list[Entry]:
        """All that waits, which then waits no longer."""
        entries: list[Entry] = []
        for lane in await self.claim(sink):
            entries += (found := await self.outbox.load(lane, 1000))
            assert await self.outbox.release(lane, found[-1].number, LATER)
        return [entry for entry in entries if SINKS[sink](entry.happening.type)]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> Kept:
    return Kept(None if request.param == "memory" else request.getfixturevalue(request.param))


@pytest.fixture(params=["sqlite", "postgresql"])
def in_database(request: pytest.FixtureRequest) -> Kept:
    return Kept(request.getfixturevalue(request.param))


def muted(minute: float, meeting_id: str = "m") -> Happening:
    return happening("track.muted", meeting_id, at(minute), participant_id="p", source="camera", by=None)


def kinds(entries: Sequence[Entry]) -> list[str]:
    return [entry.happening.type for entry in entries]


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry.number for entry in entries]


async def test_all_of_a_meetings_life_is_told_in_order_and_with_the_fields_that_are_documented(kept: Kept) -> None:
    store, m = kept.store, uuid(1)
    await store.add(meeting(1))
    await store.update(m, None, {"title": "Another", "join_digest": b"x" * 32})
    await kept.bring(
        Joined(stay(1, m)), Happened(muted(1, m)), Joined(stay(2, m)), Left(uuid(1001), at(2), "left"), Ended(m, at(3))
    )
    ready = replace(recording(1, m), status=RecordingStatus.READY)
    for record in (recording(1, m), recording(1, m), ready):
        await store.put_recording(record)
    await store.remove(m)
    told = await kept.told()
    assert kinds(told) == [
        "meeting.created",
        "meeting.updated",
        "meeting.started",
        "participant.joined",
        "track.muted",
        "participant.joined",
        "participant.left",
        "participant.left",
        "meeting.ended",
        f"recording.{recording(1, m).status}",
        "recording.ready",
        "meeting.deleted",
    ]
    assert numbers(told) == list(range(1, 13))
    for entry in told:
        assert set(entry.happening.data) == set(FIELDS[entry.happening.type]), entry
        assert entry.happening.meeting_id == m
    assert told[1].happening.data["changed"] == ["join_link", "title"]
    assert [entry.happening.data["reason"] for entry in told[6:9]] == ["left", "ended", "ended"]
    assert kinds(await kept.told("people")) == [
        "participant.joined", "participant.joined", "participant.left", "participant.left",
    ]  # fmt: skip
    assert await kept.told() == await kept.told("people") == []


async def test_what_is_brought_again_is_told_once(in_database: Kept) -> None:
    m, other = uuid(1), uuid(2)
    changed = replace(meeting(1), title="Another", version=2)
    facts = (
        Added(meeting(1)), Changed(changed, at(1)), Joined(stay(1, m)), Happened(muted(1, m)),
        Left(uuid(1001), at(2), "left"), Ended(m, at(3)), Added(meeting(2)), Removed(other, at(4)),
    )  # fmt: skip
    for _ in range(2):
        for count in range(1, len(facts) + 1):
            await in_database.bring(*facts[:count])
    told = await in_database.told()
    assert kinds([one for one in told if one.happening.meeting_id == m]) == [
        "meeting.created", "meeting.updated", "meeting.started", "participant.joined", "track.muted",
        "participant.left", "meeting.ended",
    ]  # fmt: skip
    # A meeting that was forgotten and is brought again is another one, for who knows nothing of it any more.
    again = [one for one in told if one.happening.meeting_id == other]
    assert set(kinds(again)) == {"meeting.created", "meeting.deleted"}
    assert numbers(again) == list(range(1, len(again) + 1))


async def test_stays_that_a_crash_left_open_and_meetings_that_are_swept_are_told(in_database: Kept) -> None:
    store = in_database.store
    assert isinstance(store, SqlStore)
    await store.add(meeting(1))
    await store.joined(stay(1, uuid(1)))
    await in_database.told()
    await store.end_left_over(at(5))
    await store.end_idle(at(100), at(90))
    [left, ended] = await in_database.told()
    assert (left.happening.type, left.happening.data["reason"]) == ("participant.left", "server_lost")
    assert (ended.happening.type, ended.happening.data["reason"]) == ("meeting.ended", "idle")


async def test_nothing_is_told_of_a_transaction_that_failed(in_database: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    await in_database.store.add(meeting(1))
    await in_database.told()

    async def fail(*_args: object) -> None:
        raise ValueError("in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(FactWriter, "end", fail)
        with pytest.raises(ValueError, match="in the middle"):
            await in_database.bring(Joined(stay(1, uuid(1))), Happened(muted(1, uuid(1))), Ended(uuid(1), at(2)))
    assert await in_database.told() == []
    await in_database.bring(Joined(stay(1, uuid(1))))
    assert numbers(await in_database.told()) == [2, 3]


async def test_a_lane_is_one_claimants_until_the_claim_lapses(kept: Kept) -> None:
    await kept.append(muted(1), muted(2), muted(3))
    [first] = await kept.claim()
    assert not await kept.claim()
    [second] = await kept.claim(now=LATER + MINUTE)
    assert not await kept.outbox.release(first, 3, LATER)
    assert not await kept.outbox.postpone(first, 3, LATER, 1)
    assert not await kept.outbox.bury(first, Entry(1, muted(1)), LATER, 1, "late")
    assert await kept.outbox.release(second, 1, LATER)
    [third] = await kept.claim()
    assert (third.position, third.last) == (1, 3)
    assert numbers(await kept.outbox.load(third, 1)) == [2]
    assert not (await kept.outbox.backlog(["all"]))["all"].dead


async def test_what_comes_while_a_lane_is_claimed_is_not_left_lying(kept: Kept) -> None:
    await kept.append(muted(1))
    [lane] = await kept.claim()
    await kept.append(muted(2))
    assert not await kept.claim()
    assert await kept.outbox.release(lane, 1, LATER)
    assert numbers(await kept.told()) == [2]


async def test_what_fails_waits_and_holds_up_its_own_meeting_alone(kept: Kept) -> None:
    await kept.append(muted(1, "a"), muted(2, "a"), muted(1, "b"))
    [stuck] = [lane for lane in await kept.claim() if lane.meeting_id == "a"]
    assert await kept.outbox.postpone(stuck, 0, LATER + 5 * MINUTE, 3)
    assert [lane.meeting_id for lane in await kept.claim(now=LATER + MINUTE)] == ["b"]
    [lane] = [lane for lane in await kept.claim(now=LATER + 5 * MINUTE) if lane.meeting_id == "a"]
    assert (lane.attempts, numbers(await kept.outbox.load(lane, 9))) == (3, [1, 2])


async def test_what_is_dead_is_passed_over_kept_and_told_when_somebody_says_so(kept: Kept) -> None:
    first, second, third = muted(1), muted(2), muted(3)
    await kept.append(first, second, third)
    [lane] = await kept.claim()
    assert await kept.outbox.bury(lane, Entry(1, first), LATER, 7, "410 " * 100)
    assert numbers(await kept.told()) == [2, 3]
    [one] = await kept.outbox.dead("all", 10)
    assert (one.sink, one.number, one.happening, one.attempts, len(one.error)) == ("all", 1, first, 7, 200)
    assert await kept.outbox.dead("people", 10) == await kept.outbox.dead(None, 10, one.place) == []
    assert (await kept.outbox.backlog(["all"]))["all"].dead == 1
    assert await kept.outbox.revive(["people"], LATER) == await kept.outbox.revive(["all"], LATER, [second.id]) == 0
    assert await kept.outbox.revive(["all"], LATER, [first.id]) == 1
    await kept.append(muted(4))
    lanes = sorted(await kept.claim(), key=lambda lane: lane.branch)
    assert [(lane.branch, lane.position, lane.last) for lane in lanes] == [(0, 3, 4), (1, 0, 1)]
    assert [numbers(await kept.outbox.load(lane, 9)) for lane in lanes] == [[4], [1]]
    assert await kept.outbox.bury(lanes[1], Entry(1, first), LATER, 9, "again")
    assert [one.attempts for one in await kept.outbox.dead(None, 10)] == [9]
    assert await kept.outbox.revive(["all"], LATER) == 1
    [branch] = await kept.claim()
    assert await kept.outbox.release(branch, 1, LATER)
    assert await kept.outbox.dead(None, 10) == []
    assert not await kept.claim(now=LATER + MINUTE / 2)


async def test_dead_ones_are_listed_in_pages_that_do_not_move_when_some_are_retried(kept: Kept) -> None:
    happenings = [muted(number, meeting) for meeting in ("a", "b") for number in (1, 2, 3)]
    await kept.append(*happenings)
    while found := await kept.claim():
        for lane in found:
            [entry] = await kept.outbox.load(lane, 1)
            died_at = LATER - timedelta(seconds=entry.number % 2)
            assert await kept.outbox.bury(lane, entry, died_at, 1, "410")
    everything = await kept.outbox.dead(None, 100)
    assert len(everything) == 6
    first = await kept.outbox.dead(None, 2)
    await kept.outbox.revive(["all"], LATER, [one.happening.id for one in first])
    rest = await kept.outbox.dead(None, 100, DeadPlace.parse(str(first[-1].place)))
    assert [*first, *rest] == everything
    assert everything == sorted(everything, key=lambda one: one.place)


@pytest.mark.parametrize(
    "text", ["", "x", "é", "W10", "WzFd", "bnVsbA", "WyIyMDI2LTAxLTAxIiwgImEiLCAiYiIsIDFd", "[" * 400]
)
def test_a_cursor_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="the cursor is none of ours"):
        DeadPlace.parse(text)


async def test_the_backlog_says_how_many_wait_and_since_when(kept: Kept) -> None:
    assert (await kept.outbox.backlog(["all"]))["all"].oldest_at is None
    await kept.append(muted(1, "a"), muted(2, "a"), muted(3, "b"))
    lanes = await kept.claim()
    await kept.outbox.release(next(lane for lane in lanes if lane.meeting_id == "a"), 1, LATER)
    backlog = await kept.outbox.backlog(["all", "people"])
    assert (backlog["all"].lanes, backlog["all"].oldest_at) == (2, at(2))
    assert (backlog["people"].lanes, backlog["people"].oldest_at) == (0, None)


async def test_what_was_told_is_forgotten_in_time_and_what_nobody_takes_much_later(kept: Kept) -> None:
    await kept.append(
        muted(1, "told"), muted(1, "waits"), muted(1, "dies"), happening("meeting.deleted", "told", at(1))
    )
    for lane in await kept.claim(now=at(1)):
        if lane.meeting_id == "told":
            await kept.outbox.release(lane, 2, at(1))
        elif lane.meeting_id == "dies":
            [entry] = await kept.outbox.load(lane, 1)
            await kept.outbox.bury(lane, entry, at(1), 1, "no")
    assert await kept.outbox.forget(at(1), at(0)) == 0
    assert await kept.outbox.forget(at(2), at(0)) == 0
    assert len(await kept.outbox.dead(None, 10)) == 1
    await kept.append(muted(3, "told"))
    assert numbers(await kept.told())[-1:] in ([1], [3])  # of a meeting that was deleted, numbers may begin again
    await kept.append(muted(4, "waits"))
    assert await kept.outbox.forget(at(5), at(5)) == 1
    assert await kept.outbox.dead(None, 10) == []
    assert (await kept.outbox.backlog(["all"]))["all"].dead == 0
    [lane] = await kept.claim()
    assert await kept.outbox.load(lane, 10) == []


async def test_the_oldest_make_room_in_memory_and_are_counted() -> None:
    outbox = MemoryOutbox(SINKS, lambda: NOON, max_entries=3)
    outbox.append(muted(minute) for minute in range(5))
    assert outbox.lost == 2
    [lane] = await outbox.claim("all", LATER, LATER, 9)
    assert numbers(await outbox.load(lane, 9)) == [3, 4, 5]


async def test_many_who_append_and_claim_at_a_time_leave_no_gap_and_tell_nobody_twice(postgresql: Database) -> None:
    kept = Kept(postgresql)
    names = ["a", "b", "c"]

    async def append(seed: int) -> None:
        some = random.Random(seed)
        for _ in range(8):
            await kept.append(*(muted(some.random(), some.choice(names)) for _ in range(4)))

    told: list[tuple[str, int]] = []
    busy: set[str] = set()

    async def deliver() -> None:
        while len(told) < 6 * 8 * 4:
            for lane in await kept.claim(limit=2):
                assert lane.meeting_id not in busy
                busy.add(lane.meeting_id)
                entries = await kept.outbox.load(lane, 3)
                told.extend((lane.meeting_id, entry.number) for entry in entries)
                busy.remove(lane.meeting_id)
                assert await kept.outbox.release(lane, entries[-1].number, LATER)

    await asyncio.gather(*(append(seed) for seed in range(6)), deliver(), deliver())
    for name in names:
        numbers = [number for meeting_id, number in told if meeting_id == name]
        assert numbers == list(range(1, len(numbers) + 1))
