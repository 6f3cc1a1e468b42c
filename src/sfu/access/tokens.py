"""Access tokens: JSON Web Tokens (RFC 7519, and the practices of RFC 8725) that an operator's own programs sign.

Registered claims: ``sub`` the identity, ``name`` what the others are shown, ``exp`` (must be there), ``nbf``, ``iat``,
``iss``, ``aud``, ``jti`` by which it is revoked. What is granted is in the claim ``sfu``; a word there that is not
known refuses the token, since it may have been meant as a limit.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sfu.access.keys import Algorithm, Key, KeyRing
from sfu.conference.authority import Role
from sfu.conference.grants import Grants
from sfu.conference.names import MAX_NAME_CHARS
from sfu.conference.track import Source
from sfu.errors import RemoteError

MAX_TOKEN_CHARS = 4096
"""All claims at their longest are some 1,500."""
MAX_IDENTITY_CHARS = 128
MAX_LIFE_S = 366 * 86_400
"""Of a token, from now on: what lives longer than a year is a mistake."""
LATEST = 253_402_300_799
"""The last second that a ``datetime`` can say."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token must say besides being signed."""

    issuer: str = ""
    """"": any, or none."""
    audience: str = "sfu"
    """For which server it is. A token for another one of the same signer is not good here."""
    leeway_s: float = 30.0
    """How far the signer's clock may be from ours."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Granted(_Strict):
    """The claim ``sfu``."""

    model_config = ConfigDict(extra="forbid")

    meeting: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    role: Annotated[Role, Field(strict=False)] | None = None
    publish: list[Annotated[Source, Field(strict=False)]] | None = Field(None, max_length=len(Source))
    record: bool = False
    max_bps: int | None = Field(None, ge=30_000, le=1_000_000_000)
    session_s: float | None = Field(None, ge=1, le=604_800, strict=False)


class _Claims(_Strict):
    """Of a token whose signature is good; other claims are nobody's business here."""

    exp: float = Field(strict=False, ge=0, le=LATEST)
    nbf: float | None = Field(None, strict=False, ge=0, le=LATEST)
    sub: str | None = Field(None, min_length=1, max_length=MAX_IDENTITY_CHARS)
    name: str | None = Field(None, min_length=1, max_length=MAX_NAME_CHARS)
    jti: str | None = Field(None, min_length=1, max_length=128)
    iss: str | None = Field(None, max_length=256)
    aud: str | list[str] | None = None
    sfu: _Granted = _Granted()


async def verify_token(token: str, keys: KeyRing, terms: Terms, now: datetime) -> Grants:
    """What a token grants. Raises ``RemoteError`` ``unauthorized`` that says why not, without quoting it."""
    kid, algorithm = _header(token)
    key = await keys.find(kid)
    if key is None:
        raise _refused("the token is signed by a key that is not known here", "[auth] keys or jwks_url must have it")
    if key.algorithm != algorithm:
        raise _refused("the token is signed by another algorithm than its key is for", key.algorithm.value)
    claims = _checked(_payload(token, key))
    _require_terms(claims, terms, now.timestamp())
    return _grants(token, claims)


def issue_token(key: Key, claims: Mapping[str, Any]) -> str:
    """A token with these claims, and a ``jti`` if there is none. The key must be one that signs."""
    claims = {"jti": secrets.token_urlsafe(12), **claims}
    headers = {"kid": key.kid} if key.kid else None
    return jwt.encode(claims, key.material, algorithm=key.algorithm.value, headers=headers)  # type: ignore[arg-type]


def inspect_token(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims as they are written, unchecked. Raises ``RemoteError`` ``unauthorized`` when it is none."""
    _header(token)
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return jwt.get_unverified_header(token), claims
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _refused("this is no token", "three parts with dots between them") from None


def token_id(token: str, claims: Mapping[str, Any]) -> str:
    """Its ``jti``, else a digest of it, so that each can be revoked."""
    given = claims.get("jti")
    return given if isinstance(given, str) and given else "sha256-" + hashlib.sha256(token.encode()).hexdigest()[:32]


def is_token(text: str) -> bool:
    """Whether it has the form of a token; keys and secrets of ours have no dots."""
    return text.count(".") == 2


def _header(token: str) -> tuple[str | None, Algorithm]:
    if len(token) > MAX_TOKEN_CHARS:
        raise _refused("the token is too long", f"at most {MAX_TOKEN_CHARS} characters")
    try:
        header = jwt.get_unverified_header(token)
        algorithm = Algorithm(str(header.get("alg")))
        kid = header.get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError, TypeError):
        raise _refused("this is no token that can be read", "a JWT, signed with HS256 or EdDSA") from None
    if "crit" in header:  # RFC 7515 section 4.1.11: what is critical and not understood makes it invalid
        raise _refused("the token has critical headers", "none are understood here")
    return kid, algorithm


def _payload(token: str, key: Key) -> Mapping[str, Any]:
    """Of a token whose signature is good. What the claims say is checked elsewhere, by our clock."""
    checks = dict.fromkeys(("exp", "nbf", "iat", "aud", "iss", "sub", "jti"), False)
    options: Any = {"verify_signature": True, **{f"verify_{name}": on for name, on in checks.items()}}
    try:
        return jwt.decode(token, key.verifier, algorithms=[key.algorithm.value], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError, TypeError):
        raise _refused("the token's signature is wrong", "was it signed with another key?") from None


def _checked(payload: Mapping[str, Any]) -> _Claims:
    try:
        return _Claims.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:32] for part in first["loc"])
        raise _refused(f"the token's claim {where} is wrong", first["msg"]) from None


def _require_terms(claims: _Claims, terms: Terms, now: float) -> None:
    if now >= claims.exp + terms.leeway_s:
        raise _refused("the token has expired", "ask for a new one")
    if claims.exp > now + MAX_LIFE_S:
        raise _refused("the token lives too long", "exp at most a year from now")
    if claims.nbf is not None and now < claims.nbf - terms.leeway_s:
        raise _refused("the token is not good yet", "come back later")
    if terms.issuer and claims.iss != terms.issuer:
        raise _refused("the token is from another issuer", f"iss must be {terms.issuer!r}")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
    if terms.audience and terms.audience not in audiences:
        raise _refused("the token is for another server", f"aud must name {terms.audience!r}")


def _grants(token: str, claims: _Claims) -> Grants:
    granted = claims.sfu
    if claims.sub is not None and not claims.sub.isprintable():
        raise _refused("the token's claim sub is wrong", "printable characters")
    return Grants(
        identity=claims.sub,
        name=claims.name,
        meeting=granted.meeting,
        role=granted.role,
        publish=None if granted.publish is None else frozenset(granted.publish),
        record=granted.record,
        max_bps=granted.max_bps,
        session_s=granted.session_s,
        expires_at=datetime.fromtimestamp(claims.exp, UTC),
        token_id=token_id(token, {"jti": claims.jti}),
    )


def _refused(detail: str, hint: str = "") -> RemoteError:
    return RemoteError("unauthorized", detail, hint, status=401)
