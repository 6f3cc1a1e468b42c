"""What is kept of meetings for when they are opened again: in the transaction of the facts that it comes with.

Repeatable like all facts: a row that is newer than the fact stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.conference.chat_history import MAX_ENTRIES
from sfu.conference.chat_lines import KeptLine
from sfu.conference.ledger import Became, Decided, Ended, Fact, Hushed, Joined, Left, Ordered, Said, Seated
from sfu.conference.orders import Kept, Orders
from sfu.conference.plain import plain, read
from sfu.conference.returning import STILL_SEATED, Seat
from sfu.conference.standings import Standing
from sfu.store.database import insert_into
from sfu.store.tables import chat, key_of, meetings, participants, standings


async def write_kept(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """After stays began, and before meetings are removed."""
    await _seat(connection, facts)
    about = [fact for fact in facts if isinstance(fact, Ordered | Decided | Said | Hushed)]
    if about:
        made = await _made(connection, {key_of(fact.meeting_id) for fact in about})
        known = [fact for fact in about if (since := made.get(key_of(fact.meeting_id))) and since <= _at(fact)]
        await _order(connection, [fact for fact in known if isinstance(fact, Ordered)])
        await _decide(connection, [fact for fact in known if isinstance(fact, Decided)])
        await _say(connection, [fact for fact in known if isinstance(fact, Said | Hushed)])


def _at(fact: Ordered | Decided | Said | Hushed) -> datetime:
    match fact:
        case Decided():
            return fact.standing.at
        case Said():
            return fact.line.at
    return fact.at


async def _made(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, datetime]:
    """When those of these meetings that there are were made: a name may be another meeting's by now. Locked, so that
    none of them goes meanwhile.
    """
    rows = await connection.execute(
        sa.select(meetings.c.id, meetings.c.created_at)
        .where(meetings.c.id.in_(keys))
        .order_by(meetings.c.id)
        .with_for_update(read=True, key_share=True)
    )
    return {row.id: row.created_at for row in rows}


# seats and roles, in the rows of stays


async def _seat(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    this = participants.c.session_id == sa.bindparam("this")
    became = {fact.session_id: fact for fact in facts if isinstance(fact, Became)}
    if became:
        roles = [{"this": UUID(key), "now": one.role, "leads": one.is_host} for key, one in became.items()]
        change = participants.update().where(this).values(role=sa.bindparam("now"), is_host=sa.bindparam("leads"))
        await connection.execute(change, roles)
    seats = {fact.seat.session_id: fact.seat for fact in facts if isinstance(fact, Seated)}
    if seats:
        taken = [{"this": UUID(key), "as": seat.to_json()} for key, seat in seats.items()]
        change = participants.update().where(this, participants.c.seat_until.is_(None)).values(seat=sa.bindparam("as"))
        await connection.execute(change, taken)
    back = [fact.record for fact in facts if isinstance(fact, Joined) and fact.is_back]
    for stay in back:
        others = participants.c.session_id != UUID(stay.session_id)
        same = participants.c.meeting_id == key_of(stay.meeting_id), participants.c.seat.is_not(None)
        same_one = participants.c.participant_id == stay.participant_id
        await connection.execute(participants.update().where(*same, same_one, others).values(seat=None))
    left = [fact.session_id for fact in facts if isinstance(fact, Left) and fact.reason not in STILL_SEATED]
    if left:
        gone = participants.update().where(this, participants.c.seat.is_not(None)).values(seat=None)
        await connection.execute(gone, [{"this": key_of(session_id)} for session_id in left])
    for ended in (fact for fact in facts if isinstance(fact, Ended)):
        in_it = participants.c.meeting_id == key_of(ended.meeting_id), participants.c.joined_at <= ended.at
        await connection.execute(
            participants.update().where(*in_it, participants.c.seat.is_not(None)).values(seat=None)
        )


async def reserve_seats(connection: AsyncConnection, node: str, until: datetime) -> None:
    """Those of an earlier life of this server, from its start on."""
    lost = participants.c.node == node, participants.c.seat.is_not(None), participants.c.seat_until.is_(None)
    await connection.execute(participants.update().where(*lost).values(seat_until=until))


async def seats_of(connection: AsyncConnection, meeting_id: str, now: datetime) -> tuple[Seat, ...]:
    """Those that are reserved, the latest stay first."""
    found = (
        sa.select(participants.c.seat)
        .where(
            participants.c.meeting_id == key_of(meeting_id),
            participants.c.seat.is_not(None),
            participants.c.seat_until > now,
        )
        .order_by(participants.c.joined_at.desc())
    )
    seats = (Seat.of_json(value) for value in await connection.scalars(found))
    return tuple(seat for seat in seats if seat is not None)


# orders and decisions


async def _order(connection: AsyncConnection, facts: Sequence[Ordered]) -> None:
    for fact in {fact.meeting_id: fact for fact in facts}.values():
        this = meetings.c.id == key_of(fact.meeting_id)
        newer = sa.or_(meetings.c.orders_at.is_(None), meetings.c.orders_at <= fact.at)
        await connection.execute(
            meetings.update().where(this, newer).values(orders=plain(fact.orders), orders_at=fact.at)
        )


async def _decide(connection: AsyncConnection, facts: Sequence[Decided]) -> None:
    last = {(key_of(fact.meeting_id), fact.standing.who): fact.standing for fact in facts}
    kept = [
        {
            "meeting_id": key,
            "who": who,
            "decision": one.decision,
            "at": one.at,
            "person": one.person,
            "name": one.name,
        }
        for (key, who), one in last.items()
        if one.decision is not None
    ]
    if kept:
        put = insert_into(connection, standings)
        newer = {name: put.excluded[name] for name in ("decision", "at", "person", "name")}
        await connection.execute(
            put.on_conflict_do_update(
                index_elements=["meeting_id", "who"], set_=newer, where=standings.c.at <= put.excluded.at
            ),
            kept,
        )
    for (key, who), one in last.items():
        if one.decision is None:
            this = standings.c.meeting_id == key, standings.c.who == who, standings.c.at <= one.at
            await connection.execute(standings.delete().where(*this))


async def recall(connection: AsyncConnection, meeting_id: str) -> Kept:
    """See ``MeetingStore``."""
    key = key_of(meeting_id)
    orders = await connection.scalar(sa.select(meetings.c.orders).where(meetings.c.id == key))
    found = standings.select().where(standings.c.meeting_id == key).order_by(standings.c.at, standings.c.who)
    rows = await connection.execute(found)
    decided = tuple(Standing(row.who, row.decision, row.at, row.person, row.name) for row in rows)
    return Kept(read(Orders, orders) if orders is not None else Orders(), decided)


# what was said


async def _say(connection: AsyncConnection, facts: Sequence[Said | Hushed]) -> None:
    """In their order, of each meeting: what was said after it was to be forgotten stays."""
    by_meeting: dict[UUID, list[Said | Hushed]] = {}
    for fact in facts:
        by_meeting.setdefault(key_of(fact.meeting_id), []).append(fact)
    for key, about in sorted(by_meeting.items()):
        hushed = max((place for place, fact in enumerate(about) if isinstance(fact, Hushed)), default=-1)
        if hushed >= 0:
            until = _at(about[hushed])
            await connection.execute(chat.delete().where(chat.c.meeting_id == key, chat.c.at <= until))
        lines = [fact.line for fact in about[hushed + 1 :] if isinstance(fact, Said)]
        if lines:
            await _add_lines(connection, key, lines)


async def _add_lines(connection: AsyncConnection, key: UUID, lines: Sequence[KeptLine]) -> None:
    this, log = chat.c.meeting_id == key, lines[-1].log
    await connection.execute(chat.delete().where(this, chat.c.log != log))
    rows = [{**plain_line(line), "meeting_id": key} for line in lines if line.log == log]
    await connection.execute(insert_into(connection, chat).on_conflict_do_nothing(), rows)
    deleted = [line.deletes for line in lines if line.deletes is not None]
    if deleted:
        await connection.execute(chat.update().where(this, chat.c.seq.in_(deleted)).values(text=None))
    oldest = sa.select(chat.c.seq).where(this).order_by(chat.c.seq.desc()).offset(MAX_ENTRIES).limit(1)
    await connection.execute(chat.delete().where(this, chat.c.seq <= oldest.scalar_subquery()))


def plain_line(line: KeptLine) -> dict[str, Any]:
    """A row of ``chat``, but for its meeting."""
    return {
        "seq": line.seq,
        "log": line.log,
        "at": line.at,
        "participant_id": line.participant_id,
        "name": line.name,
        "text": line.text,
        "to_id": line.to,
        "to_name": line.to_name,
        "deletes": line.deletes,
    }


async def said(connection: AsyncConnection, meeting_id: str) -> tuple[KeptLine, ...]:
    """See ``MeetingStore``."""
    found = chat.select().where(chat.c.meeting_id == key_of(meeting_id)).order_by(chat.c.seq)
    return tuple(
        KeptLine(row.log, row.seq, row.at, row.participant_id, row.name, row.text, row.to_id, row.to_name, row.deletes)
        for row in await connection.execute(found)
    )


async def forget_old(connection: AsyncConnection, said_before: datetime, now: datetime) -> None:
    """What was said earlier, and seats that nobody came back to."""
    await connection.execute(chat.delete().where(chat.c.at < said_before))
    over = participants.c.seat.is_not(None), participants.c.seat_until <= now
    await connection.execute(participants.update().where(*over).values(seat=None))
