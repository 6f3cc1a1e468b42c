"""Where meetings are written down: the interface that a database implements, and the store in memory.

A record says that a meeting exists and what it is called; who is in it lives in ``Meeting``. Asynchronous,
because a database is; the rest of the conference is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sfu.conference.rights import Rules


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """A meeting, occupied or not."""

    id: str
    title: str
    created_at: datetime
    rules: Rules = field(default_factory=Rules)
    host_digest: bytes = b""
    """SHA-256 of the token that makes a host; b"": nobody is."""


class MeetingStore(Protocol):
    """Keeps records. Calls may overlap; each is atomic."""

    async def add(self, record: MeetingRecord) -> bool:
        """Keeps a new record. False, and nothing changes, when the id is taken."""

    async def find(self, meeting_id: str) -> MeetingRecord | None:
        """The record of that id."""

    async def remove(self, meeting_id: str) -> None:
        """Forgets the record; idempotent."""


class MemoryStore:
    """Keeps records as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[str, MeetingRecord] = {}

    async def add(self, record: MeetingRecord) -> bool:
        """See ``MeetingStore``."""
        return self._records.setdefault(record.id, record) is record

    async def find(self, meeting_id: str) -> MeetingRecord | None:
        """See ``MeetingStore``."""
        return self._records.get(meeting_id)

    async def remove(self, meeting_id: str) -> None:
        """See ``MeetingStore``."""
        self._records.pop(meeting_id, None)
