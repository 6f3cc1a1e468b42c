"""Bodies of requests and answers, field by field as in ``docs/signaling.md``."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sfu.conference import Source
from sfu.conference.chat_views import ChatMode
from sfu.conference.rights import Rules


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
    keep_chat: bool | None = Field(None, description="what is said is kept when the server is started again")

    def over(self, rules: Rules) -> Rules:
        """These rules, but for what is given."""
        given: dict[str, Any] = {name: value for name, value in self if value is not None}
        if self.publish is not None:
            given["publish"] = frozenset(self.publish)
        return replace(rules, **given)

    @classmethod
    def of(cls, rules: Rules) -> MeetingOptions:
        """All of them."""
        given = {item.name: getattr(rules, item.name) for item in fields(rules)}
        return cls(**{**given, "publish": [source for source in Source if source in rules.publish]})


class Join(Body):
    """Of ``POST /meetings/{id}/join``."""

    name: str = Field(max_length=1000, description="shown to the others; 1 to 64 printable characters")
    host_token: str | None = Field(None, max_length=256, description="of who made the meeting: makes a host")
    role: Literal["audience"] | None = Field(None, description="joins as audience")
    video: int | None = Field(None, ge=0, le=49, description="videos that the client shows at once")
    join_token: str | None = Field(None, max_length=256, description="of the join link")
    former_token: str | None = Field(
        None, max_length=256, description="participant token of before, of who comes back: the same id, role and seat"
    )
    browser: str | None = Field(
        None, max_length=256, description="what the client calls itself, so that a guest is known again"
    )
    capabilities: dict[str, Any] = Field(default_factory=dict, description="for later; nothing is defined yet")
