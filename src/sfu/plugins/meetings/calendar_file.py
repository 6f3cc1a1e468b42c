"""A meeting as an entry of a calendar (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sfu.conference.records import MeetingRecord, MeetingStatus
from sfu.errors import RemoteError

MEDIA_TYPE = "text/calendar; charset=utf-8"
DEFAULT_DURATION = timedelta(hours=1)
MAX_LINE_BYTES = 75
"""RFC 5545 section 3.1: longer lines are folded."""


def calendar_file(record: MeetingRecord, url: str, now: datetime) -> str:
    """Raises ``RemoteError`` ``not_scheduled`` for a meeting that has no planned start."""
    start = record.scheduled_start
    if start is None:
        raise RemoteError("not_scheduled", "the meeting has no planned start", "set scheduled_start", status=404)
    length = DEFAULT_DURATION if record.duration_s is None else timedelta(seconds=record.duration_s)
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//sfu//meetings//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{record.id}@sfu",
        f"SEQUENCE:{record.version}",
        f"DTSTAMP:{_instant(now)}",
        f"DTSTART:{_instant(start)}",
        f"DTEND:{_instant(start + length)}",
        f"SUMMARY:{_text(record.title or 'Meeting')}",
        f"LOCATION:{_text(url)}",
        f"URL:{url}",
        f"STATUS:{'CANCELLED' if record.status is MeetingStatus.ENDED else 'CONFIRMED'}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """Section 3.3.11: what would end the value is escaped."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Parts of at most 75 octets, which end at characters."""
    parts, part, size = [], "", 0
    for char in line:
        length = len(char.encode())
        if size + length > MAX_LINE_BYTES:
            parts.append(part)
            part, size = "", 1  # the blank that marks a continuation
        part += char
        size += length
    return "\r\n ".join([*parts, part])
