"""Bodies of what makes, changes and lists meetings, field by field as in ``docs/api.md``."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from sfu.conference.draft import MAX_DURATION_S, MAX_HOST_CHARS, MeetingDraft
from sfu.conference.records import Access, MeetingRecord, MeetingStatus, ParticipantRecord, RecordingPolicy
from sfu.conference.rights import Rules
from sfu.conference.views import ParticipantView, timestamp
from sfu.plugins.meetings.models import Body, MeetingOptions

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _utc(instant: datetime) -> datetime:
    try:
        moved = instant.astimezone(UTC)
    except OverflowError:
        moved = LATEST
    if not EARLIEST <= moved < LATEST:
        raise ValueError(f"it is not between {EARLIEST.year} and {LATEST.year}")
    return moved


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""RFC 3339, with its zone."""


class _Agreed(Body):
    title: str | None = Field(None, max_length=1000, description="shown to those who join; at most 200 characters")
    host: str | None = Field(None, max_length=MAX_HOST_CHARS, description="identity of who has the meeting")
    scheduled_start: Instant | None = Field(None, description="when it is planned; null: for now")
    duration_s: float | None = Field(None, gt=0, le=MAX_DURATION_S, description="how long it is planned, seconds")
    max_participants: int | None = Field(None, ge=1, le=10_000, description="at most the server's own limit")
    access: Access | None = Field(None, description="who gets in; open if nothing is said")
    recording: RecordingPolicy | None = Field(None, description="off if nothing is said; not together with e2ee")
    e2ee: bool | None = Field(None, description="media is encrypted from end to end; not together with recording")
    not_before: Instant | None = Field(None, description="only hosts get in earlier")
    lobby: bool | None = Field(None, description="nobody gets in before a host")
    options: MeetingOptions | None = Field(None, description="its rules; those left out are as they are")


class NewMeetingBody(_Agreed):
    """Of ``POST /meetings``."""

    id: str | None = Field(None, max_length=1000, description="name of the meeting; only in development mode")
    join_expires_at: Instant | None = Field(None, description="until when the join link is good")

    def draft(self, rules: Rules) -> MeetingDraft:
        """``rules``: the server's."""
        given: dict[str, Any] = {
            name: value for name, value in self if value is not None and name not in {"options", "title"}
        }
        return MeetingDraft(title=self.title or "", rules=self.options.over(rules) if self.options else None, **given)

    def digest(self) -> bytes:
        """The same for the same wishes."""
        return hashlib.sha256(self.model_dump_json(exclude_unset=True).encode(errors="surrogatepass")).digest()


class MeetingChanges(_Agreed):
    """Of ``PATCH /meetings/{id}``: what is left out stays; null takes a time, a host or a duration away."""

    def changes(self, record: MeetingRecord) -> dict[str, Any]:
        """By the names of the record's fields."""
        nullable = {"scheduled_start": None, "duration_s": None, "not_before": None, "host": "", "title": ""}
        changed: dict[str, Any] = {}
        for name in self.model_fields_set - {"options"}:
            value = getattr(self, name)
            if value is not None or name in nullable:
                changed[name] = nullable[name] if value is None else value
        if self.options is not None:
            changed["rules"] = self.options.over(record.rules)
        return changed


class JoinTokenBody(Body):
    """Of ``POST /meetings/{id}/join-token``."""

    expires_at: Instant | None = Field(None, description="until when it is good; null: the server's default")


class MeetingOut(BaseModel):
    """A meeting. Times are RFC 3339 in UTC."""

    id: str
    title: str
    status: MeetingStatus
    join_url: str = Field(description="the page on which one joins; with the join token only where that was made")
    created_at: str
    host: str | None = Field(description="identity; null for who may not change the meeting, or when there is none")
    scheduled_start: str | None
    duration_s: float | None
    started_at: str | None
    ended_at: str | None
    max_participants: int
    access: Access
    recording: RecordingPolicy
    e2ee: bool
    not_before: str | None
    lobby: bool
    join_expires_at: str | None
    options: MeetingOptions
    participants: int | None = Field(description="how many are in it; null: its server can not be asked now")
    version: int = Field(description="grows by each change; the ETag")


class MeetingMade(MeetingOut):
    """A new meeting, and its secrets."""

    host_token: str = Field(description="makes who joins with it a host; told this once")
    join_token: str = Field(description="of the join link; told this once")


class JoinTokenOut(BaseModel):
    """A new join token; the one before is good no longer."""

    join_url: str
    join_token: str
    join_expires_at: str | None
    version: int


class MeetingPage(BaseModel):
    """Some meetings, the latest first. ``next`` is the ``cursor`` of the page that follows."""

    meetings: list[MeetingOut]
    next: str | None


class Stay(BaseModel):
    """One stay of somebody in a meeting."""

    session_id: str
    participant_id: str
    identity: str | None = Field(description="null: a guest")
    name: str
    role: str = Field(description="as of now, or of when it left")
    is_host: bool
    joined_at: str
    left_at: str | None
    reason: str | None = Field(description="why it left")

    @classmethod
    def of(cls, record: ParticipantRecord) -> Stay:
        """That of ``record``."""
        return cls(
            session_id=record.session_id,
            participant_id=record.participant_id,
            identity=record.identity or None,
            name=record.name,
            role=record.role,
            is_host=record.is_host,
            joined_at=timestamp(record.joined_at),
            left_at=_text(record.left_at),
            reason=record.reason,
        )


class People(BaseModel):
    """Some of those who are in the meeting, or were, in the order of joining. ``next`` is the ``after`` of the page
    that follows; ``total`` is known of those who are there on this server.
    """

    participants: list[ParticipantView | Stay]
    next: str | None
    total: int | None


def meeting_out(record: MeetingRecord, base_url: str, *, present: int | None, tells_host: bool) -> MeetingOut:
    """What is told of a meeting."""
    return MeetingOut(**_fields(record, join_url(record.id, base_url), present, tells_host=tells_host))


def meeting_made(record: MeetingRecord, base_url: str, *, host_token: str, join_token: str) -> MeetingMade:
    """What is told to who made it."""
    fields = _fields(record, join_url(record.id, base_url, join_token), 0, tells_host=True)
    return MeetingMade(**fields, host_token=host_token, join_token=join_token)


def join_url(meeting_id: str, base_url: str, join_token: str | None = None) -> str:
    """The page on which one joins. The token is in the fragment, which browsers send to nobody."""
    return f"{base_url}/m/{meeting_id}" + (f"#{join_token}" if join_token else "")


def _fields(record: MeetingRecord, url: str, present: int | None, *, tells_host: bool) -> dict[str, Any]:
    return {
        "id": record.id,
        "title": record.title,
        "status": record.status,
        "join_url": url,
        "created_at": timestamp(record.created_at),
        "host": (record.host or None) if tells_host else None,
        "scheduled_start": _text(record.scheduled_start),
        "duration_s": record.duration_s,
        "started_at": _text(record.started_at),
        "ended_at": _text(record.ended_at),
        "max_participants": record.max_participants,
        "access": record.access,
        "recording": record.recording,
        "e2ee": record.e2ee,
        "not_before": _text(record.not_before),
        "lobby": record.lobby,
        "join_expires_at": _text(record.join_expires_at),
        "options": MeetingOptions.of(record.rules),
        "participants": present,
        "version": record.version,
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else timestamp(instant)
