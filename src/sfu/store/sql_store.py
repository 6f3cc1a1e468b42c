"""``sfu.conference.store.MeetingStore`` over a database. Each method is one transaction.

Facts of running meetings come in batches by ``bring``, which is repeatable: what the database has already is passed
over. Whatever a state change must leave behind besides its row belongs into the same transaction, in ``_write``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.conference.ledger import Added, Changed, Ended, Fact, Joined, Left, Removed
from sfu.conference.memory_store import NO_SHOW, missing, outdated
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
from sfu.store.database import Database
from sfu.store.rows import (
    meeting_of,
    meeting_values,
    once_of,
    once_values,
    recording_of,
    recording_values,
    stay_of,
    stay_values,
)
from sfu.store.tables import key_of, meetings, participants, recordings, requests

MAX_SWEPT = 500
"""Idle meetings that one look ends; the next one takes more."""


class SqlStore:
    """See ``MeetingStore``. ``node`` names this server among those that share the database."""

    def __init__(self, database: Database, node: str) -> None:
        self.database = database
        self._node = node

    # meetings

    async def add(self, record: MeetingRecord, once: Once | None = None) -> bool:
        """See ``MeetingStore``."""
        try:
            async with self.database.writing() as connection:
                await connection.execute(meetings.insert().values(meeting_values(record)))
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
        async with self.database.writing() as connection:
            row = (await connection.execute(meetings.select().where(this).with_for_update())).one_or_none()
            if row is None:
                raise missing(meeting_id)
            before = meeting_of(row)
            if expected_version is not None and expected_version != before.version:
                raise outdated(expected_version, before.version)
            record = replace(before, **changes, version=before.version + 1)
            await connection.execute(meetings.update().where(this).values(meeting_values(record)))
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
        async with self.database.writing() as connection:
            await connection.execute(meetings.delete().where(meetings.c.id == key_of(meeting_id)))

    async def end_idle(self, now: datetime, idle_since: datetime, keep: Collection[str] = ()) -> tuple[str, ...]:
        """See ``MeetingStore``."""
        async with self.database.writing() as connection:
            rows = await connection.execute(_idle(now, idle_since).limit(MAX_SWEPT + len(keep)))
            idle = {row.name or str(row.id): row.id for row in rows}
            ended = tuple(name for name in idle if name not in keep)
            await self._end(connection, [(idle[name], now) for name in ended])
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
        async with self.database.writing() as connection:
            await self._write(connection, facts)

    async def _write(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        for fact in facts:
            await self._agree(connection, fact)
        joined = [fact.record for fact in facts if isinstance(fact, Joined)]
        left = [fact for fact in facts if isinstance(fact, Left)]
        ended = [(key_of(fact.meeting_id), fact.at) for fact in facts if isinstance(fact, Ended)]
        if joined:
            await self._join(connection, joined)
        if left:
            await self._leave(connection, left)
        await self._end(connection, ended)
        removed = [key_of(fact.meeting_id) for fact in facts if isinstance(fact, Removed)]
        if removed:
            await connection.execute(meetings.delete().where(meetings.c.id.in_(removed)))

    async def _agree(self, connection: AsyncConnection, fact: Fact) -> None:
        """What was put off while the database was away."""
        if isinstance(fact, Added):
            await connection.execute(
                self._insert(meetings).values(meeting_values(fact.record)).on_conflict_do_nothing()
            )
        elif isinstance(fact, Changed):
            values, changes = meeting_values(fact.record), {"version", "starts_at", "planned_end", *_COLUMNS}
            await connection.execute(
                meetings.update()
                .where(meetings.c.id == values["id"], meetings.c.version < fact.record.version)
                .values({name: values[name] for name in changes})
            )

    async def _join(self, connection: AsyncConnection, stays: Sequence[ParticipantRecord]) -> None:
        first: dict[UUID, datetime] = {}
        for stay in stays:
            first.setdefault(key_of(stay.meeting_id), stay.joined_at)
        # Locked, so that none of them goes while its stays come.
        known = await connection.execute(
            sa.select(meetings.c.id, meetings.c.started_at, meetings.c.created_at)
            .where(meetings.c.id.in_(first))
            .order_by(meetings.c.id)
            .with_for_update(read=True, key_share=True)
        )
        known_by_key = {row.id: row for row in known}
        started = {key: row.started_at for key, row in known_by_key.items()}
        values = [stay_values(stay, self._node) for stay in stays]
        # A name may be another meeting's by now.
        rows = [one for one in values if _was_there(known_by_key.get(one["meeting_id"]), one["joined_at"])]
        if rows:
            await connection.execute(self._insert(participants).on_conflict_do_nothing(), rows)
        begun = meetings.update().where(
            meetings.c.id == sa.bindparam("this"),
            meetings.c.started_at.is_(None),
            meetings.c.status != MeetingStatus.ENDED,
        )
        for key in sorted({one["meeting_id"] for one in rows if started[one["meeting_id"]] is None}):
            await connection.execute(begun.values(status=MeetingStatus.ACTIVE, started_at=first[key]), {"this": key})

    async def _leave(self, connection: AsyncConnection, stays: Sequence[Left]) -> None:
        gone = (
            participants.update()
            .where(participants.c.session_id == sa.bindparam("this"), participants.c.left_at.is_(None))
            .values(left_at=sa.bindparam("at"), left_reason=sa.bindparam("reason"))
        )
        rows = [{"this": key_of(stay.session_id), "at": stay.at, "reason": stay.reason} for stay in stays]
        await connection.execute(gone, rows)

    async def _end(self, connection: AsyncConnection, ended: Sequence[tuple[UUID, datetime]]) -> None:
        for key, at in sorted(ended):
            await connection.execute(
                meetings.update()
                .where(meetings.c.id == key, meetings.c.status != MeetingStatus.ENDED, meetings.c.created_at <= at)
                .values(status=MeetingStatus.ENDED, ended_at=at, version=meetings.c.version + 1)
            )
            await connection.execute(
                participants.update()
                .where(
                    participants.c.meeting_id == key, participants.c.left_at.is_(None), participants.c.joined_at <= at
                )
                .values(left_at=at, left_reason="ended")
            )

    async def ping(self) -> None:
        """Raises ``RemoteError`` ``store_unavailable`` when the database does not answer."""
        async with self.database.reading() as connection:
            await connection.execute(sa.select(1))

    async def end_left_over(self, at: datetime) -> int:
        """Ends the stays of an earlier life of this server, which did not come to write them down; how many."""
        async with self.database.writing() as connection:
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
        statement = self._insert(recordings).values(values)
        changed = {name: value for name, value in values.items() if name not in {"id", "meeting_id"}}
        try:
            async with self.database.writing() as connection:
                await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
        except IntegrityError:
            return  # its meeting is not there

    async def recordings(self, meeting_id: str) -> tuple[RecordingRecord, ...]:
        """See ``MeetingStore``."""
        table = recordings.c
        found = recordings.select().where(table.meeting_id == key_of(meeting_id)).order_by(table.started_at, table.id)
        async with self.database.reading() as connection:
            return tuple(recording_of(row, meeting_id) for row in await connection.execute(found))

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self.database.is_sqlite else postgresql.insert(table)


_COLUMNS = (
    "title", "host", "scheduled_start", "duration_s", "max_participants", "access", "recording", "e2ee", "not_before",
    "lobby", "rules", "host_digest", "join_link_token", "join_link_expires_at",
)  # fmt: skip
"""What was agreed, in contrast to what happened."""


def _was_there(meeting: Any, at: datetime) -> bool:
    return meeting is not None and bool(meeting.created_at <= at)


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
