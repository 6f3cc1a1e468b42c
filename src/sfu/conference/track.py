"""What a participant publishes, as the conference sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from sfu.media.producer import Producer
from sfu.rtp.codecs import Kind


class Source(StrEnum):
    """Where a track comes from; the values are words of the signaling protocol, in the order of the m-lines."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return Kind.AUDIO if self in (Source.MICROPHONE, Source.SCREEN_AUDIO) else Kind.VIDEO


class Content(StrEnum):
    """What a video shows, as its publisher says; the values are words of the signaling protocol."""

    MOTION = "motion"
    DETAIL = "detail"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a video reaches anybody, whatever is sent. The smallest encoding always does."""

    max_encodings: int | None = None
    """So many, the smallest; of a scalable one, so many spatial layers."""
    max_height: int | None = None
    """Pixels of the shorter side."""


NO_LIMITS = Limits()


@dataclass(eq=False, slots=True)
class Track:
    """One published source. Two tracks are the same only if they are the same object."""

    participant_id: str
    source: Source
    muted: bool = False
    producer: Producer | None = None
    """None until its client has answered an offer, and after its transport closed."""
    name: str = ""
    """The participant's, so that who shows it needs no roster."""
    content: Content | None = None
    rank: int = 0
    """The participant's, in the order of joining."""
    limits: Limits = NO_LIMITS
    number: int = field(default_factory=count().__next__)
    """In the order of publishing."""

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return self.source.kind
