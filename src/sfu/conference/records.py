"""What is written down of meetings: plain values, the same for every store. Times have a zone, UTC.

Who is in a meeting at this moment lives in ``Meeting``; a record says what was agreed and what happened.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from sfu.conference.rights import Rules
from sfu.errors import RemoteError

T = TypeVar("T")

DEFAULT_PARTICIPANTS = 100
MAX_RECORDS_PAGE = 200
MAX_CURSOR_CHARS = 256


class MeetingStatus(StrEnum):
    """How far a meeting is; the values are words of the REST API."""

    SCHEDULED = "scheduled"
    """For later; nobody has been in it."""
    ACTIVE = "active"
    """It may be joined, and has no start to wait for or had somebody in it."""
    ENDED = "ended"
    """Nobody comes in any more."""


class Access(StrEnum):
    """Who gets in; the values are words of the REST API."""

    OPEN = "open"
    """Whoever knows the id."""
    TOKEN = "token"  # noqa: S105 - a word, no secret
    """Who has the join token, or a token of an identity."""
    WAITING_ROOM = "waiting_room"
    """Whom a host lets in."""


class RecordingPolicy(StrEnum):
    """Whether a meeting is recorded; the values are words of the REST API."""

    OFF = "off"
    ALLOWED = "allowed"
    AUTO = "auto"


class RecordingStatus(StrEnum):
    """How far a recording is."""

    STARTING = "starting"
    ACTIVE = "active"
    FINISHING = "finishing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """A meeting, occupied or not. The tokens themselves are written nowhere, their SHA-256 is."""

    id: str
    """UUID4 as text; in development mode a chosen name."""
    title: str
    created_at: datetime
    rules: Rules = field(default_factory=Rules)
    host_digest: bytes = b""
    """Of the token that makes a host; b"": nobody is."""
    status: MeetingStatus = MeetingStatus.ACTIVE
    host: str = ""
    """Identity of who has it; "": nobody's in particular."""
    scheduled_start: datetime | None = None
    duration_s: float | None = None
    max_participants: int = DEFAULT_PARTICIPANTS
    access: Access = Access.OPEN
    recording: RecordingPolicy = RecordingPolicy.OFF
    e2ee: bool = False
    """Media is encrypted from end to end. Never together with recording."""
    join_digest: bytes = b""
    """Of the join token; b"": there is none."""
    join_expires_at: datetime | None = None
    not_before: datetime | None = None
    """Nobody gets in earlier, but hosts."""
    lobby: bool = False
    """Nobody gets in before a host."""
    started_at: datetime | None = None
    """When the first participant came."""
    ended_at: datetime | None = None
    version: int = 1
    """Grows by each change of what was agreed, and when it ends; the ETag."""

    @property
    def starts_at(self) -> datetime:
        """When it is in a calendar: its planned start, else when it was made. Lists are in this order."""
        return self.scheduled_start or self.created_at

    @property
    def planned_end(self) -> datetime | None:
        """When it should be over; None: it has no planned start."""
        if self.scheduled_start is None:
            return None
        return self.scheduled_start + timedelta(seconds=self.duration_s or 0)


@dataclass(frozen=True, slots=True)
class ParticipantRecord:
    """One stay of somebody in a meeting; who leaves and joins again has two."""

    session_id: str
    """UUID4 as text."""
    meeting_id: str
    participant_id: str
    identity: str
    """"": a guest."""
    name: str
    role: str
    is_host: bool
    joined_at: datetime
    left_at: datetime | None = None
    reason: str | None = None
    """Why it left, a word of ``LeaveReason`` or ``EndReason``."""


@dataclass(frozen=True, slots=True)
class RecordingRecord:
    """A recording of a meeting. ``location``: where it is, "" until it is known."""

    id: str
    meeting_id: str
    status: RecordingStatus
    started_at: datetime
    ended_at: datetime | None = None
    location: str = ""
    bytes: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Once:
    """Remembers that a meeting was made for a request that may come again (``Idempotency-Key``)."""

    key_digest: bytes
    """Of the key and of who sent it."""
    body_digest: bytes
    """Of what was asked for: the same key with another body is a mistake."""
    salt: bytes
    """From it and the key the tokens of the answer are made again, so that they need not be kept."""
    meeting_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MeetingFilter:
    """Which meetings; None: all."""

    status: MeetingStatus | None = None
    host: str | None = None
    since: datetime | None = None
    """Those that start at this time or later."""
    until: datetime | None = None
    """Those that start before this time."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list; ``next`` asks for what follows; None: nothing does."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last item of a page, by what the list is in order of: a time, and an id among equals. To clients it is an
    opaque text.
    """

    at: datetime
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """That of a page before. Raises ``RemoteError`` ``bad_request`` for what no page has given."""
        if text is None:
            return None
        cursor = cls._read(text)
        if cursor is None:
            raise RemoteError("bad_request", "the cursor is none of ours", "take it from the page before")
        return cursor

    @classmethod
    def _read(cls, text: str) -> Cursor | None:
        if len(text) > MAX_CURSOR_CHARS:
            return None
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            at, _, last_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
            instant = datetime.fromisoformat(at)
        except (ValueError, binascii.Error):
            return None
        # The zone is ours, so that no conversion can leave the calendar.
        return cls(instant, last_id) if instant.tzinfo is UTC and last_id.isprintable() else None
