"""The conference as others see it: immutable values, field by field as in ``docs/signaling.md``.

Made when asked for, never updated; a transport (WebSocket, REST) serializes them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SourceView:
    """A published source."""

    muted: bool


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """A participant; ``sources`` has only what is published."""

    id: str
    name: str
    joined_at: str
    connected: bool
    sources: dict[str, SourceView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SlotView:
    """What a slot shows. ``codec`` is set only when ``state`` is ``unsupported_codec``."""

    mid: str
    kind: str
    participant_id: str | None = None
    source: str | None = None
    state: str = "idle"
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """A slot as a place in the offer."""

    mid: str
    kind: str


@dataclass(frozen=True, slots=True)
class OfferView:
    """The latest offer."""

    version: int
    sdp: str


@dataclass(frozen=True, slots=True)
class MeetingTitle:
    """A meeting's name as those in it see it."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The whole state that an attendee needs to show the meeting and go on."""

    participant_id: str
    meeting: MeetingTitle
    participants: tuple[ParticipantView, ...]
    slots: tuple[SlotView, ...]
    offer: OfferView | None
    resumed: bool
    transport: str


def timestamp(instant: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
