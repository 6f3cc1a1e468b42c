"""What is asked for when a meeting is made or changed, and what can not be had."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from sfu.conference.names import check_meeting_id, check_title, digest, new_meeting_id, new_token
from sfu.conference.options import ConferenceOptions
from sfu.conference.records import Access, MeetingRecord, MeetingStatus, RecordingPolicy
from sfu.conference.rights import Rules
from sfu.errors import RemoteError

MAX_HOST_CHARS = 255
MAX_DURATION_S = 31 * 86_400.0


@dataclass(frozen=True, slots=True)
class MeetingDraft:
    """None is the server's default."""

    title: str = ""
    id: str | None = None
    """A chosen name; else the meeting gets a UUID."""
    rules: Rules | None = None
    host: str = ""
    scheduled_start: datetime | None = None
    duration_s: float | None = None
    max_participants: int | None = None
    access: Access = Access.OPEN
    recording: RecordingPolicy = RecordingPolicy.OFF
    e2ee: bool = False
    not_before: datetime | None = None
    lobby: bool = False
    join_expires_at: datetime | None = None

    def record(self, now: datetime, options: ConferenceOptions, *, host_token: str, join_token: str) -> MeetingRecord:
        """The record of the new meeting. Raises ``RemoteError``: ``bad_request``, ``conflict``."""
        is_later = self.scheduled_start is not None and self.scheduled_start > now
        record = MeetingRecord(
            id=check_meeting_id(self.id) if self.id is not None else new_meeting_id(),
            title=check_title(self.title),
            created_at=now,
            rules=self.rules or options.rules,
            host_digest=digest(host_token),
            status=MeetingStatus.SCHEDULED if is_later else MeetingStatus.ACTIVE,
            host=self.host,
            scheduled_start=self.scheduled_start,
            duration_s=self.duration_s,
            max_participants=options.max_participants if self.max_participants is None else self.max_participants,
            access=self.access,
            recording=self.recording,
            e2ee=self.e2ee,
            join_digest=digest(join_token),
            join_expires_at=self.join_expires_at or join_expiry(now, self.scheduled_start, self.duration_s, options),
            not_before=self.not_before,
            lobby=self.lobby,
        )
        check_record(record, options)
        return record


def join_expiry(
    now: datetime, scheduled_start: datetime | None, duration_s: float | None, options: ConferenceOptions
) -> datetime:
    """Until when a new join token is good if nobody says: so long from now, or after the planned end."""
    end = now if scheduled_start is None else scheduled_start + timedelta(seconds=duration_s or 0)
    return max(now, end) + timedelta(seconds=options.join_link_s)


def check_record(record: MeetingRecord, options: ConferenceOptions) -> None:
    """Raises ``RemoteError`` for what does not go: ``bad_request``; ``conflict`` for what excludes each other."""
    if not 1 <= record.max_participants <= options.max_participants:
        raise RemoteError(
            "bad_request", f"max_participants is {record.max_participants}", f"1 to {options.max_participants}"
        )
    if record.duration_s is not None and not 0 < record.duration_s <= MAX_DURATION_S:
        raise RemoteError("bad_request", f"duration_s is {record.duration_s}", f"1 to {MAX_DURATION_S:.0f}")
    if len(record.host) > MAX_HOST_CHARS or not record.host.isprintable():
        raise RemoteError("bad_request", "the host has a wrong form", f"at most {MAX_HOST_CHARS} printable characters")
    if record.e2ee and record.recording is not RecordingPolicy.OFF:
        raise RemoteError(
            "conflict",
            "a meeting that is encrypted from end to end can not be recorded: the server has no keys to its media",
            "e2ee: false, or recording: off",
            status=409,
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets of a new meeting, in plain: written nowhere."""

    host: str = field(repr=False)
    """Makes who joins with it a host."""
    join: str = field(repr=False)
    """Of the join link."""

    @classmethod
    def new(cls) -> Self:
        """Two that nobody has seen."""
        return cls(new_token(), new_token())


@dataclass(frozen=True, slots=True)
class NewMeeting:
    """A meeting that was written down just now."""

    record: MeetingRecord
    tokens: Tokens
