"""SDP attributes about the transport: ICE, DTLS, and which m-lines share it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from sfu.rtp import codecs
from sfu.sdp.grammar import Line, excerpt

MAX_GROUP_MEMBERS = 256

_ICE_CHARS = re.compile(r"[0-9A-Za-z+/]+")
_HASH_BYTES = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}


class SetupRole(StrEnum):
    """Who opens the DTLS association (RFC 4145 §4, RFC 8842 §5)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@dataclass(frozen=True, slots=True)
class IceUfrag:
    """RFC 8839 §5.4."""

    name: ClassVar[str] = "ice-ufrag"
    value: str

    @classmethod
    def parse(cls, text: str, line: Line) -> IceUfrag:
        return cls(_ice_word(text, line, "ice-ufrag", 4))

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class IcePwd:
    """RFC 8839 §5.4."""

    name: ClassVar[str] = "ice-pwd"
    value: str

    @classmethod
    def parse(cls, text: str, line: Line) -> IcePwd:
        return cls(_ice_word(text, line, "ice-pwd", 22))

    def __str__(self) -> str:
        return self.value


def _ice_word(text: str, line: Line, what: str, shortest: int) -> str:
    if not shortest <= len(text) <= 256 or not _ICE_CHARS.fullmatch(text):
        raise line.error(f"{what} {excerpt(text)} is malformed", f"{shortest} to 256 of 0-9 A-Z a-z + /")
    return text


@dataclass(frozen=True, slots=True)
class IceOptions:
    """RFC 8839 §5.6. Any word passes: libdatachannel separates its options by a comma."""

    name: ClassVar[str] = "ice-options"
    options: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, line: Line) -> IceOptions:
        return cls(tuple(line.words(text, "ice-options", 1, 16)))

    def __str__(self) -> str:
        return " ".join(self.options)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """RFC 8122 §5; the digest's length is checked for the hashes that it names."""

    name: ClassVar[str] = "fingerprint"
    fingerprint: codecs.Fingerprint

    @classmethod
    def parse(cls, text: str, line: Line) -> Fingerprint:
        algorithm, digest = line.words(text, "fingerprint", 2, 2)
        algorithm = line.token(algorithm, "hash function", 16).lower()
        octets = _HASH_BYTES.get(algorithm)
        size = r"{1,128}" if octets is None else f"{{{octets}}}"
        if not re.fullmatch(rf"(?:[0-9A-Fa-f]{{2}}(?::|$)){size}", digest) or digest.endswith(":"):
            raise line.error(
                f"fingerprint {excerpt(digest)} is malformed",
                f"{octets} octets in hex, separated by colons" if octets else "octets in hex, separated by colons",
            )
        return cls(codecs.Fingerprint(algorithm, digest.upper()))

    def __str__(self) -> str:
        return f"{self.fingerprint.algorithm} {self.fingerprint.value}"


@dataclass(frozen=True, slots=True)
class Setup:
    """RFC 4145 §4."""

    name: ClassVar[str] = "setup"
    role: SetupRole

    @classmethod
    def parse(cls, text: str, line: Line) -> Setup:
        try:
            return cls(SetupRole(text))
        except ValueError:
            raise line.error(f"setup role {excerpt(text)} is unknown", "active, passive, actpass or holdconn") from None

    def __str__(self) -> str:
        return self.role.value


@dataclass(frozen=True, slots=True)
class Mid:
    """RFC 5888 §4."""

    name: ClassVar[str] = "mid"
    mid: str

    @classmethod
    def parse(cls, text: str, line: Line) -> Mid:
        return cls(line.token(text, "mid", 64))

    def __str__(self) -> str:
        return self.mid


@dataclass(frozen=True, slots=True)
class Group:
    """RFC 5888 §5; BUNDLE is RFC 9143."""

    name: ClassVar[str] = "group"
    semantics: str
    mids: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, line: Line) -> Group:
        semantics, *mids = line.words(text, "group", 1, MAX_GROUP_MEMBERS)
        return cls(line.token(semantics, "group semantics"), tuple(line.token(mid, "mid", 64) for mid in mids))

    def __str__(self) -> str:
        return " ".join((self.semantics, *self.mids))
