"""Bodies of requests and answers, field by field as in ``docs/signaling.md``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sfu.conference import Meeting, Source
from sfu.conference.chat_views import ChatMode
from sfu.conference.rights import Rules
from sfu.conference.views import ParticipantView


class Body(BaseModel):
    """A request's body: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class MeetingOptions(Body):
    """Rules of a meeting."""

    max_cameras: int | None = Field(None, ge=0, le=10_000, description="cameras that are on at a time")
    max_video: int | None = Field(None, ge=0, le=49, description="videos that one participant receives at a time")
    max_screens: int | None = Field(None, ge=0, le=49, description="screens that are shared at a time")
    publish: list[Source] | None = Field(None, max_length=len(Source), description="what those who join may publish")
    audience: bool | None = Field(None, description="who joins publishes nothing until a host permits it")

    chat: ChatMode | None = Field(None, description="who may write, until a host says otherwise")
    direct_messages: bool | None = Field(None, description="whether one may write to one participant alone")

    def over(self, rules: Rules) -> Rules:
        """These rules, but for what is given."""
        given: dict[str, Any] = {name: value for name, value in self if value is not None}
        if self.publish is not None:
            given["publish"] = frozenset(self.publish)
        return replace(rules, **given)


class CreateMeeting(Body):
    """Of ``POST /meetings``. Lengths and characters are checked where meetings are made."""

    title: str | None = Field(None, max_length=1000, description="shown to those who join")
    id: str | None = Field(None, max_length=1000, description="name of the meeting; only in development mode")
    options: MeetingOptions | None = Field(None, description="its rules; those left out are the server's")


class Join(Body):
    """Of ``POST /meetings/{id}/join``."""

    name: str = Field(max_length=1000, description="shown to the others; 1 to 64 printable characters")
    host_token: str | None = Field(None, max_length=256, description="of who made the meeting: makes a host")
    role: Literal["audience"] | None = Field(None, description="joins as audience")
    video: int | None = Field(None, ge=0, le=49, description="videos that the client shows at once")
    join_token: str | None = Field(None, max_length=256, description="of the join link")
    browser: str | None = Field(
        None, max_length=256, description="what the client calls itself, so that a guest is known again"
    )
    capabilities: dict[str, Any] = Field(default_factory=dict, description="for later; nothing is defined yet")


class MeetingCreated(BaseModel):
    """A meeting, where to join it, and the token that makes a host."""

    id: str
    title: str
    join_url: str
    created_at: str
    host_token: str

    @classmethod
    def of(cls, meeting: Meeting, base_url: str) -> MeetingCreated:
        """That of ``meeting``, which was made just now."""
        return cls(
            id=meeting.id,
            title=meeting.title,
            join_url=join_url(meeting, base_url),
            created_at=meeting.created_at,
            host_token=meeting.host_token or "",
        )


class MeetingFound(BaseModel):
    """A meeting with the number of those in it."""

    id: str
    title: str
    join_url: str
    created_at: str
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


class Participants(BaseModel):
    """A page of those who are there, in the order of joining. ``next`` is the ``after`` of the page that follows."""

    participants: list[ParticipantView]
    next: str | None
    total: int


def join_url(meeting: Meeting, base_url: str) -> str:
    """The page on which one joins."""
    return f"{base_url}/m/{meeting.id}"
