"""Records to put into stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sfu.conference.records import MeetingRecord, ParticipantRecord, RecordingRecord, RecordingStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def uuid(number: int) -> str:
    """A valid UUID4 that sorts by its number."""
    return str(UUID(int=number << 80 | 4 << 76 | 8 << 60))


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def meeting(number: int = 1, **fields: Any) -> MeetingRecord:
    return MeetingRecord(**{"id": uuid(number), "title": f"Meeting {number}", "created_at": NOON, **fields})


def stay(number: int, meeting_id: str, **fields: Any) -> ParticipantRecord:
    given = {
        "session_id": uuid(1000 + number),
        "meeting_id": meeting_id,
        "participant_id": f"p{number}",
        "identity": "",
        "name": f"Person {number}",
        "role": "participant",
        "is_host": False,
        "joined_at": at(number),
    }
    return ParticipantRecord(**{**given, **fields})


def recording(number: int, meeting_id: str, **fields: Any) -> RecordingRecord:
    given = {
        "id": uuid(2000 + number),
        "meeting_id": meeting_id,
        "status": RecordingStatus.ACTIVE,
        "started_at": at(number),
    }
    return RecordingRecord(**{**given, **fields})
