"""``sfu.conference.outbox.Outbox`` over a database. ``append`` is part of somebody else's transaction: what happened is
there to be told if and only if what changed was committed.

Several processes may append and claim at a time. Who appends holds the meeting's row of ``outbox_numbers`` until he
commits, and who claims passes over what another is about to claim. A lane's ``last`` grows with what is appended, in
the row that ``release`` looks at when it says that nothing is left to do: so nothing is ever left lying.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.conference.happenings import Happening
from sfu.conference.outbox import MAX_ERROR_CHARS, Backlog, DeadEntry, DeadPlace, Entry, Lane
from sfu.store.database import Database, insert_into
from sfu.store.outbox_tables import dead, lanes, numbers, outbox

AT_A_TIME = 1000
"""Rows of one statement, whose parameters databases bound; and rows deleted in one transaction, which holds up those
who write.
"""
DELETED = "meeting.deleted"

T = TypeVar("T")


class SqlOutbox:
    """``sinks``: which types each wants; ``now``: the time of day; ``node``: this server, among those that share the
    database.
    """

    def __init__(
        self,
        database: Database,
        sinks: Mapping[str, Callable[[str], bool]],
        now: Callable[[], datetime],
        node: str = "node",
    ) -> None:
        self.now = now
        self._owner = hashlib.sha256(node.encode()).hexdigest()[:12]
        """Claims begin with it."""
        self.on_appended: Callable[[], None] = _nobody
        self._database = database
        self._sinks = sinks

    # who appends

    async def append(self, connection: AsyncConnection, happenings: Sequence[Happening]) -> bool:
        """In this order, within the transaction; what is there already is passed over. Whether anything was new: then
        ``on_appended`` is to be called when it is committed.
        """
        wanted = [one for one in happenings if any(wants(one.type) for wants in self._sinks.values())]
        if not wanted:
            return False
        known: set[UUID] = set()
        for part in _parts(wanted):
            ids = [UUID(one.id) for one in part]
            known.update(await connection.scalars(sa.select(outbox.c.id).where(outbox.c.id.in_(ids))))
        new = [one for one in wanted if UUID(one.id) not in known]
        entries = await self._numbered(connection, new)
        for rows in _parts([_values(entry) for entry in entries]):
            await connection.execute(outbox.insert(), rows)
        for sink, wants in self._sinks.items():
            await self._lengthen(connection, sink, [entry for entry in entries if wants(entry.happening.type)])
        return bool(new)

    async def _numbered(self, connection: AsyncConnection, happenings: Sequence[Happening]) -> list[Entry]:
        """Numbers that follow those of each meeting, whose row is held from now on."""
        counts = Counter(one.meeting_id for one in happenings)
        over = {one.meeting_id for one in happenings if one.type == DELETED}
        following: dict[str, int] = {}
        for part in _parts(sorted(counts)):  # all who append in the same order: none waits for another's
            rows = [{"meeting_id": one, "last": counts[one], "is_over": one in over} for one in part]
            added = insert_into(connection, numbers).values(rows)
            grown = added.on_conflict_do_update(
                index_elements=["meeting_id"],
                set_={"last": numbers.c.last + added.excluded.last, "is_over": added.excluded.is_over},
            ).returning(numbers.c.meeting_id, numbers.c.last)
            for meeting_id, last in await connection.execute(grown):
                following[meeting_id] = last - counts[meeting_id] + 1
        entries = []
        for one in happenings:
            entries.append(Entry(following[one.meeting_id], one))
            following[one.meeting_id] += 1
        return entries

    async def _lengthen(self, connection: AsyncConnection, sink: str, entries: Sequence[Entry]) -> None:
        """There is more to tell it."""
        rows: dict[str, dict[str, Any]] = {}
        for entry in entries:
            meeting_id = entry.happening.meeting_id
            row = {"sink": sink, "meeting_id": meeting_id, "branch": 0, "attempts": 0, "owner": ""}
            row |= {"position": entry.number - 1, "due_at": entry.happening.at}
            rows.setdefault(meeting_id, row)["last"] = entry.number
        for part in _parts([rows[meeting_id] for meeting_id in sorted(rows)]):
            await self._put_lanes(connection, part)

    async def _put_lanes(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        added = insert_into(connection, lanes).values(rows)
        await connection.execute(
            added.on_conflict_do_update(
                index_elements=["sink", "meeting_id", "branch"],
                set_={
                    "last": added.excluded.last,
                    "due_at": sa.func.coalesce(lanes.c.due_at, added.excluded.due_at),
                },
            )
        )

    # who delivers

    async def claim(self, sink: str, now: datetime, until: datetime, limit: int) -> Sequence[Lane]:
        """See ``Outbox``."""
        due = (
            lanes.select()
            .where(lanes.c.sink == sink, lanes.c.due_at <= now)
            .order_by(lanes.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        owner = f"{self._owner}-{secrets.token_hex(8)}"
        if self._database.is_sqlite and not await self._is_due(sink, now):
            return ()  # a look need not wait for whoever writes
        async with self._database.writing() as connection:
            claimed = [
                Lane(row.sink, row.meeting_id, row.branch, row.position, row.last, row.attempts, owner)
                for row in await connection.execute(due)
            ]
            if claimed:
                rows = [{"s": one.sink, "m": one.meeting_id, "b": one.branch} for one in claimed]
                await connection.execute(
                    lanes.update()
                    .where(
                        lanes.c.sink == sa.bindparam("s"),
                        lanes.c.meeting_id == sa.bindparam("m"),
                        lanes.c.branch == sa.bindparam("b"),
                    )
                    .values(due_at=until, owner=owner),
                    rows,
                )
        return claimed

    async def give_back(self, now: datetime) -> int:
        """What an earlier life of this server had claimed is due now; how many meetings."""
        mine = lanes.c.owner.startswith(self._owner, autoescape=True)
        async with self._database.writing() as connection:
            return (await connection.execute(lanes.update().where(mine).values(owner="", due_at=now))).rowcount

    async def _is_due(self, sink: str, now: datetime) -> bool:
        async with self._database.reading() as connection:
            found = sa.exists().where(lanes.c.sink == sink, lanes.c.due_at <= now)
            return bool(await connection.scalar(sa.select(found)))

    async def load(self, lane: Lane, limit: int) -> Sequence[Entry]:
        """See ``Outbox``."""
        here = outbox.c.meeting_id == lane.meeting_id
        found = outbox.select().where(here, outbox.c.number > lane.position, outbox.c.number <= lane.last)
        async with self._database.reading() as connection:
            rows = await connection.execute(found.order_by(outbox.c.number).limit(limit))
            return [_entry(row) for row in rows]

    async def release(self, lane: Lane, position: int, now: datetime) -> bool:
        """See ``Outbox``."""
        async with self._database.writing() as connection:
            return await self._release(connection, lane, position, now)

    async def postpone(self, lane: Lane, position: int, due_at: datetime, attempts: int) -> bool:
        """See ``Outbox``."""
        async with self._database.writing() as connection:
            return await self._release(connection, lane, position, due_at, attempts)

    async def bury(self, lane: Lane, entry: Entry, now: datetime, attempts: int, error: str) -> bool:
        """See ``Outbox``."""
        row = {"sink": lane.sink, "meeting_id": lane.meeting_id, "number": entry.number, "attempts": attempts}
        row |= {"error": error[:MAX_ERROR_CHARS], "died_at": now}
        is_there = sa.select(outbox.c.number).where(
            outbox.c.meeting_id == lane.meeting_id, outbox.c.number == entry.number
        )
        async with self._database.writing() as connection:
            if not await self._release(connection, lane, entry.number, now):
                return False
            if (await connection.execute(is_there.with_for_update(read=True))).one_or_none() is not None:
                await connection.execute(insert_into(connection, dead).values(row).on_conflict_do_nothing())
        return True

    async def _release(
        self, connection: AsyncConnection, lane: Lane, position: int, due_at: datetime, attempts: int = 0
    ) -> bool:
        """``last`` is read by the statement that writes, from the row as it is when nobody else has it."""
        mine = (
            lanes.c.sink == lane.sink,
            lanes.c.meeting_id == lane.meeting_id,
            lanes.c.branch == lane.branch,
            lanes.c.owner == lane.owner,
        )
        if lane.branch and position >= lane.last:
            return (await connection.execute(lanes.delete().where(*mine))).rowcount == 1
        later = sa.case((lanes.c.last > position, sa.literal(due_at, lanes.c.due_at.type)), else_=None)
        values = {"position": position, "attempts": attempts, "owner": "", "due_at": later}
        return (await connection.execute(lanes.update().where(*mine).values(values))).rowcount == 1

    # who looks after it

    async def dead(self, sink: str | None, limit: int, after: DeadPlace | None = None) -> Sequence[DeadEntry]:
        """See ``Outbox``."""
        place = dead.c.died_at, dead.c.sink, dead.c.meeting_id, dead.c.number
        found = (
            sa.select(dead, outbox.c.id, outbox.c.type, outbox.c.at, outbox.c.data)
            .join(outbox, sa.and_(outbox.c.meeting_id == dead.c.meeting_id, outbox.c.number == dead.c.number))
            .order_by(*place)
            .limit(limit)
        )
        if after is not None:
            values = after.died_at, after.sink, after.meeting_id, after.number
            literals = (sa.literal(value, column.type) for value, column in zip(values, place, strict=True))
            found = found.where(sa.tuple_(*place) > sa.tuple_(*literals))
        if sink is not None:
            found = found.where(dead.c.sink == sink)
        async with self._database.reading() as connection:
            return [
                DeadEntry(row.sink, row.number, _entry(row).happening, row.attempts, row.error, row.died_at)
                for row in await connection.execute(found)
            ]

    async def revive(self, sinks: Collection[str], now: datetime, ids: Collection[str] | None = None) -> int:
        """See ``Outbox``."""
        which = [dead.c.sink.in_(sinks)]
        if ids is not None:
            named = sa.select(outbox.c.meeting_id, outbox.c.number).where(outbox.c.id.in_([UUID(one) for one in ids]))
            which.append(sa.tuple_(dead.c.meeting_id, dead.c.number).in_(named))
        revived = 0
        async with self._database.writing() as connection:
            gone = await connection.execute(dead.delete().where(*which).returning(dead))
            rows = [
                {"sink": row.sink, "meeting_id": row.meeting_id, "branch": row.number, "position": row.number - 1}
                | {"last": row.number, "due_at": now, "attempts": 0, "owner": ""}
                for row in gone
            ]
            for part in _parts(rows):
                await self._put_lanes(connection, part)
            revived = len(rows)
        if revived:
            self.on_appended()
        return revived

    async def backlog(self, sinks: Collection[str]) -> Mapping[str, Backlog]:
        """See ``Outbox``."""
        behind = sa.select(lanes.c.sink, sa.func.count(), sa.func.min(_head_at())).where(
            lanes.c.due_at.is_not(None), lanes.c.sink.in_(sinks)
        )
        buried = sa.select(dead.c.sink, sa.func.count().label("dead")).where(dead.c.sink.in_(sinks))
        async with self._database.reading() as connection:
            counts = {sink: (count, at) for sink, count, at in await connection.execute(behind.group_by(lanes.c.sink))}
            rows = await connection.execute(buried.group_by(dead.c.sink))
            dead_counts = {row.sink: row.dead for row in rows}
        return {sink: Backlog(*counts.get(sink, (0, None)), dead_counts.get(sink, 0)) for sink in sinks}

    async def forget(self, told_before: datetime, before: datetime) -> int:
        """See ``Outbox``."""
        waits = _waits()
        is_dead = sa.exists().where(dead.c.meeting_id == outbox.c.meeting_id, dead.c.number == outbox.c.number)
        lost = await self._delete(sa.and_(outbox.c.at < before, waits))
        await self._delete(sa.or_(outbox.c.at < before, sa.and_(outbox.c.at < told_before, ~waits, ~is_dead)))
        await self._forget_lanes()
        return lost

    async def _delete(self, which: sa.ColumnElement[bool]) -> int:
        total = 0
        key = sa.tuple_(outbox.c.meeting_id, outbox.c.number)
        while True:
            some = sa.select(outbox.c.meeting_id, outbox.c.number).where(which).order_by(outbox.c.at).limit(AT_A_TIME)
            async with self._database.writing() as connection:
                keys = [tuple(row) for row in await connection.execute(some)]
                if keys:
                    await connection.execute(outbox.delete().where(key.in_(keys)))
            total += len(keys)
            if len(keys) < AT_A_TIME:
                return total

    async def _forget_lanes(self) -> None:
        """Of meetings of which nothing is kept; and the last numbers of those that were deleted."""
        something = sa.exists().where(outbox.c.meeting_id == lanes.c.meeting_id)
        over = sa.or_(lanes.c.due_at.is_(None), lanes.c.sink.not_in(list(self._sinks)))
        kept = sa.exists().where(outbox.c.meeting_id == numbers.c.meeting_id)
        idle = numbers.select().where(numbers.c.is_over, ~kept).limit(AT_A_TIME)
        async with self._database.writing() as connection:
            await connection.execute(lanes.delete().where(over, ~something))
            for row in (await connection.execute(idle)).all():
                # Somebody may append at this moment; then it is another number.
                gone = numbers.delete().where(numbers.c.meeting_id == row.meeting_id, numbers.c.last == row.last)
                await connection.execute(gone)


def _waits() -> sa.ColumnElement[bool]:
    """Whether some sink has not been told of a row of the outbox."""
    return sa.exists().where(
        lanes.c.meeting_id == outbox.c.meeting_id,
        lanes.c.due_at.is_not(None),
        lanes.c.position < outbox.c.number,
        lanes.c.last >= outbox.c.number,
    )


def _head_at() -> sa.ScalarSelect[Any]:
    """When that happened which a lane tells next."""
    next_one = (
        outbox.c.number
        == sa.select(sa.func.min(outbox.c.number))
        .where(outbox.c.meeting_id == lanes.c.meeting_id, outbox.c.number > lanes.c.position)
        .correlate(lanes)
        .scalar_subquery()
    )
    return (
        sa.select(outbox.c.at)
        .where(outbox.c.meeting_id == lanes.c.meeting_id, next_one)
        .correlate(lanes)
        .scalar_subquery()
    )


def _values(entry: Entry) -> dict[str, Any]:
    one = entry.happening
    return {
        "meeting_id": one.meeting_id,
        "number": entry.number,
        "id": UUID(one.id),
        "type": one.type,
        "at": one.at,
        "data": one.data,
    }


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(row.number, Happening(str(row.id), row.type, row.meeting_id, row.at, row.data))


def _parts(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), AT_A_TIME):
        yield list(items[start : start + AT_A_TIME])


def _nobody() -> None:
    """Nobody waits for what is appended."""
