"""What running meetings note, written down in one transaction, and what others are told of it.

Repeatable: what the database has already is passed over, and nobody is told of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.conference import happenings
from sfu.conference.happenings import Happening
from sfu.conference.ledger import Added, Changed, Ended, Fact, Happened, Joined, Left, Removed
from sfu.conference.records import MeetingStatus, ParticipantRecord
from sfu.store.database import insert_into
from sfu.store.kept import write_kept
from sfu.store.outbox import SqlOutbox
from sfu.store.rows import meeting_of, meeting_values, stay_of, stay_values
from sfu.store.tables import key_of, meetings, participants


class FactWriter:
    """Of a store; ``node`` and ``outbox`` are the store's. All is done in the transaction of ``connection``, and gives
    what others are told, in order.
    """

    def __init__(self, node: str, outbox: SqlOutbox | None) -> None:
        self._node = node
        self._outbox = outbox

    async def write(self, connection: AsyncConnection, facts: Sequence[Fact]) -> list[Happening]:
        """Gives what others are told, in the order of the facts."""
        told: dict[Fact, list[Happening]] = {}
        for fact in facts:
            told.setdefault(fact, []).extend(await self._agree(connection, fact))
        told.update(await self._join(connection, [fact for fact in facts if isinstance(fact, Joined)]))
        told.update(await self._leave(connection, [fact for fact in facts if isinstance(fact, Left)]))
        await write_kept(connection, facts)
        for fact in sorted({fact for fact in facts if isinstance(fact, Ended)}, key=lambda one: key_of(one.meeting_id)):
            told[fact] = await self.end(connection, fact)
        for fact in facts:
            if isinstance(fact, Removed):
                told[fact] += await self.remove(connection, fact)
        return [one for fact in dict.fromkeys(facts) for one in told[fact]]

    async def _agree(self, connection: AsyncConnection, fact: Fact) -> list[Happening]:
        """What was put off while the database was away, and what is in no table but the outbox."""
        if isinstance(fact, Happened):
            return [fact.happening]
        if isinstance(fact, Added):
            values = meeting_values(fact.record)
            added = await connection.execute(insert_into(connection, meetings).values(values).on_conflict_do_nothing())
            return [happenings.created(fact.record)] if added.rowcount else []
        if isinstance(fact, Changed):
            values, changes = meeting_values(fact.record), {"version", "starts_at", "planned_end", *_COLUMNS}
            this = meetings.c.id == values["id"], meetings.c.version < fact.record.version
            row = (await connection.execute(meetings.select().where(*this).with_for_update())).one_or_none()
            if row is None:
                return []
            await connection.execute(meetings.update().where(*this).values({name: values[name] for name in changes}))
            if self._outbox is not None:
                return [happenings.updated(meeting_of(row), fact.record, fact.at or self._outbox.now())]
        return []

    async def _join(self, connection: AsyncConnection, facts: Sequence[Joined]) -> dict[Fact, list[Happening]]:
        told: dict[Fact, list[Happening]] = {fact: [] for fact in facts}
        if not facts:
            return told
        first: dict[UUID, Joined] = {}
        for fact in facts:
            first.setdefault(key_of(fact.record.meeting_id), fact)
        # Locked, so that none of them goes while its stays come.
        known = await connection.execute(
            sa.select(meetings.c.id, meetings.c.started_at, meetings.c.created_at)
            .where(meetings.c.id.in_(first))
            .order_by(meetings.c.id)
            .with_for_update(read=True, key_share=True)
        )
        known_by_key = {row.id: row for row in known}
        values = {fact: stay_values(fact.record, self._node) for fact in facts}
        # A name may be another meeting's by now.
        rows = {
            fact: one
            for fact, one in values.items()
            if _was_there(known_by_key.get(one["meeting_id"]), one["joined_at"])
        }
        before = await self._stays_among(connection, [one["session_id"] for one in rows.values()])
        if rows:
            await connection.execute(
                insert_into(connection, participants).on_conflict_do_nothing(), list(rows.values())
            )
        begun = meetings.update().where(
            meetings.c.id == sa.bindparam("this"),
            meetings.c.started_at.is_(None),
            meetings.c.status != MeetingStatus.ENDED,
        )
        for key in sorted({key for key in (one["meeting_id"] for one in rows.values()) if not known_by_key[key][1]}):
            fact = first[key]
            at = fact.record.joined_at
            started = await connection.execute(begun.values(status=MeetingStatus.ACTIVE, started_at=at), {"this": key})
            if started.rowcount:
                told[fact].append(happenings.started(fact.record.meeting_id, at))
        for fact, one in rows.items():
            if one["session_id"] not in before:
                told[fact].append(happenings.joined(fact.record))
        return told

    async def _stays_among(self, connection: AsyncConnection, session_ids: Sequence[UUID]) -> set[UUID]:
        """Those that are written down already; looked for only where somebody wants to know."""
        if self._outbox is None or not session_ids:
            return set()
        known = sa.select(participants.c.session_id).where(participants.c.session_id.in_(session_ids))
        return set(await connection.scalars(known))

    async def _leave(self, connection: AsyncConnection, facts: Sequence[Left]) -> dict[Fact, list[Happening]]:
        told: dict[Fact, list[Happening]] = {fact: [] for fact in facts}
        if not facts:
            return told
        by_session = {key_of(fact.session_id): fact for fact in reversed(facts)}
        for stay in await self.open_stays(connection, participants.c.session_id.in_(by_session)):
            fact = by_session[UUID(stay.session_id)]
            told[fact].append(happenings.left(stay, fact.at, fact.reason))
        gone = (
            participants.update()
            .where(participants.c.session_id == sa.bindparam("this"), participants.c.left_at.is_(None))
            .values(left_at=sa.bindparam("at"), left_reason=sa.bindparam("reason"))
        )
        rows = [{"this": key_of(fact.session_id), "at": fact.at, "reason": fact.reason} for fact in facts]
        await connection.execute(gone, rows)
        return told

    async def open_stays(
        self, connection: AsyncConnection, *which: sa.ColumnElement[bool]
    ) -> Sequence[ParticipantRecord]:
        """Of those, the ones that are not over, in the order of joining; looked for only where somebody is to be told
        that they are.
        """
        if self._outbox is None:
            return ()
        found = (
            sa.select(participants, meetings.c.name.label("meeting_name"))
            .join(meetings, meetings.c.id == participants.c.meeting_id)
            .where(*which, participants.c.left_at.is_(None))
            .order_by(participants.c.joined_at, participants.c.session_id)
            .with_for_update(of=participants)
        )
        rows = await connection.execute(found)
        return [stay_of(row, row.meeting_name or str(row.meeting_id)) for row in rows]

    async def end(self, connection: AsyncConnection, fact: Ended, reason: str = "ended") -> list[Happening]:
        key, at = key_of(fact.meeting_id), fact.at
        ended = await connection.execute(
            meetings.update()
            .where(meetings.c.id == key, meetings.c.status != MeetingStatus.ENDED, meetings.c.created_at <= at)
            .values(status=MeetingStatus.ENDED, ended_at=at, version=meetings.c.version + 1)
        )
        which = participants.c.meeting_id == key, participants.c.joined_at <= at
        told = [happenings.left(stay, at, "ended") for stay in await self.open_stays(connection, *which)]
        await connection.execute(
            participants.update()
            .where(*which, participants.c.left_at.is_(None))
            .values(left_at=at, left_reason="ended")
        )
        return [*told, happenings.ended(fact.meeting_id, at, reason)] if ended.rowcount else told

    async def remove(self, connection: AsyncConnection, fact: Removed) -> list[Happening]:
        gone = await connection.execute(meetings.delete().where(meetings.c.id == key_of(fact.meeting_id)))
        if not gone.rowcount or self._outbox is None:
            return []
        return [happenings.deleted(fact.meeting_id, fact.at or self._outbox.now())]


_COLUMNS = (
    "title", "host", "scheduled_start", "duration_s", "max_participants", "access", "recording", "e2ee", "not_before",
    "lobby", "rules", "host_digest", "join_link_token", "join_link_expires_at",
)  # fmt: skip
"""What was agreed, in contrast to what happened."""


def _was_there(meeting: Any, at: datetime) -> bool:
    return meeting is not None and bool(meeting.created_at <= at)
