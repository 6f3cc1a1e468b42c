"""The conference as others see it: immutable values, field by field as in ``docs/signaling.md``.

Made when asked for, never updated; a transport (WebSocket, REST) serializes them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sfu.conference.chat_views import ChatView


@dataclass(frozen=True, slots=True)
class SourceView:
    """A published source."""

    muted: bool


@dataclass(frozen=True, slots=True)
class HintedSourceView(SourceView):
    """A published source with a hint at what it shows, a word of ``Content``."""

    content: str


@dataclass(frozen=True, slots=True)
class PermissionsView:
    """What a participant is and may publish, and how many videos it may receive."""

    role: str
    publish: tuple[str, ...]
    max_video: int
    may_unmute: bool = True
    """Whether it may unmute its microphone itself."""
    muted_by_host: bool = False
    """Whether a host muted its microphone, and it has not unmuted since."""


@dataclass(frozen=True, slots=True)
class ModerationView:
    """Whether those who are no hosts may unmute themselves, and who is in front for everybody."""

    may_unmute: bool = True
    spotlight: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A participant by name, for who does not know everybody."""

    participant_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ReactionView:
    """How often an emoji was shown within a moment, and by whom: at most ten of them."""

    emoji: str
    count: int
    by: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """A participant; ``sources`` has only what is published."""

    id: str
    name: str
    joined_at: str
    connected: bool
    role: str = "participant"
    hand: int | None = None
    """The order number of a raised hand: who raised it earlier has a lower one."""
    sources: dict[str, HintedSourceView | SourceView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody is gone; why, in the words of ``LeaveReason``."""

    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RosterPage:
    """Some of those who are there, or of those who were searched for; ``next``: ask for those after this one; None:
    there are no more. ``total``: how many there are on all pages.
    """

    participants: tuple[ParticipantView, ...]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True)
class SlotView:
    """What a slot shows. ``codec`` is set only when ``state`` is ``unsupported_codec``."""

    mid: str
    kind: str
    participant_id: str | None = None
    name: str | None = None
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
class QualityView:
    """How good a slot's picture is."""

    mid: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class EncodingsView:
    """Which encodings of a source its client should send."""

    mid: str
    source: str
    active: dict[str, bool]
    spatial_layers: dict[str, int]
    """How many of an encoding that has several; those that are not in it: all."""


@dataclass(frozen=True, slots=True)
class MeetingTitle:
    """A meeting's name as those in it see it."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class VideosView:
    """How many videos the others publish, and which page of how many this attendee sees."""

    videos: int = 0
    page: int = 0
    pages: int = 1


@dataclass(frozen=True, slots=True)
class SpeakersView:
    """Who has the floor, who had it (the latest first, at most ten), and who speaks at the moment (at most five)."""

    dominant: str | None = None
    recent: tuple[str, ...] = ()
    audible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Welcome:
    """The whole state that an attendee needs to show the meeting and go on. ``participants``: at most 100 of
    ``total``.
    """

    participant_id: str
    meeting: MeetingTitle
    participants: tuple[ParticipantView, ...]
    total: int
    slots: tuple[SlotView, ...]
    offer: OfferView | None
    resumed: bool
    transport: str
    view: VideosView
    permissions: PermissionsView
    chat: ChatView
    moderation: ModerationView = ModerationView()
    speakers: SpeakersView = SpeakersView()
    quality: tuple[QualityView, ...] = ()
    encodings: tuple[EncodingsView, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitingView:
    """Who wants to come in, for hosts. ``known``: a token says who it is. ``reason``: a word of ``WaitReason``."""

    id: str
    name: str
    known: bool
    since: str
    reason: str


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """Some of those who wait, in order; as ``RosterPage``. ``locked``: nobody else comes in."""

    waiting: tuple[WaitingView, ...]
    next: str | None
    total: int
    locked: bool


@dataclass(frozen=True, slots=True)
class KeptOutView:
    """Who is kept out, for hosts. ``name`` "": not known any more. ``reason``: ``removed`` or ``denied``; ``until``:
    when it ends by itself, None: not at all.
    """

    id: str
    name: str
    reason: str
    at: str
    until: str | None


@dataclass(frozen=True, slots=True)
class KeptOutPage:
    """Some of those who are kept out, the last first; ``next`` as of ``RosterPage``."""

    kept_out: tuple[KeptOutView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SlotTimeline:
    """A video slot's last seconds, the oldest first; what feeds it now is beside them."""

    mid: str
    participant_id: str | None
    source: str | None
    layers: list[str | None]
    reason: list[str | None]
    sent_kbps: list[int | None]


@dataclass(frozen=True, slots=True)
class QualityTimeline:
    """A participant's last seconds as a receiver, the oldest first, the newest at ``at``."""

    participant_id: str
    at: str
    seconds: int
    estimate_kbps: list[int | None]
    desired_kbps: list[int | None]
    sent_kbps: list[int | None]
    loss: list[float | None]
    rtt_ms: list[int | None]
    slots: tuple[SlotTimeline, ...]


def timestamp(instant: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class ConferenceStats:
    """How much is going on."""

    meetings: int
    participants: int
    viewers: int
