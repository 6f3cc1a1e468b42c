"""Any calls in any order: a database tells the same as the store in memory, which is simple enough to be believed.

Facts go by the batch, and batches are brought again at random, as after a connection that broke in the middle.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from tests.unit.store.records import at, meeting, stay, uuid

from sfu.conference.chat_lines import KeptLine
from sfu.conference.chat_views import ChatMode
from sfu.conference.ledger import Became, Decided, Ended, Fact, Hushed, Joined, Left, Ordered, Said, bring
from sfu.conference.memory_store import MemoryStore
from sfu.conference.orders import Orders
from sfu.conference.records import MeetingFilter, MeetingStatus
from sfu.conference.standings import Decision, Standing
from sfu.errors import RemoteError
from sfu.store.database import Database
from sfu.store.sql_store import SqlStore
from sfu.store.tables import metadata

EVERYTHING = MeetingFilter()


class Stores(RuleBasedStateMachine):
    """The same to both; what they give must be the same."""

    meetings = Bundle("meetings")
    stays = Bundle("stays")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="sfu-any-")
        self.runner = asyncio.Runner()
        self.database = Database.in_file(Path(self.folder.name) / "sfu.db")
        self.run(self.make_tables())
        self.sql, self.memory = SqlStore(self.database, "node"), MemoryStore()
        self.minute = 0
        self.numbers = 0
        self.facts: list[Fact] = []

    async def make_tables(self) -> None:
        async with self.database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def both(self, call: Any) -> Any:
        answers = []
        for store in (self.memory, self.sql):
            try:
                answers.append(self.run(call(store)))
            except RemoteError as error:
                answers.append((error.code, error.status))
        assert answers[0] == answers[1]
        return answers[0]

    def note(self, fact: Fact) -> None:
        self.run(bring(self.memory, fact))
        self.facts.append(fact)

    def settle(self) -> None:
        """Twice, as far as it is: the second time changes nothing."""
        facts, self.facts = self.facts, []
        self.run(self.sql.bring(facts))
        self.run(self.sql.bring(facts))

    @rule(target=meetings, named=st.booleans(), later=st.booleans(), digest=st.booleans())
    def add(self, named: bool, later: bool, digest: bool) -> str:
        self.settle()
        self.numbers += 1
        record = meeting(
            self.numbers,
            created_at=at(self.minute),
            join_digest=self.numbers.to_bytes(32, "big") if digest else b"",
            **({"id": f"name-{self.numbers % 3}"} if named else {}),
            **({"status": MeetingStatus.SCHEDULED, "scheduled_start": at(self.minute + 30)} if later else {}),
        )
        self.both(lambda store: store.add(record))
        return record.id

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.minute += minutes

    @rule(target=stays, meeting_id=meetings)
    def join(self, meeting_id: str) -> str:
        self.numbers += 1
        record = replace(stay(self.numbers, meeting_id), joined_at=at(self.minute))
        self.note(Joined(record))
        return record.session_id

    @rule(session_id=consumes(stays))
    def leave(self, session_id: str) -> None:
        self.note(Left(session_id, at(self.minute), "left"))

    @rule(meeting_id=meetings, member=st.integers(0, 2), decision=st.none() | st.sampled_from(Decision))
    def decide(self, meeting_id: str, member: int, decision: Decision | None) -> None:
        self.minute += 1
        self.note(Decided(meeting_id, Standing(member.to_bytes(32, "big"), decision, at(self.minute))))

    @rule(meeting_id=meetings, locked=st.booleans())
    def order(self, meeting_id: str, locked: bool) -> None:
        self.note(Ordered(meeting_id, at(self.minute), Orders(locked, spotlight=("a", "b"), chat=ChatMode.OFF)))

    @rule(meeting_id=meetings, deletes=st.none() | st.integers(1, 9))
    def say(self, meeting_id: str, deletes: int | None) -> None:
        self.minute, self.numbers = self.minute + 1, self.numbers + 1
        text = "Größe" if deletes is None else None
        line = KeptLine("log", self.numbers, at(self.minute), "ann", "Ann", text, deletes=deletes)
        self.note(Said(meeting_id, line))

    @rule(meeting_id=meetings)
    def hush(self, meeting_id: str) -> None:
        self.note(Hushed(meeting_id, at(self.minute)))
        self.minute += 1

    @rule(session_id=stays, leads=st.booleans())
    def become(self, session_id: str, leads: bool) -> None:
        self.note(Became(session_id, "host" if leads else "audience", leads))

    @rule(meeting_id=meetings)
    def recall(self, meeting_id: str) -> None:
        self.settle()
        self.both(lambda store: store.recall(meeting_id))
        self.both(lambda store: store.said(meeting_id))

    @rule(meeting_id=meetings)
    def end(self, meeting_id: str) -> None:
        self.note(Ended(meeting_id, at(self.minute)))
        self.settle()  # nothing of a meeting comes after its end in one batch

    @rule(meeting_id=meetings, version=st.none() | st.integers(1, 3), title=st.sampled_from("abc"))
    def update(self, meeting_id: str, version: int | None, title: str) -> None:
        self.settle()
        self.both(lambda store: store.update(meeting_id, version, {"title": title, "scheduled_start": None}))

    @rule(meeting_id=meetings)
    def remove(self, meeting_id: str) -> None:
        self.settle()
        self.both(lambda store: store.remove(meeting_id))

    @rule()
    def end_idle(self) -> None:
        self.settle()
        now = at(self.minute)
        for store in (self.memory, self.sql):
            self.run(store.end_idle(now, now - timedelta(hours=1)))

    @rule(limit=st.integers(1, 4))
    def list_all(self, limit: int) -> None:
        self.settle()
        found: dict[bool, list[Any]] = {}
        for store in (self.memory, self.sql):
            items, cursor = [], None
            while True:
                page = self.run(store.list_meetings(EVERYTHING, cursor, limit))
                items += page.items
                cursor = page.next
                if cursor is None:
                    break
            found[store is self.sql] = sorted(items, key=lambda record: (record.starts_at, record.id))
        assert found[True] == found[False]

    @rule(meeting_id=meetings, current=st.none() | st.booleans())
    def who(self, meeting_id: str, current: bool | None) -> None:
        self.settle()
        self.both(lambda store: store.participants(meeting_id, None, 100, current=current))

    @invariant()
    def names_are_found(self) -> None:
        if hasattr(self, "sql") and not self.facts:
            for name in ("name-0", "name-1", uuid(1)):
                self.both(lambda store, name=name: store.find(name))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.database.close())
            self.runner.close()
            self.folder.cleanup()


TestAnyOrder = Stores.TestCase
TestAnyOrder.settings = settings(stateful_step_count=30, max_examples=20, deadline=None)
