from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.postgres import Postgres
from tests.support.waiting import PATIENCE_S
from tests.unit.store.records import NOON, at, meeting, stay, uuid

from sfu.conference.ledger import Added, Changed, Ended, Fact, Joined, Left, Removed, bring, unavailable
from sfu.conference.memory_store import MemoryStore
from sfu.conference.records import MeetingFilter, MeetingStatus
from sfu.errors import RemoteError
from sfu.store import writer as writer_module
from sfu.store.database import Database
from sfu.store.journal import Journal
from sfu.store.sql_store import SqlStore
from sfu.store.writer import Writer

LEFT = [Left(uuid(number), NOON, "left") for number in range(2000)]


class Store:
    """Takes facts down in order; ``away``: answers nothing; ``poison``: is not accepted."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.away = False
        self.poison: Fact | None = None
        self.attempts = 0

    async def ping(self) -> None:
        self.attempts += 1
        if self.away:
            raise unavailable()

    async def bring(self, facts: Sequence[Fact]) -> None:
        await self.ping()
        await asyncio.sleep(0)
        if self.poison in facts:
            raise ValueError("not this one")
        self.facts += facts


@asynccontextmanager
async def writing(store: object, folder: Path, max_bytes: int = 10_000_000) -> AsyncIterator[Writer]:
    writer = Writer(store, Journal(folder / "journal", max_bytes))  # type: ignore[arg-type]
    await writer.start()
    try:
        yield writer
    finally:
        await writer.close()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a request waits for the store is not what is tested here."""
    monkeypatch.setattr(writer_module, "SETTLE_S", PATIENCE_S)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_is_noted_is_brought_in_order(tmp_path: Path) -> None:
    store = Store()
    async with writing(store, tmp_path) as writer:
        for fact in LEFT:
            writer.note(fact)
        assert await writer.settle()
        assert store.facts == LEFT
        stats = writer.stats()
        assert (stats.written, stats.waiting, stats.journal_bytes, stats.is_away) == (2000, 0, 0, False)


async def test_what_is_noted_while_the_store_is_away_is_on_disk_and_comes_later_in_order(tmp_path: Path) -> None:
    store = Store()
    async with writing(store, tmp_path) as writer:
        writer.note(LEFT[0])
        assert await writer.settle()
        store.away = True
        for fact in LEFT[1:1000]:
            writer.note(fact)
        assert not await writer.settle()
        for fact in LEFT[1000:1500]:
            writer.note(fact)
        await until(lambda: writer.stats().waiting == 0)
        assert writer.stats().journal_bytes > 1499 * 50
        assert writer.stats().is_away
        store.away = False
        for fact in LEFT[1500:]:
            writer.note(fact)
        await until(lambda: not writer.stats().is_away)
        assert await writer.settle()
        assert store.facts == LEFT
        assert writer.stats().journal_bytes == 0


async def test_a_process_that_was_killed_leaves_its_journal_to_the_next(tmp_path: Path) -> None:
    store = Store()
    first = Writer(store, Journal(tmp_path / "journal", 1_000_000))
    await first.start()
    store.away = True
    for fact in LEFT[:700]:
        first.note(fact)
    await until(lambda: first.stats().waiting == 0)
    assert first._task is not None
    first._task.cancel()  # as far as the disk can tell, a kill
    store.away = False
    async with writing(store, tmp_path) as writer:
        assert store.facts == LEFT[:700], "before anything else is written"
        writer.note(LEFT[700])
        assert await writer.settle()
    assert store.facts == LEFT[:701]
    await asyncio.gather(first._task, return_exceptions=True)
    first._journal.close()


async def test_a_stop_while_the_store_is_away_keeps_everything_for_the_next_start(tmp_path: Path) -> None:
    store = Store()
    async with writing(store, tmp_path) as writer:
        store.away = True
        for fact in LEFT:
            writer.note(fact)
    assert store.facts == []
    store.away = False
    async with writing(store, tmp_path):
        assert store.facts == LEFT


async def test_a_stop_brings_what_is_left(tmp_path: Path) -> None:
    store = Store()
    async with writing(store, tmp_path) as writer:
        for fact in LEFT:
            writer.note(fact)
    assert store.facts == LEFT


async def test_a_fact_that_the_store_does_not_accept_holds_up_no_others(tmp_path: Path) -> None:
    store = Store()
    store.poison = LEFT[5]
    with capture_logs() as logs:
        async with writing(store, tmp_path) as writer:
            for fact in LEFT[:10]:
                writer.note(fact)
            assert await writer.settle()
    assert store.facts == LEFT[:5] + LEFT[6:10]
    assert (writer.stats().rejected, writer.stats().written) == (1, 9)
    assert [line["event"] for line in logs] == ["fact_rejected"]


async def test_what_finds_no_room_is_counted_and_what_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_QUEUED", 50)
    store = Store()
    async with writing(store, tmp_path, max_bytes=1000) as writer:
        store.away = True
        writer.note(LEFT[0])
        await until(lambda: writer.stats().is_away)
        for fact in LEFT[1:200]:
            writer.note(fact)
            await asyncio.sleep(0.001)
        with pytest.raises(RemoteError, match="no more can be kept") as caught:
            writer.defer(Removed("x"))
        assert (caught.value.code, caught.value.status) == ("store_unavailable", 503)
        stats = writer.stats()
        assert stats.waiting == 50
        assert stats.dropped > 100
        store.away = False
        await until(lambda: not writer.stats().is_away)
        assert await writer.settle()
        assert len(store.facts) + writer.stats().dropped == 200
        assert store.facts == LEFT[: len(store.facts)], "what was there first was kept"
        writer.defer(Removed("x"))


