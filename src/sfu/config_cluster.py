"""The table ``[redis]``: several servers for one deployment."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from sfu.config_section import Section

_URL = re.compile(r"|(redis|rediss)://[^\s/]+(/\d*)?(\?\S*)?|unix://\S+")
ACCEPTED = '"redis://host:port/number", "rediss://…" (TLS) or "unix:///path"'


def _checked_url(url: SecretStr) -> SecretStr:
    if not _URL.fullmatch(url.get_secret_value()):
        raise ValueError("is no URL of a Redis")
    return url


RedisUrl = Annotated[SecretStr, AfterValidator(_checked_url), Field(json_schema_extra={"accepted": ACCEPTED})]


class RedisSection(Section):
    """``[redis]``: what several servers share."""

    url: RedisUrl = Field(
        SecretStr(""),
        max_length=1000,
        description='Redis, like "redis://redis.example.org:6379/0"; "": this server is alone',
    )
    prefix: str = Field(
        "sfu:",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.:-]+$",
        description="what all keys and channels begin with",
    )
    lease_s: float = Field(
        15.0, ge=2, le=300, description="seconds that a server may say nothing before its meetings are others'"
    )
