"""Records to rows and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sfu.conference.plain import plain, read
from sfu.conference.records import MeetingRecord, Once, ParticipantRecord, RecordingRecord
from sfu.conference.rights import Rules
from sfu.store.tables import key_of

Values = dict[str, Any]


def meeting_values(record: MeetingRecord) -> Values:
    """A row of ``meetings``."""
    key = key_of(record.id)
    return {
        "id": key,
        "name": None if str(key) == record.id else record.id,
        "title": record.title,
        "status": record.status,
        "host": record.host,
        "created_at": record.created_at,
        "scheduled_start": record.scheduled_start,
        "duration_s": record.duration_s,
        "starts_at": record.starts_at,
        "planned_end": record.planned_end,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "max_participants": record.max_participants,
        "access": record.access,
        "recording": record.recording,
        "e2ee": record.e2ee,
        "not_before": record.not_before,
        "lobby": record.lobby,
        "rules": plain(record.rules),
        "host_digest": record.host_digest,
        "join_link_token": record.join_digest or None,
        "join_link_expires_at": record.join_expires_at,
        "version": record.version,
    }


def meeting_of(row: sa.Row[Any]) -> MeetingRecord:
    """From a row of ``meetings``."""
    return MeetingRecord(
        id=row.name or str(row.id),
        title=row.title,
        created_at=row.created_at,
        rules=read(Rules, row.rules),
        host_digest=row.host_digest,
        status=row.status,
        host=row.host,
        scheduled_start=row.scheduled_start,
        duration_s=row.duration_s,
        max_participants=row.max_participants,
        access=row.access,
        recording=row.recording,
        e2ee=row.e2ee,
        join_digest=row.join_link_token or b"",
        join_expires_at=row.join_link_expires_at,
        not_before=row.not_before,
        lobby=row.lobby,
        started_at=row.started_at,
        ended_at=row.ended_at,
        version=row.version,
    )


def stay_values(record: ParticipantRecord, node: str) -> Values:
    """A row of ``participants``."""
    return {
        "session_id": UUID(record.session_id),
        "meeting_id": key_of(record.meeting_id),
        "participant_id": record.participant_id,
        "identity": record.identity,
        "name": record.name,
        "role": record.role,
        "is_host": record.is_host,
        "joined_at": record.joined_at,
        "left_at": record.left_at,
        "left_reason": record.reason,
        "node": node,
    }


def stay_of(row: sa.Row[Any], meeting_id: str) -> ParticipantRecord:
    """From a row of ``participants``."""
    return ParticipantRecord(
        session_id=str(row.session_id),
        meeting_id=meeting_id,
        participant_id=row.participant_id,
        identity=row.identity,
        name=row.name,
        role=row.role,
        is_host=row.is_host,
        joined_at=row.joined_at,
        left_at=row.left_at,
        reason=row.left_reason,
    )


def recording_values(record: RecordingRecord) -> Values:
    """A row of ``recordings``."""
    return {
        "id": UUID(record.id),
        "meeting_id": key_of(record.meeting_id),
        "status": record.status,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "location": record.location,
        "bytes": record.bytes,
        "detail": record.detail,
    }


def recording_of(row: sa.Row[Any], meeting_id: str) -> RecordingRecord:
    """From a row of ``recordings``."""
    return RecordingRecord(
        id=str(row.id),
        meeting_id=meeting_id,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        location=row.location,
        bytes=row.bytes,
        detail=row.detail,
    )


def once_values(once: Once) -> Values:
    """A row of ``requests``."""
    return {
        "key_digest": once.key_digest,
        "body_digest": once.body_digest,
        "salt": once.salt,
        "meeting_id": key_of(once.meeting_id),
        "created_at": once.created_at,
    }


def once_of(row: sa.Row[Any], meeting_id: str) -> Once:
    """From a row of ``requests``."""
    return Once(row.key_digest, row.body_digest, row.salt, meeting_id, row.created_at)
