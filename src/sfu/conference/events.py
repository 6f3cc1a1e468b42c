"""What an attendee is told without having asked. The fields are those of the notifications in
``docs/signaling.md``; the signaling plugin only adds the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sfu.conference.chat_views import ChatEntry, ChatSettingsView
from sfu.conference.views import (
    Departure,
    ModerationView,
    ParticipantView,
    PermissionsView,
    QualityView,
    ReactionView,
    SlotPlace,
    SlotView,
    SpeakersView,
    VideosView,
    WaitingView,
)

if TYPE_CHECKING:
    from sfu.conference.attendee import Attendee


class LeaveReason(StrEnum):
    """Why a participant is gone."""

    LEFT = "left"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    EXPIRED = "expired"
    """Its token let it stay so long and no longer."""
    REMOVED = "removed"
    """A host wanted it."""
    REVOKED = "revoked"
    """What it came in by is good no longer."""
    REPLACED = "replaced"
    """The same identity came in again."""


class EndReason(StrEnum):
    """Why a meeting is over."""

    ENDED = "ended"
    SERVER_STOPPING = "server_stopping"
    LET_GO = "let_go"
    """Not over: nobody is there, and it is brought back when somebody comes."""
    MOVED = "moved"
    """Not over: it goes on at another server, where those who are in it come back to."""


class DenyReason(StrEnum):
    """Why somebody waits no longer who did not come in."""

    DENIED = "denied"
    """A host wanted it."""
    TIMEOUT = "timeout"
    LEFT = "left"
    REPLACED = "replaced"
    """It waits elsewhere now."""
    REVOKED = "revoked"
    REFUSED = "refused"
    """It was let in, and may not come in for another reason."""
    ENDED = "ended"
    """The meeting is over."""
    SERVER_STOPPING = "server_stopping"


@dataclass(frozen=True, slots=True)
class OfferMade:
    """A new offer wants an answer."""

    version: int
    sdp: str
    slots: tuple[SlotPlace, ...]


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """Who came, whose view changed, who is gone, and how many are there now."""

    joined: tuple[ParticipantView, ...]
    updated: tuple[ParticipantView, ...]
    left: tuple[Departure, ...]
    total: int


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """The slots whose feed changed; the others are as they were."""

    slots: tuple[SlotView, ...]


@dataclass(frozen=True, slots=True)
class ViewChanged(VideosView):
    """There are more videos to see or fewer, or another page of them is shown."""


@dataclass(frozen=True, slots=True)
class PermissionsChanged(PermissionsView):
    """The attendee may publish something else than before."""


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The server took a source of the attendee's away; ``by``: the participant who wanted that."""

    source: str
    reason: str
    by: str | None


@dataclass(frozen=True, slots=True)
class SpeakersChanged(SpeakersView):
    """Somebody took the floor, began to speak or ended."""


@dataclass(frozen=True, slots=True)
class QualityChanged:
    """How good the pictures of these slots are, and why they are no better."""

    slots: tuple[QualityView, ...]


@dataclass(frozen=True, slots=True)
class EncodingsChanged:
    """Which encodings of its own source the attendee should send, by rid ("" where there is but one without), and how
    many spatial layers where not all are wanted.
    """

    mid: str
    source: str
    active: dict[str, bool]
    spatial_layers: dict[str, int]


@dataclass(frozen=True, slots=True)
class ChatTold:
    """What was said or deleted, in the order of the numbers."""

    entries: tuple[ChatEntry, ...]


@dataclass(frozen=True, slots=True)
class ChatSettingsChanged(ChatSettingsView):
    """Others may write than before."""


@dataclass(frozen=True, slots=True)
class ReactionsShown:
    """What those in the meeting show by emoji, within a moment."""

    reactions: tuple[ReactionView, ...]


@dataclass(frozen=True, slots=True)
class Muted:
    """A host muted a source of the attendee's; ``by``: the participant, and what it is called."""

    source: str
    by: str | None
    by_name: str | None


@dataclass(frozen=True, slots=True)
class UnmuteAsked:
    """A host would like the attendee to unmute."""

    by: str | None
    by_name: str | None


@dataclass(frozen=True, slots=True)
class ModerationChanged(ModerationView):
    """Others are in front than before, or others may unmute themselves."""


@dataclass(frozen=True, slots=True)
class TransportChanged:
    """The attendee's own media transport changed its state."""

    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class LockChanged:
    """Whether people may come in who are no hosts."""

    locked: bool


@dataclass(frozen=True, slots=True)
class WaitingRoomChanged:
    """For hosts: who began to wait, who waits no longer, and how many wait now."""

    joined: tuple[WaitingView, ...]
    left: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class KeptOutChanged:
    """For hosts: others are kept out than before; who, they ask."""


@dataclass(frozen=True, slots=True)
class MeetingEnded:
    """The last event that anybody in the meeting gets."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Replaced:
    """A newer listener took over; the last event that the older one gets."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The attendee has left the meeting; the last event that its listener gets."""

    reason: LeaveReason


# what those hear who wait


@dataclass(frozen=True, slots=True)
class WaitingMoved:
    """One's place, 1 for who is next, and what one waits for, a word of ``WaitReason``."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """One is in the meeting."""

    attendee: Attendee


@dataclass(frozen=True, slots=True)
class Denied:
    """One waits no longer, and is not in."""

    reason: DenyReason
    detail: str = ""


WaitingListener = Callable[[WaitingMoved | Admitted | Denied], None]
"""As ``Listener``."""

Event = (
    OfferMade
    | RosterChanged
    | SlotsChanged
    | ViewChanged
    | PermissionsChanged
    | Unpublished
    | SpeakersChanged
    | QualityChanged
    | EncodingsChanged
    | ChatTold
    | ChatSettingsChanged
    | ReactionsShown
    | Muted
    | UnmuteAsked
    | ModerationChanged
    | TransportChanged
    | LockChanged
    | WaitingRoomChanged
    | KeptOutChanged
    | MeetingEnded
    | Replaced
    | Removed
)
Listener = Callable[[Event], None]
"""Called on the control plane's thread, at once; must not block and must not raise."""
