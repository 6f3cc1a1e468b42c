"""The store in memory: everything is gone with the process. What is over is kept as far as there is room."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sfu.conference import happenings
from sfu.conference.happenings import Happening
from sfu.conference.memory_kept import MemoryKept
from sfu.conference.memory_outbox import MemoryOutbox
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
from sfu.conference.returning import STILL_SEATED, Seat
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.chat_lines import KeptLine
    from sfu.conference.ledger import KeptFact

MAX_MEETINGS = 20_000
"""Records, a few hundred bytes each. Those that ended longest ago make room; then no more are taken."""
MAX_SESSIONS = 100_000
"""Stays of everybody in all meetings. The oldest that are over make room."""
NO_SHOW = timedelta(days=1)
"""How long after its planned end a meeting to which nobody came is over."""

T = TypeVar("T")


def missing(meeting_id: str) -> RemoteError:
    """There is no such meeting."""
    return RemoteError("meeting_not_found", f"there is no meeting {meeting_id[:64]!r}", "check the link", status=404)


def outdated(expected: int, version: int) -> RemoteError:
    """Somebody else changed the meeting meanwhile."""
    return RemoteError(
        "precondition_failed",
        f"the meeting has version {version}, not {expected}",
        "read it again, then change it",
        status=412,
    )


class MemoryStore:
    """Keeps records as long as the process lives. See ``MeetingStore``. ``outbox``: where it leaves what others are to
    be told; None: nobody is.
    """

    def __init__(self, outbox: MemoryOutbox | None = None) -> None:
        self._outbox = outbox
        self._records: dict[str, MeetingRecord] = {}
        self._by_join: dict[bytes, str] = {}
        self._once: dict[bytes, Once] = {}
        self._sessions: dict[str, ParticipantRecord] = {}
        """In the order of coming."""
        self._stays: dict[str, dict[str, None]] = {}
        """The sessions of each meeting."""
        self._recordings: dict[str, RecordingRecord] = {}
        self._kept: dict[str, MemoryKept] = {}

    async def add(self, record: MeetingRecord, once: Once | None = None) -> bool:
        """See ``MeetingStore``. Raises ``RemoteError`` ``rate_limited`` when there are too many that have not ended."""
        if record.id in self._records or (record.join_digest and record.join_digest in self._by_join):
            return False
        if once is not None and once.key_digest in self._once:
            return False
        self._make_room()
        self._keep(record)
        self.note_happened(happenings.created(record))
        if once is not None:
            self._once[once.key_digest] = once
        return True

    async def find(self, meeting_id: str) -> MeetingRecord | None:
        """See ``MeetingStore``."""
        return self._records.get(meeting_id)

    async def find_by_join(self, join_digest: bytes) -> MeetingRecord | None:
        """See ``MeetingStore``."""
        meeting_id = self._by_join.get(join_digest)
        return None if meeting_id is None else self._records[meeting_id]

    async def find_once(self, key_digest: bytes) -> Once | None:
        """See ``MeetingStore``."""
        return self._once.get(key_digest)

    async def update(self, meeting_id: str, expected_version: int | None, changes: Mapping[str, Any]) -> MeetingRecord:
        """See ``MeetingStore``."""
        record = self._records.get(meeting_id)
        if record is None:
            raise missing(meeting_id)
        if expected_version is not None and expected_version != record.version:
            raise outdated(expected_version, record.version)
        changed = self._keep(replace(record, **changes, version=record.version + 1))
        if self._outbox is not None:
            self.note_happened(happenings.updated(record, changed, self._outbox.now()))
        return changed

    async def list_meetings(self, wanted: MeetingFilter, cursor: str | None, limit: int) -> Page[MeetingRecord]:
        """See ``MeetingStore``."""
        after = Cursor.parse(cursor)
        found = [record for record in self._records.values() if _is_wanted(record, wanted)]
        found.sort(key=_meeting_order, reverse=True)
        if after is not None:
            found = [record for record in found if _meeting_order(record) < (after.at, after.id)]
        return _page(found, limit, _meeting_order)

    async def end(self, meeting_id: str, at: datetime) -> None:
        """See ``MeetingStore``."""
        self.note_end(meeting_id, at)

    def note_end(self, meeting_id: str, at: datetime, reason: str = "ended") -> None:
        """``end``, at once."""
        record = self._records.get(meeting_id)
        if record is None or record.status is MeetingStatus.ENDED:
            return
        self._keep(replace(record, status=MeetingStatus.ENDED, ended_at=at, version=record.version + 1))
        for session in self._of(meeting_id):
            self.note_left(session.session_id, at, "ended")
        if meeting_id in self._kept:
            self._kept[meeting_id].seats.clear()
        self.note_happened(happenings.ended(meeting_id, at, reason))

    def note_happened(self, happening: Happening) -> None:
        """Others are to be told."""
        if self._outbox is not None:
            self._outbox.append((happening,))

    async def end_idle(self, now: datetime, idle_since: datetime, keep: Collection[str] = ()) -> tuple[str, ...]:
        """See ``MeetingStore``."""
        others = (record for record in self._records.values() if record.id not in keep)
        idle = tuple(record.id for record in others if self._is_idle(record, now, idle_since))
        for meeting_id in idle:
            self.note_end(meeting_id, now, "idle")
        return idle

    async def remove(self, meeting_id: str) -> None:
        """See ``MeetingStore``."""
        if meeting_id in self._records and self._outbox is not None:
            self.note_happened(happenings.deleted(meeting_id, self._outbox.now()))
        self._remove(meeting_id)

    def _remove(self, meeting_id: str) -> None:
        record = self._records.pop(meeting_id, None)
        if record is None:
            return
        self._by_join.pop(record.join_digest, None)
        self._kept.pop(meeting_id, None)
        for session_id in self._stays.pop(meeting_id, {}):
            del self._sessions[session_id]
        self._recordings = {key: one for key, one in self._recordings.items() if one.meeting_id != meeting_id}
        self._once = {key: once for key, once in self._once.items() if once.meeting_id != meeting_id}

    async def joined(self, record: ParticipantRecord) -> None:
        """See ``MeetingStore``."""
        self.note_joined(record)

    def note_joined(self, record: ParticipantRecord) -> None:
        """``joined``, at once."""
        meeting = self._records.get(record.meeting_id)
        if meeting is None or record.session_id in self._sessions:
            return
        if meeting.status is not MeetingStatus.ENDED and meeting.started_at is None:
            self._keep(replace(meeting, status=MeetingStatus.ACTIVE, started_at=record.joined_at))
            self.note_happened(happenings.started(meeting.id, record.joined_at))
        self.note_happened(happenings.joined(record))
        if len(self._sessions) >= MAX_SESSIONS:
            self._forget_a_stay()
        self._sessions[record.session_id] = record
        self._stays.setdefault(meeting.id, {})[record.session_id] = None

    async def left(self, session_id: str, at: datetime, reason: str) -> None:
        """See ``MeetingStore``."""
        self.note_left(session_id, at, reason)

    def note_left(self, session_id: str, at: datetime, reason: str) -> None:
        """``left``, at once."""
        session = self._sessions.get(session_id)
        if session is not None and session.left_at is None:
            self._sessions[session_id] = replace(session, left_at=at, reason=reason)
            if reason not in STILL_SEATED and session.meeting_id in self._kept:
                self._kept[session.meeting_id].leave(session_id)
            self.note_happened(happenings.left(session, at, reason))

    async def participants(
        self, meeting_id: str, cursor: str | None, limit: int, *, current: bool | None = None
    ) -> Page[ParticipantRecord]:
        """See ``MeetingStore``."""
        after = Cursor.parse(cursor)
        found = [one for one in self._of(meeting_id) if current is None or current is (one.left_at is None)]
        found.sort(key=_session_order)
        if after is not None:
            found = [one for one in found if _session_order(one) > (after.at, after.id)]
        return _page(found, limit, _session_order)

    async def keep(self, fact: KeptFact) -> None:
        """See ``MeetingStore``."""
        self.note_kept(fact)

    def note_kept(self, fact: KeptFact) -> None:
        """``keep``, at once."""
        from sfu.conference.ledger import Became, Decided, Hushed, Ordered, Said

        if isinstance(fact, Became):
            stay = self._sessions.get(fact.session_id)
            if stay is not None:
                self._sessions[fact.session_id] = replace(stay, role=fact.role, is_host=fact.is_host)
            return
        if fact.meeting_id not in self._records:
            return
        kept = self._kept.setdefault(fact.meeting_id, MemoryKept())
        match fact:
            case Ordered():
                kept.orders = fact.orders
            case Decided():
                kept.decide(fact.standing)
            case Said():
                kept.say(fact.line)
            case Hushed():
                kept.lines.clear()
            case _:
                stay = self._sessions.get(fact.seat.session_id)
                if stay is not None and stay.left_at is None:
                    kept.seats[fact.seat.participant_id] = fact.seat

    async def recall(self, meeting_id: str) -> Kept:
        """See ``MeetingStore``."""
        return self._kept.get(meeting_id, MemoryKept()).recall()

    async def seats(self, meeting_id: str, now: datetime) -> Sequence[Seat]:
        """See ``MeetingStore``. This store is never lost with its server and found again."""
        del now
        return tuple(self._kept.get(meeting_id, MemoryKept()).seats.values())

    async def said(self, meeting_id: str) -> Sequence[KeptLine]:
        """See ``MeetingStore``."""
        return tuple(self._kept.get(meeting_id, MemoryKept()).lines)

    async def put_recording(self, record: RecordingRecord) -> None:
        """See ``MeetingStore``."""
        if record.meeting_id not in self._records:
            return
        before, self._recordings[record.id] = self._recordings.get(record.id), record
        if self._outbox is not None and (before is None or before.status is not record.status):
            self.note_happened(happenings.recorded(record, self._outbox.now()))

    async def recordings(self, meeting_id: str) -> tuple[RecordingRecord, ...]:
        """See ``MeetingStore``."""
        found = [record for record in self._recordings.values() if record.meeting_id == meeting_id]
        return tuple(sorted(found, key=lambda record: (record.started_at, record.id)))

    # inner

    def _keep(self, record: MeetingRecord) -> MeetingRecord:
        before = self._records.get(record.id)
        if before is not None:
            self._by_join.pop(before.join_digest, None)
        self._records[record.id] = record
        if record.join_digest:
            self._by_join[record.join_digest] = record.id
        return record

    def _of(self, meeting_id: str) -> list[ParticipantRecord]:
        return [self._sessions[session_id] for session_id in self._stays.get(meeting_id, ())]

    def _is_idle(self, record: MeetingRecord, now: datetime, idle_since: datetime) -> bool:
        end = record.planned_end
        if record.status is MeetingStatus.SCHEDULED:
            return end is not None and end + NO_SHOW <= now
        if record.status is MeetingStatus.ENDED or (end is not None and end > now):
            return False
        stays = self._of(record.id)
        if any(stay.left_at is None for stay in stays):
            return False
        last = max([record.created_at, *(stay.left_at for stay in stays if stay.left_at is not None)])
        return last <= idle_since

    def _make_room(self) -> None:
        if len(self._records) < MAX_MEETINGS:
            return
        over = (record for record in self._records.values() if record.ended_at is not None)
        oldest = min(over, key=lambda record: (record.ended_at, record.id), default=None)
        if oldest is None:
            raise RemoteError("rate_limited", f"there are {MAX_MEETINGS} meetings", "end some of them", status=503)
        self._remove(oldest.id)

    def _forget_a_stay(self) -> None:
        oldest = next((one for one in self._sessions.values() if one.left_at is not None), None)
        if oldest is not None:
            del self._sessions[oldest.session_id]
            del self._stays[oldest.meeting_id][oldest.session_id]


def _is_wanted(record: MeetingRecord, wanted: MeetingFilter) -> bool:
    return (
        (wanted.status is None or record.status is wanted.status)
        and (wanted.host is None or record.host == wanted.host)
        and (wanted.since is None or record.starts_at >= wanted.since)
        and (wanted.until is None or record.starts_at < wanted.until)
    )


def _meeting_order(record: MeetingRecord) -> tuple[datetime, str]:
    return record.starts_at, record.id


def _session_order(record: ParticipantRecord) -> tuple[datetime, str]:
    return record.joined_at, record.session_id


def _page(items: list[T], limit: int, order: Any) -> Page[T]:
    following = str(Cursor(*order(items[limit - 1]))) if len(items) > limit else None
    return Page(tuple(items[:limit]), following)
