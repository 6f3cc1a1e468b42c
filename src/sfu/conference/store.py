"""Where meetings are written down: the interface that a database implements. ``MemoryStore`` is the one in memory.

Asynchronous, because a database is; the rest of the conference is not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sfu.conference.chat_lines import KeptLine
from sfu.conference.memory_store import MemoryStore
from sfu.conference.orders import Kept
from sfu.conference.records import (
    MeetingFilter,
    MeetingRecord,
    Once,
    Page,
    ParticipantRecord,
    RecordingRecord,
)
from sfu.conference.returning import Seat

if TYPE_CHECKING:
    from sfu.conference.ledger import KeptFact

__all__ = [
    "MeetingFilter",
    "MeetingRecord",
    "MeetingStore",
    "MemoryStore",
    "Once",
    "Page",
    "ParticipantRecord",
    "RecordingRecord",
]


class MeetingStore(Protocol):
    """Keeps records. Calls may overlap; each is atomic, and those that say so may be repeated without harm.

    Whatever cannot be done because the database is away raises ``RemoteError`` ``store_unavailable`` (503).
    """

    async def add(self, record: MeetingRecord, once: Once | None = None) -> bool:
        """Keeps a new record, and what was asked for only once. False, and nothing changes, when the id, the join
        token or the key of ``once`` is taken.
        """

    async def find(self, meeting_id: str) -> MeetingRecord | None:
        """The record of that id."""

    async def find_by_join(self, join_digest: bytes) -> MeetingRecord | None:
        """The record whose join token has that digest, expired or not."""

    async def find_once(self, key_digest: bytes) -> Once | None:
        """What was made for that key."""

    async def update(self, meeting_id: str, expected_version: int | None, changes: Mapping[str, Any]) -> MeetingRecord:
        """Changes fields, by their names; gives the new record. With a version: only if it is still that one.

        Raises ``RemoteError``: ``meeting_not_found``, ``precondition_failed`` (412) when the version is another.
        """

    async def list_meetings(self, wanted: MeetingFilter, cursor: str | None, limit: int) -> Page[MeetingRecord]:
        """Some of them, the latest ``starts_at`` first. Raises ``RemoteError`` ``bad_request`` for a wrong cursor."""

    async def end(self, meeting_id: str, at: datetime) -> None:
        """The meeting is over, and whoever is in it leaves; idempotent."""

    async def end_idle(self, now: datetime, idle_since: datetime, keep: Collection[str] = ()) -> tuple[str, ...]:
        """Ends, as of ``now``, the active meetings that nobody is in and nobody was in since ``idle_since``, and the
        scheduled ones that nobody came to a day after they should have been over; but none of ``keep``. Gives their
        ids; idempotent.
        """

    async def remove(self, meeting_id: str) -> None:
        """Forgets the meeting, who was in it and its recordings; idempotent."""

    async def joined(self, record: ParticipantRecord) -> None:
        """Somebody is in the meeting, which is active from now on unless it has ended; idempotent."""

    async def left(self, session_id: str, at: datetime, reason: str) -> None:
        """A stay is over; idempotent."""

    async def participants(
        self, meeting_id: str, cursor: str | None, limit: int, *, current: bool | None = None
    ) -> Page[ParticipantRecord]:
        """Some of those who are there (``current`` True), were there (False), or both, in the order of joining.

        Raises ``RemoteError`` ``bad_request`` for a wrong cursor.
        """

    async def keep(self, fact: KeptFact) -> None:
        """Keeps what a meeting that is opened again goes on with; idempotent. Nothing happens when the meeting, or the
        stay, is not there. A seat goes with the end of its stay, unless its reason is one of ``STILL_SEATED``.
        """

    async def recall(self, meeting_id: str) -> Kept:
        """How hosts had the meeting last, and what they decided about people."""

    async def seats(self, meeting_id: str, now: datetime) -> Sequence[Seat]:
        """Those that are reserved for who was in the meeting when this server was lost or stopped; of one participant
        the latest first.
        """

    async def said(self, meeting_id: str) -> Sequence[KeptLine]:
        """The last entries of the chat, as many as a history holds, in their order."""

    async def put_recording(self, record: RecordingRecord) -> None:
        """Keeps a recording's state, new or not; idempotent. Nothing happens when the meeting is not there."""

    async def recordings(self, meeting_id: str) -> tuple[RecordingRecord, ...]:
        """Those of a meeting, the oldest first."""
