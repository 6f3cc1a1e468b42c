"""Bodies of requests and answers, field by field as in ``docs/signaling.md``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sfu.conference import Meeting
from sfu.conference.views import MeetingTitle, OfferView, ParticipantView, SlotPlace
from sfu.ice.servers import IceServer


class Body(BaseModel):
    """A request's body: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class CreateMeeting(Body):
    """Of ``POST /meetings``. Lengths and characters are checked where meetings are made."""

    title: str | None = Field(None, max_length=1000, description="shown to those who join")
    id: str | None = Field(None, max_length=1000, description="name of the meeting; only in development mode")


class Join(Body):
    """Of ``POST /meetings/{id}/join``."""

    name: str = Field(max_length=1000, description="shown to the others; 1 to 64 printable characters")
    capabilities: dict[str, Any] = Field(default_factory=dict, description="for later; nothing is defined yet")


class MeetingCreated(BaseModel):
    """A meeting and where to join it."""

    id: str
    title: str
    join_url: str
    created_at: str

    @classmethod
    def of(cls, meeting: Meeting, base_url: str) -> MeetingCreated:
        """That of ``meeting``."""
        return cls(
            id=meeting.id,
            title=meeting.title,
            join_url=join_url(meeting, base_url),
            created_at=meeting.created_at,
        )


class MeetingFound(MeetingCreated):
    """A meeting with the number of those in it."""

    participants: int

    @classmethod
    def of(cls, meeting: Meeting, base_url: str) -> MeetingFound:
        """That of ``meeting``."""
        return cls(
            id=meeting.id,
            title=meeting.title,
            join_url=join_url(meeting, base_url),
            created_at=meeting.created_at,
            participants=len(meeting.participants),
        )


class IceServerOut(BaseModel):
    """An entry of ``RTCConfiguration.iceServers``."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None

    @classmethod
    def of(cls, server: IceServer) -> IceServerOut:
        """That of ``server``."""
        return cls(urls=list(server.urls), username=server.username or None, credential=server.credential or None)


class Joined(BaseModel):
    """The *join answer*."""

    meeting: MeetingTitle
    participant_id: str
    token: str
    signaling_url: str
    ice_servers: list[IceServerOut]
    offer: OfferView
    ingress: dict[str, str]
    slots: list[SlotPlace]
    resume_window_s: float


class Participants(BaseModel):
    """Everybody, in the order of joining."""

    participants: list[ParticipantView]


def join_url(meeting: Meeting, base_url: str) -> str:
    """The page on which one joins."""
    return f"{base_url}/m/{meeting.id}"
