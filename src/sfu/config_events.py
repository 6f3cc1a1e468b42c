"""The tables ``[events]``, ``[kafka]`` and ``[[webhooks]]``: what is told to others, and to whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from sfu.config_section import Section
from sfu.events.sink import pattern_error

REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"

_HIDDEN: dict[str, JsonValue] = {"format": "password"}
"""What is written there by mistake may be a secret, and is not shown."""


def _pattern(text: str) -> str:
    if error := pattern_error(text):
        raise ValueError(error)
    return text


Types = tuple[
    Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"accepted": 'a type, "meeting.*" or "*"'})], ...
]
Reference = Annotated[
    str,
    Field(pattern=REFERENCE, max_length=1000, json_schema_extra=_HIDDEN | {"accepted": '"env:NAME" or "file:/path"'}),
]


class EventsSection(Section):
    """``[events]``: what happens in meetings, told to others."""

    source: str = Field("", max_length=256, description='source of every event; "": public_url, else "sfu"')
    chat: Literal["off", "without_text", "text"] = Field("off", description="how much of the chat is told")
    keep_s: float = Field(86_400.0, ge=0, le=31_536_000, description="seconds that told events are kept")
    keep_waiting_s: float = Field(
        604_800.0, ge=3600, le=31_536_000, description="seconds after which what nobody took is deleted, dead or not"
    )


class WebhookSection(Section):
    """One table of ``[[webhooks]]``: somebody who is told by HTTP."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="names it for good, in logs and in the outbox")
    url: str = Field(
        pattern=r"^https?://[^\s/@?#]+(/[^\s#]*)?$",
        max_length=1000,
        description="address that events are posted to",
        json_schema_extra=_HIDDEN,
    )
    secrets: tuple[Reference, ...] = Field(
        min_length=1, max_length=2, description='one or two secrets, each "env:NAME" or "file:/path"'
    )
    events: Types = Field(("*",), min_length=1, max_length=64, description="types that it is told of")
    timeout_s: float = Field(10.0, gt=0, le=60, description="seconds that an answer may take")
    max_attempts: int = Field(16, ge=1, le=100, description="attempts until an event is dead")
    concurrency: int = Field(8, ge=1, le=100, description="meetings that it is told of at a time")

    @model_validator(mode="after")
    def _own_name(self) -> WebhookSection:
        if self.name == "kafka":
            raise ValueError('name "kafka" is taken; choose another')
        return self


class KafkaSection(Section):
    """``[kafka]``: a topic that is told."""

    brokers: tuple[Annotated[str, Field(pattern=r"^[^\s,/]+:\d{1,5}$", max_length=256)], ...] = Field(
        (), max_length=32, description='brokers to begin with, "host:port"; [] for none'
    )
    topic: str = Field("sfu.events", pattern=r"^[A-Za-z0-9._-]{1,249}$", description="topic of the records")
    events: Types = Field(("*",), min_length=1, max_length=64, description="types that it is told of")
    client_id: str = Field("sfu", min_length=1, max_length=64, description="what the server calls itself")
    tls: bool = Field(False, description="whether brokers are spoken to by TLS")
    ca_file: str = Field("", description='PEM file of their authorities; "": those of the system')
    mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "", description='SASL mechanism; "" for none'
    )
    username: str = Field("", description="user name for it")
    password: str = Field(
        "",
        pattern=f"^$|{REFERENCE}",
        max_length=1000,
        json_schema_extra=_HIDDEN,
        description='password for it, "env:NAME" or "file:/path"',
    )
    timeout_s: float = Field(10.0, ge=1, le=60, description="seconds that an answer may take")
    max_attempts: int = Field(16, ge=1, le=100, description="attempts until an event is dead")

    @model_validator(mode="after")
    def _complete(self) -> KafkaSection:
        if self.mechanism and not (self.username and self.password):
            raise ValueError("mechanism needs username and password")
        return self
