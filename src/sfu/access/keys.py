"""Keys that sign tokens: HS256 (RFC 7518 section 3.2) or EdDSA with Ed25519 (RFC 8037), one or several in a file or a
JWK Set (RFC 7517).

A key has one algorithm for good, so that no token can choose with which one it is checked. A JWK Set from a URL has
public keys alone: a secret that is fetched over the network is none.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from sfu.errors import ConfigError

MIN_SECRET_BYTES = 32
"""RFC 7518 section 3.2: as long as the hash at least."""
MAX_KEYS = 32
MAX_FILE_BYTES = 64 * 1024
MAX_KID_CHARS = 128
KEY_BYTES = 32
"""Of Ed25519, public and private."""


class Algorithm(StrEnum):
    """As in a token's header."""

    HS256 = "HS256"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class Key:
    """``kid`` is "" where the file gives it no name. ``signs``: it can make tokens, too."""

    kid: str
    algorithm: Algorithm
    material: bytes | Ed25519PublicKey | Ed25519PrivateKey = field(repr=False)

    @property
    def signs(self) -> bool:
        """Whether it can make tokens."""
        return not isinstance(self.material, Ed25519PublicKey)

    @property
    def verifier(self) -> bytes | Ed25519PublicKey:
        """What checks a signature."""
        material = self.material
        return material.public_key() if isinstance(material, Ed25519PrivateKey) else material


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys that are good at the moment."""

    keys: tuple[Key, ...] = ()

    def find(self, kid: str | None) -> Key | None:
        """The key of that name. Without one, of the token or of the key, it is good only where there is no choice."""
        if kid is not None:
            for key in self.keys:
                if key.kid == kid:
                    return key
        if len(self.keys) == 1 and (kid is None or not self.keys[0].kid):
            return self.keys[0]
        return None


class KeyRing(Protocol):
    """Where keys are looked for; it may fetch them anew when it does not know one."""

    async def find(self, kid: str | None) -> Key | None:
        """See ``KeySet.find``."""


def parse_keys(text: bytes, *, where: str, public_only: bool = False) -> KeySet:
    """What a file or an answer holds: a JWK Set, one JWK, a PEM key, or nothing but a secret.

    Raises ``ConfigError`` with ``where``; it never quotes what it read.
    """
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(where, f"has more than {MAX_FILE_BYTES} bytes", "is it the right file?")
    stripped = text.strip()
    if stripped.startswith(b"{"):
        keys = _parse_json(stripped, where)
    elif stripped.startswith(b"-----BEGIN"):
        keys = [_parse_pem(stripped, where)]
    else:
        keys = [_secret("", stripped, where)]
    if public_only and any(not isinstance(key.material, Ed25519PublicKey) for key in keys):
        raise ConfigError(where, "has a secret or a private key", "only public keys are to be had by URL")
    names = [key.kid for key in keys]
    if not keys or len(keys) > MAX_KEYS or len(set(names)) != len(names):
        raise ConfigError(where, f"has {len(keys)} keys", f"1 to {MAX_KEYS}, each with a kid of its own")
    return KeySet(tuple(keys))


def _parse_json(text: bytes, where: str) -> list[Key]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(where, "is not JSON") from None
    entries = parsed.get("keys", [parsed])
    if not isinstance(entries, list):
        raise ConfigError(where, "keys is not a list")
    return [_parse_jwk(entry, where) for entry in entries if _is_for_us(entry)]


def _is_for_us(entry: object) -> bool:
    """A JWK Set may have keys for other purposes; RFC 7517 section 5: those that are not understood are passed over."""
    if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
        return False
    kind, algorithm = (entry.get("kty"), entry.get("crv")), entry.get("alg")
    if kind[0] == "oct":
        return algorithm in {None, "HS256"}
    return kind == ("OKP", "Ed25519") and algorithm in {None, "EdDSA", "Ed25519"}


def _parse_jwk(entry: Mapping[str, Any], where: str) -> Key:
    kid = entry.get("kid", "")
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARS:
        raise ConfigError(where, "a kid is no text", f"at most {MAX_KID_CHARS} characters")
    if entry["kty"] == "oct":
        return _secret(kid, _base64(entry.get("k"), where), where)
    if "d" in entry:
        return Key(kid, Algorithm.EDDSA, Ed25519PrivateKey.from_private_bytes(_base64(entry["d"], where, KEY_BYTES)))
    return Key(kid, Algorithm.EDDSA, Ed25519PublicKey.from_public_bytes(_base64(entry.get("x"), where, KEY_BYTES)))


def _parse_pem(text: bytes, where: str) -> Key:
    try:
        key = load_pem_private_key(text, None) if b"PRIVATE KEY" in text else load_pem_public_key(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(where, "is no PEM key that can be read", "an Ed25519 key without a password") from None
    if not isinstance(key, Ed25519PublicKey | Ed25519PrivateKey):
        raise ConfigError(where, "is a PEM key of another kind", "openssl genpkey -algorithm ed25519")
    return Key("", Algorithm.EDDSA, key)


def _secret(kid: str, secret: bytes, where: str) -> Key:
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(where, f"has a secret of {len(secret)} bytes", f"at least {MIN_SECRET_BYTES}")
    return Key(kid, Algorithm.HS256, secret)


def _base64(text: object, where: str, length: int | None = None) -> bytes:
    """base64url without padding (RFC 7515 section 2)."""
    try:
        if not isinstance(text, str):
            raise ValueError  # noqa: TRY301, TRY004 - one way out
        decoded = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if length is not None and len(decoded) != length:
            raise ValueError  # noqa: TRY301
    except (ValueError, binascii.Error):
        raise ConfigError(where, "a key is not in base64url, or has the wrong length") from None
    return decoded


class StaticKeys:
    """A ``KeyRing`` of keys that are known from the start."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._keys = KeySet(tuple(keys))

    async def find(self, kid: str | None) -> Key | None:
        """See ``KeyRing``."""
        return self._keys.find(kid)