class FullDisk(Journal):
    attempts = 0

    def append(self, facts: Sequence[Fact]) -> int:
        self.attempts += 1
        raise OSError(28, "No space left on device")


async def test_a_full_disk_is_not_asked_without_end_and_costs_nothing_that_memory_can_keep(tmp_path: Path) -> None:
    store, journal = Store(), FullDisk(tmp_path / "journal", 1_000_000)
    writer = Writer(store, journal)
    await writer.start()
    with capture_logs():
        store.away = True
        for fact in LEFT[:100]:
            writer.note(fact)
        await until(lambda: writer.stats().is_away)
        for fact in LEFT[100:200]:
            writer.note(fact)
            await asyncio.sleep(0.002)
        attempts = journal.attempts
        store.away = False
        await until(lambda: not writer.stats().is_away)
        assert await writer.settle()
        await writer.close()
    assert attempts < 20
    assert store.facts == LEFT[:200]


async def test_a_database_that_is_killed_and_comes_back_has_it_all_once(
    postgresql: Database, postgres: Postgres, tmp_path: Path
) -> None:
    store = SqlStore(postgresql, "node")
    await store.add(meeting())
    sessions = [stay(number, uuid(1)) for number in range(600)]
    async with writing(store, tmp_path) as writer:
        for session in sessions[:200]:
            writer.note(Joined(session))
            await asyncio.sleep(0)
        postgres.kill()  # whatever of it was being written
        try:
            for session in sessions[200:400]:
                writer.note(Joined(session))
            for session in sessions[:100]:
                writer.note(Left(session.session_id, at(700), "left"))
            await until(lambda: writer.stats().is_away)
            with pytest.raises(RemoteError) as caught:
                await store.find(uuid(1))
            assert (caught.value.code, caught.value.status) == ("store_unavailable", 503)
            writer.defer(Added(meeting(2)))
            writer.defer(Changed(meeting(2, title="Changed", version=2)))
            writer.note(Ended(uuid(2), at(1)))
        finally:
            postgres.start()
        for session in sessions[400:]:
            writer.note(Joined(session))
        await until(lambda: not writer.stats().is_away)
        assert await writer.settle()
        assert writer.stats().rejected == 0
    kept = (await store.participants(uuid(1), None, 1000)).items
    assert [one.session_id for one in kept] == [one.session_id for one in sessions]
    assert [one.left_at is not None for one in kept] == [number < 100 for number in range(600)]
    second = await store.find(uuid(2))
    assert second is not None
    assert (second.title, second.status, second.version) == ("Changed", MeetingStatus.ENDED, 3)


async def test_facts_may_be_brought_any_number_of_times(sqlite: Database) -> None:
    store, oracle = SqlStore(sqlite, "node"), MemoryStore()
    facts: list[Fact] = [
        Added(meeting()),
        Added(meeting(2)),
        Joined(stay(1, uuid(1))),
        Joined(stay(2, uuid(1))),
        Left(stay(1, uuid(1)).session_id, at(5), "left"),
        Changed(meeting(title="Changed", version=2)),
        Ended(uuid(1), at(9)),
        Removed(uuid(2)),
    ]
    for fact in facts:
        await bring(oracle, fact)
    for batch in (facts[:3], facts[:5], facts, facts, facts[4:]):
        await store.bring(batch)
    everything = MeetingFilter()
    assert await store.list_meetings(everything, None, 10) == await oracle.list_meetings(everything, None, 10)
    assert await store.participants(uuid(1), None, 10) == await oracle.participants(uuid(1), None, 10)


async def test_what_happened_under_a_name_is_not_told_of_the_next_meeting_of_that_name(sqlite: Database) -> None:
    store = SqlStore(sqlite, "node")
    await store.add(meeting(id="demo", created_at=at(60)))
    await store.bring([Joined(stay(1, "demo")), Ended("demo", at(5))])
    record = await store.find("demo")
    assert record is not None
    assert (record.status, record.started_at) == (MeetingStatus.ACTIVE, None)
    assert (await store.participants("demo", None, 10)).items == ()


async def test_stays_that_a_crash_left_open_end_at_the_next_start_of_that_server_alone(sqlite: Database) -> None:
    crashed, other = SqlStore(sqlite, "crashed"), SqlStore(sqlite, "other")
    await crashed.add(meeting())
    await crashed.joined(stay(1, uuid(1)))
    await other.joined(stay(2, uuid(1)))
    assert await crashed.end_left_over(at(30)) == 1
    lost, there = (await other.participants(uuid(1), None, 10)).items
    assert (lost.left_at, lost.reason, there.left_at) == (at(30), "server_lost", None)


async def test_what_comes_while_a_batch_is_written_waits_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "LINGER_S", PATIENCE_S)
    batches: list[list[Fact]] = []

    class Noting(Store):
        async def bring(self, facts: Sequence[Fact]) -> None:
            batches.append(list(facts))
            if len(batches) == 1:
                writer.note(LEFT[1])
            await super().bring(facts)

    async def turns_of_the_loop() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async with writing(Noting(), tmp_path) as writer:
        await turns_of_the_loop()  # until it has nothing to do
        writer.note(LEFT[0])
        assert await writer.settle()
        await turns_of_the_loop()  # in which the second would be written by itself
        writer.note(LEFT[2])
        assert await writer.settle()
    assert batches == [[LEFT[0]], [LEFT[1], LEFT[2]]]
