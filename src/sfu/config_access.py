"""The tables ``[auth]`` and ``[admission]``: whose word counts, and who gets in."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sfu.config_section import Section


def _network(text: str) -> str:
    return str(ip_network(text))


Network = Annotated[
    str, AfterValidator(_network), Field(json_schema_extra={"accepted": 'an address or network, like "10.0.0.0/8"'})
]
Origin = Annotated[str, Field(pattern=r"^https?://[^\s/]+$", max_length=256)]


class AuthSection(Section):
    """``[auth]``: whose word counts."""

    whip_token: SecretStr = Field(
        SecretStr(""), description='bearer token that WHIP and WHEP ask for; "" asks for none'
    )
    keys: str = Field("", description='file with the keys of access tokens: a JWK Set, a PEM key or a secret; "": none')
    jwks_url: str = Field(
        "",
        pattern=r"^$|^https://[^\s/]+(/[^\s]*)?$|^http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s]*)?$",
        description='instead of keys: URL of a JWK Set with public keys; "": none',
    )
    issuer: str = Field("", max_length=256, description='iss that access tokens must have; "": any')
    audience: str = Field("sfu", max_length=256, description='aud that access tokens must name; "": any')
    leeway_s: float = Field(30.0, ge=0, le=300, description="seconds that the clock of who signs may be wrong")
    api_keys: tuple[str, ...] = Field(
        (), max_length=1000, description='keys of the server API, lines that "sfu key create" prints'
    )
    api_keys_file: str = Field("", description='file with such lines; "": none')
    revocations: str = Field("", description='file that remembers what was revoked; "": until the next start')

    @model_validator(mode="after")
    def _one_source(self) -> AuthSection:
        if self.keys and self.jwks_url:
            raise ValueError("give keys or jwks_url, not both")
        return self


class AdmissionSection(Section):
    """``[admission]``: who gets in, and how fast."""

    origins: tuple[Origin, ...] = Field(
        (), max_length=64, description='other sites whose pages may open a signaling socket; "https://example.org"'
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (), max_length=64, description="proxies whose X-Forwarded-For is believed"
    )
    joins_per_address_s: float = Field(10.0, gt=0, le=100_000, description="joins a second from one address")
    joins_per_meeting_s: float = Field(200.0, gt=0, le=100_000, description="joins a second into one meeting")
    duplicate_identity: Literal["replace", "reject"] = Field(
        "replace", description="when an identity joins that is in the meeting: who leaves, the old one or the new"
    )
    max_waiting: int = Field(500, ge=0, le=10_000, description="people who wait to get into one meeting")
    longest_wait_s: float = Field(1800.0, ge=10, le=86_400, description="seconds that somebody waits at most")
    admit_per_s: float = Field(
        0.0, ge=0, le=1000, description="how many a second are let in from a waiting room without a host; 0: none"
    )
