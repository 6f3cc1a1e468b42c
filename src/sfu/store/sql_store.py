"""``sfu.conference.store.MeetingStore`` over a database. Each method is one transaction.

Facts of running meetings come in batches by ``bring``, which is repeatable: see ``fact_writer``. Whatever a state
change must leave behind besides its row belongs into the same transaction; ``_changing`` leaves what others are to be
told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.conference import happenings
from sfu.conference.chat_lines import KeptLine
from sfu.conference.happenings import Happening
from sfu.conference.ledger import Ended, Fact, Joined, KeptFact, Left, Removed
from sfu.conference.memory_store import NO_SHOW, missing, outdated
from sfu.conference.orders import Kept
from sfu.conference.records import (
    Cursor,
    MeetingFilter,
    MeetingRecord,
    MeetingStatus,
    Once,
    Page,
    ParticipantRecord,
    RecordingRecord,
)
from sfu.conference.returning import Seat
from sfu.store import kept
from sfu.store.database import Database, insert_into
from sfu.store.fact_writer import FactWriter
from sfu.store.outbox import SqlOutbox
from sfu.store.rows import (
    meeting_of,
    meeting_values,
    once_of,
    once_values,
    recording_of,
    recording_values,
    stay_of,
)
from sfu.store.tables import key_of, meetings, participants, recordings, requests

MAX_SWEPT = 500
"""Idle meetings that one look ends; the next one takes more."""


class SqlStore:
    """See ``MeetingStore``. ``node`` names this server among those that share the database. ``outbox``: where it leaves
    what others are to be told, in the transaction in which it happens; None: nobody is.
    """

    def __init__(self, database: Database, node: str, outbox: SqlOutbox | None = None) -> None:
        self.database = database
        self._node = node
        self._outbox = outbox
        self._facts = FactWriter(node, outbox)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[tuple[AsyncConnection, list[Happening]]]:
        """A transaction, and what others are told of it."""
        told: list[Happening] = []
        is_new = False
        async with self.database.writing() as connection:
            yield connection, told
            if self._outbox is not None and told:
                is_new = await self._outbox.append(connection, told)
        if self._outbox is not None and is_new:
            self._outbox.on_appended()

    # meetings

    async def add(self, record: MeetingRecord, once: Once | None = None) -> bool:
        """See ``MeetingStore``."""
        try:
            async with self._changing() as (connection, told):
                await connection.execute(meetings.insert().values(meeting_values(record)))
                told.append(happenings.created(record))
                if once is not None:
                    await connection.execute(requests.insert().values(once_values(once)))
        except IntegrityError:
            return False
        return True

    async def find(self, meeting_id: str) -> MeetingRecord | None:
        """See ``MeetingStore``."""
        return await self._find(meetings.c.id == key_of(meeting_id))

    async def find_by_join(self, join_digest: bytes) -> MeetingRecord | None:
        """See ``MeetingStore``."""
        return await self._find(meetings.c.join_link_token == join_digest)

    async def _find(self, which: sa.ColumnElement[bool]) -> MeetingRecord | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(meetings.select().where(which))).one_or_none()
        return None if row is None else meeting_of(row)

    async def find_once(self, key_digest: bytes) -> Once | None:
        """See ``MeetingStore``."""
        wanted = (
            sa.select(requests, meetings.c.name)
            .join(meetings, meetings.c.id == requests.c.meeting_id)
            .where(requests.c.key_digest == key_digest)
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return None if row is None else once_of(row, row.name or str(row.meeting_id))

    async def forget_requests(self, before: datetime) -> None:
        """A request that was made earlier and comes again is another one."""
        async with self.database.writing() as connection:
            await connection.execute(requests.delete().where(requests.c.created_at < before))

    async def update(self, meeting_id: str, expected_version: int | None, changes: Mapping[str, Any]) -> MeetingRecord:
        """See ``MeetingStore``."""
        this = meetings.c.id == key_of(meeting_id)
        async with self._changing() as (connection, told):
            row = (await connection.execute(meetings.select().where(this).with_for_update())).one_or_none()
            if row is None:
                raise missing(meeting_id)
            before = meeting_of(row)
            if expected_version is not None and expected_version != before.version:
                raise outdated(expected_version, before.version)
            record = replace(before, **changes, version=before.version + 1)
            await connection.execute(meetings.update().where(this).values(meeting_values(record)))
            if self._outbox is not None:
                told.append(happenings.updated(before, record, self._outbox.now()))
        return record

    async def list_meetings(self, wanted: MeetingFilter, cursor: str | None, limit: int) -> Page[MeetingRecord]:
        """See ``MeetingStore``."""
        after = Cursor.parse(cursor)
        order = sa.tuple_(meetings.c.starts_at, meetings.c.id)
        found = meetings.select().order_by(meetings.c.starts_at.desc(), meetings.c.id.desc()).limit(limit + 1)
        if after is not None:
            found = found.where(order < _place(after, meetings.c.starts_at, meetings.c.id))
        if wanted.status is not None:
            found = found.where(meetings.c.status == wanted.status)
        if wanted.host is not None:
            found = found.where(meetings.c.host == wanted.host)
        if wanted.since is not None:
            found = found.where(meetings.c.starts_at >= wanted.since)
        if wanted.until is not None:
            found = found.where(meetings.c.starts_at < wanted.until)
        async with self.database.reading() as connection:
            records = tuple(meeting_of(row) for row in await connection.execute(found))
        following = str(Cursor(records[limit - 1].starts_at, records[limit - 1].id)) if len(records) > limit else None
        return Page(records[:limit], following)

    async def remove(self, meeting_id: str) -> None:
        """See ``MeetingStore``."""
        async with self._changing() as (connection, told):
            told.extend(await self._facts.remove(connection, Removed(meeting_id)))

    async def end_idle(self, now: datetime, idle_since: datetime, keep: Collection[str] = ()) -> tuple[str, ...]:
        """See ``MeetingStore``."""
        async with self._changing() as (connection, told):
            rows = await connection.execute(_idle(now, idle_since).limit(MAX_SWEPT + len(keep)))
            idle = (row.name or str(row.id) for row in rows)
            ended = tuple(name for name in idle if name not in keep)
            for name in sorted(ended, key=key_of):
                told.extend(await self._facts.end(connection, Ended(name, now), "idle"))
        return ended

    # what happens in them

    async def end(self, meeting_id: str, at: datetime) -> None:
        """See ``MeetingStore``."""
        await self.bring((Ended(meeting_id, at),))

    async def joined(self, record: ParticipantRecord) -> None:
        """See ``MeetingStore``."""
        await self.bring((Joined(record),))

    async def left(self, session_id: str, at: datetime, reason: str) -> None:
        """See ``MeetingStore``."""
        await self.bring((Left(session_id, at, reason),))

    async def bring(self, facts: Sequence[Fact]) -> None:
        """All of them in one transaction, in their order as far as it matters: nothing follows the end of a stay or
        of a meeting.
        """
        async with self._changing() as (connection, told):
            told.extend(await self._facts.write(connection, facts))

    async def ping(self) -> None:
        """Raises ``RemoteError`` ``store_unavailable`` when the database does not answer."""
        async with self.database.reading() as connection:
            await connection.execute(sa.select(1))

    async def keep(self, fact: KeptFact) -> None:
        """See ``MeetingStore``."""
        await self.bring((fact,))

    async def recall(self, meeting_id: str) -> Kept:
        """See ``MeetingStore``."""
        async with self.database.reading() as connection:
            return await kept.recall(connection, meeting_id)

    async def seats(self, meeting_id: str, now: datetime) -> Sequence[Seat]:
        """See ``MeetingStore``."""
        async with self.database.reading() as connection:
            return await kept.seats_of(connection, meeting_id, now)

    async def said(self, meeting_id: str) -> Sequence[KeptLine]:
        """See ``MeetingStore``."""
        async with self.database.reading() as connection:
            return await kept.said(connection, meeting_id)

    async def forget_old(self, said_before: datetime, now: datetime) -> None:
        """What was said earlier, and seats that nobody came back to in time."""
        async with self.database.writing() as connection:
            await kept.forget_old(connection, said_before, now)

    async def forget_ended(self, before: datetime) -> int:
        """Meetings that ended earlier go, with all that was known of them, some at a time; how many. Those with
        recordings stay: they say where these are.
        """
        table = meetings.c
        is_recorded = sa.exists().where(recordings.c.meeting_id == table.id)
        old = sa.select(table.id).where(table.status == MeetingStatus.ENDED, table.ended_at < before, ~is_recorded)
        async with self.database.writing() as connection:
            result = await connection.execute(meetings.delete().where(table.id.in_(old.limit(MAX_SWEPT))))
        return result.rowcount

    async def end_left_over(self, at: datetime, seats_until: datetime | None = None) -> int:
        """Ends the stays of an earlier life of this server, which did not come to write them down; how many. Their
        seats, and those of who was there when it stopped, are reserved until ``seats_until``.
        """
        async with self._changing() as (connection, told):
            await kept.reserve_seats(connection, self._node, seats_until or at)
            stays = await self._facts.open_stays(connection, participants.c.node == self._node)
            told.extend(happenings.left(stay, at, "server_lost") for stay in stays)
            result = await connection.execute(
                participants.update()
                .where(participants.c.node == self._node, participants.c.left_at.is_(None))
                .values(left_at=at, left_reason="server_lost")
            )
        return result.rowcount

    async def participants(
        self, meeting_id: str, cursor: str | None, limit: int, *, current: bool | None = None
    ) -> Page[ParticipantRecord]:
        """See ``MeetingStore``."""
        after, table = Cursor.parse(cursor), participants.c
        found = (
            participants.select()
            .where(table.meeting_id == key_of(meeting_id))
            .order_by(table.joined_at, table.session_id)
            .limit(limit + 1)
        )
        if after is not None:
            place = _place(after, table.joined_at, table.session_id)
            found = found.where(sa.tuple_(table.joined_at, table.session_id) > place)
        if current is not None:
            found = found.where(table.left_at.is_(None) if current else table.left_at.is_not(None))
        async with self.database.reading() as connection:
            stays = tuple(stay_of(row, meeting_id) for row in await connection.execute(found))
        following = str(Cursor(stays[limit - 1].joined_at, stays[limit - 1].session_id)) if len(stays) > limit else None
        return Page(stays[:limit], following)

    # recordings

    async def put_recording(self, record: RecordingRecord) -> None:
        """See ``MeetingStore``."""
        values = recording_values(record)
        changed = {name: value for name, value in values.items() if name not in {"id", "meeting_id"}}
        try:
            async with self._changing() as (connection, told):
                status = await connection.scalar(
                    sa.select(recordings.c.status).where(recordings.c.id == values["id"]).with_for_update()
                )
                statement = insert_into(connection, recordings).values(values)
                await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
                if self._outbox is not None and status is not record.status:
                    told.append(happenings.recorded(record, self._outbox.now()))
        except IntegrityError:
            return  # its meeting is not there

    async def recordings(self, meeting_id: str) -> tuple[RecordingRecord, ...]:
        """See ``MeetingStore``."""
        table = recordings.c
        found = recordings.select().where(table.meeting_id == key_of(meeting_id)).order_by(table.started_at, table.id)
        async with self.database.reading() as connection:
            return tuple(recording_of(row, meeting_id) for row in await connection.execute(found))


def _place(cursor: Cursor, at: sa.Column[Any], key: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Where a page ended, to be compared with the columns that the list is in order of."""
    return sa.tuple_(sa.literal(cursor.at, at.type), sa.literal(key_of(cursor.id), key.type))


def _idle(now: datetime, idle_since: datetime) -> sa.Select[Any]:
    """See ``MeetingStore.end_idle``."""
    stay, meeting = participants.c, meetings.c
    somebody = sa.exists().where(
        stay.meeting_id == meeting.id, sa.or_(stay.left_at.is_(None), stay.left_at > idle_since)
    )
    nobody_came = sa.and_(meeting.status == MeetingStatus.SCHEDULED, meeting.planned_end <= now - NO_SHOW)
    nobody_left = sa.and_(
        meeting.status == MeetingStatus.ACTIVE,
        sa.or_(meeting.planned_end.is_(None), meeting.planned_end <= now),
        meeting.created_at <= idle_since,
        ~somebody,
    )
    return sa.select(meeting.id, meeting.name).where(sa.or_(nobody_came, nobody_left))
