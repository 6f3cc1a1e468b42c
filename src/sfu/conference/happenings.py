"""What the world outside may be told of meetings: one kind of value for every change of state.

``docs/events.md`` describes each type for those who receive them; ``FIELDS`` is the same for the program, and a test
holds both equal. What changes a row of the store is told by the store, in the same transaction and only if the row did
change; everything else is noted by the meeting, as a fact of its own (``Chronicle``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sfu.clock import Clock
from sfu.conference.records import MeetingRecord, ParticipantRecord, RecordingRecord
from sfu.conference.views import timestamp

_MEETING = (
    "title status host access recording e2ee lobby max_participants scheduled_start duration_s not_before version"
)
_PERSON = "participant_id session_id name identity"
_WAITING = "waiting_id name identity"
_RECORDING = "recording_id status started_at ended_at location bytes detail"

FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(fields.split())
    for name, fields in {
        "meeting.created": _MEETING,
        "meeting.updated": f"{_MEETING} changed",
        "meeting.started": "started_at",
        "meeting.ended": "ended_at reason",
        "meeting.deleted": "",
        "meeting.locked": "by",
        "meeting.unlocked": "by",
        "meeting.muted_all": "by may_unmute",
        "meeting.unmute_allowed": "by allowed",
        "meeting.spotlight_changed": "by participants",
        "participant.waiting": f"{_WAITING} reason",
        "participant.admitted": f"{_WAITING} participant_id",
        "participant.denied": f"{_WAITING} reason",
        "participant.joined": f"{_PERSON} role joined_at",
        "participant.left": f"{_PERSON} role joined_at left_at reason",
        "participant.removed": f"{_PERSON} by",
        "participant.readmitted": "kept_out_id name reason by",
        "participant.role_changed": f"{_PERSON} role before by",
        "participant.hand_raised": _PERSON,
        "participant.hand_lowered": _PERSON,
        "track.published": "participant_id source muted",
        "track.muted": "participant_id source by",
        "track.unmuted": "participant_id source by",
        "track.ended": "participant_id source reason",
        "screen_share.started": "participant_id",
        "screen_share.stopped": "participant_id reason",
        "chat.message": "number participant_id name to text",
        "chat.deleted": "number by",
        "chat.settings_changed": "chat direct_messages",
        **dict.fromkeys(
            (
                "recording.starting",
                "recording.active",
                "recording.finishing",
                "recording.ready",
                "recording.failed",
            ),
            _RECORDING,
        ),
    }.items()
}
"""Every type, with the fields of its data; all of them are always there."""

CHANGES = {
    "join_digest": "join_link",
    "join_expires_at": "join_link",
    "host_digest": "host_token",
}
"""What a changed field of a record is called where it has another name than its own; its value is told nobody."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One change. ``id`` is the same however often it is told; ``data`` is JSON, with the fields of ``FIELDS``."""

    id: str
    type: str
    meeting_id: str
    at: datetime
    data: dict[str, Any] = field(hash=False)


def happening(kind: str, meeting_id: str, at: datetime, **data: Any) -> Happening:
    """A new one."""
    return Happening(str(uuid4()), kind, meeting_id, at, data)


class ChatEvents(StrEnum):
    """How much of the chat is told; the values are words of the configuration."""

    OFF = "off"
    WITHOUT_TEXT = "without_text"
    TEXT = "text"
    """With what was said to everybody. What one said to one alone is told without its text."""


@dataclass(frozen=True, slots=True)
class EventOptions:
    """``wants``: whether anybody is to be told of that type. By default nobody is told anything."""

    wants: Callable[[str], bool] = field(default=lambda _kind: False)
    chat: ChatEvents = ChatEvents.OFF


class Chronicle:
    """Of one meeting: notes what changes and is in no row of the store, if anybody wants to be told."""

    def __init__(self, meeting_id: str, clock: Clock, options: EventOptions, note: Callable[[Happening], None]) -> None:
        self._meeting_id = meeting_id
        self._clock = clock
        self._options = options
        self._note = note
        self._is_over = False

    @property
    def chat(self) -> ChatEvents:
        """How much of the chat it may tell."""
        return self._options.chat

    def tell(self, kind: str, **data: Any) -> None:
        """It happened just now."""
        if not self._is_over and self._options.wants(kind):
            self._note(happening(kind, self._meeting_id, self._clock.wall(), **data))

    def end(self) -> None:
        """Nothing happens in the meeting any more. Idempotent."""
        self._is_over = True


# what stores tell


def created(record: MeetingRecord) -> Happening:
    """A meeting was made."""
    return happening("meeting.created", record.id, record.created_at, **_meeting(record))


def updated(before: MeetingRecord, record: MeetingRecord, at: datetime) -> Happening:
    """Something else was agreed."""
    names = (name for name in record.__slots__ if getattr(record, name) != getattr(before, name))
    changed = sorted({CHANGES.get(name, name) for name in names if name != "version"})
    return happening("meeting.updated", record.id, at, **_meeting(record), changed=changed)


def started(meeting_id: str, at: datetime) -> Happening:
    """The first participant came."""
    return happening("meeting.started", meeting_id, at, started_at=timestamp(at))


def ended(meeting_id: str, at: datetime, reason: str) -> Happening:
    """``reason``: "ended", or "idle" when nobody came any more."""
    return happening("meeting.ended", meeting_id, at, ended_at=timestamp(at), reason=reason)


def deleted(meeting_id: str, at: datetime) -> Happening:
    """It is forgotten that there was such a meeting."""
    return happening("meeting.deleted", meeting_id, at)


def joined(stay: ParticipantRecord) -> Happening:
    """A stay began."""
    return happening("participant.joined", stay.meeting_id, stay.joined_at, **_stay(stay))


def left(stay: ParticipantRecord, at: datetime, reason: str) -> Happening:
    """A stay is over."""
    return happening("participant.left", stay.meeting_id, at, **_stay(stay), left_at=timestamp(at), reason=reason)


def recorded(record: RecordingRecord, at: datetime) -> Happening:
    """A recording is at another point of its life."""
    return happening(
        f"recording.{record.status}",
        record.meeting_id,
        at,
        recording_id=record.id,
        status=record.status.value,
        started_at=timestamp(record.started_at),
        ended_at=_text(record.ended_at),
        location=record.location,
        bytes=record.bytes,
        detail=record.detail,
    )


def _stay(stay: ParticipantRecord) -> dict[str, Any]:
    return {
        "participant_id": stay.participant_id,
        "session_id": stay.session_id,
        "name": stay.name,
        "identity": stay.identity,
        "role": stay.role,
        "joined_at": timestamp(stay.joined_at),
    }


def _meeting(record: MeetingRecord) -> dict[str, Any]:
    return {
        "title": record.title,
        "status": record.status.value,
        "host": record.host,
        "access": record.access.value,
        "recording": record.recording.value,
        "e2ee": record.e2ee,
        "lobby": record.lobby,
        "max_participants": record.max_participants,
        "scheduled_start": _text(record.scheduled_start),
        "duration_s": record.duration_s,
        "not_before": _text(record.not_before),
        "version": record.version,
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)
