"""A session description as a value: RFC 8866 with what WebRTC needs (RFC 8829), both ways.

``SessionDescription.parse(text)`` and ``str(description)`` are inverse: parsing what was serialized gives an
equal value, and attributes keep their order, known or not. What a description *means* is ``negotiate``'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from sfu.rtp import codecs
from sfu.sdp.attributes import (
    Attribute,
    Direction,
    Fingerprint,
    Group,
    IceOptions,
    IcePwd,
    IceUfrag,
    Mid,
    Plain,
    Setup,
    SetupRole,
    parse_attribute,
    serialize_attribute,
)
from sfu.sdp.grammar import MAX_SECTION_LINES, Line, SdpError, split_lines

MAX_MEDIA = 128
"""Our largest offer has 4 + 3 + 49 m-lines."""
MAX_FORMATS = 128

_SESSION_HEADERS = frozenset("iuepcbtrzk")
_MEDIA_HEADERS = frozenset("icbk")

AttributeT = TypeVar("AttributeT", bound=Attribute)


@dataclass(frozen=True, slots=True)
class Header:
    """A line other than v, o, s, m and a, kept as it came (``c=``, ``t=``, ``b=`` …)."""

    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.type}={self.value}"


@dataclass(frozen=True, slots=True)
class Origin:
    """RFC 8866 §5.2."""

    username: str
    session_id: int
    version: int
    nettype: str = "IN"
    addrtype: str = "IP4"
    address: str = "127.0.0.1"

    @classmethod
    def parse(cls, line: Line) -> Self:
        username, session_id, version, *address = line.words(line.value, "origin", 6, 6)
        return cls(
            username,
            line.integer(session_id, "session id", 0, 2**64 - 1),
            line.integer(version, "session version", 0, 2**64 - 1),
            *address,
        )

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {self.nettype} {self.addrtype} {self.address}"


@dataclass(frozen=True, slots=True)
class _Section:
    """What the session part and an m-line have in common. Order of ``attributes`` is the text's."""

    attributes: tuple[Attribute, ...] = ()

    def all(self, kind: type[AttributeT]) -> Iterator[AttributeT]:
        """Attributes of one type, in order."""
        return (attribute for attribute in self.attributes if isinstance(attribute, kind))

    def first(self, kind: type[AttributeT]) -> AttributeT | None:
        return next(self.all(kind), None)

    def has(self, flag: str) -> bool:
        """Whether there is a plain attribute ``a=flag``, with or without a value."""
        return any(isinstance(attribute, Plain) and attribute.name == flag for attribute in self.attributes)

    def values(self, name: str) -> tuple[str, ...]:
        """Values of the plain attribute ``name``."""
        plain = (attribute for attribute in self.all(Plain) if attribute.name == name)
        return tuple(attribute.value for attribute in plain if attribute.value is not None)

    @property
    def ufrag(self) -> str | None:
        found = self.first(IceUfrag)
        return found.value if found else None

    @property
    def pwd(self) -> str | None:
        found = self.first(IcePwd)
        return found.value if found else None

    @property
    def ice_options(self) -> tuple[str, ...]:
        found = self.first(IceOptions)
        return found.options if found else ()

    @property
    def fingerprints(self) -> tuple[codecs.Fingerprint, ...]:
        return tuple(attribute.fingerprint for attribute in self.all(Fingerprint))

    @property
    def setup(self) -> SetupRole | None:
        found = self.first(Setup)
        return found.role if found else None

    @property
    def direction(self) -> Direction | None:
        """The last direction attribute, None when there is none (sendrecv is the default)."""
        flags = [attribute.name for attribute in self.all(Plain) if attribute.name in set(Direction)]
        return Direction(flags[-1]) if flags else None


@dataclass(frozen=True, slots=True)
class MediaDescription(_Section):
    """One m-line and what follows it. ``formats`` are payload types where ``is_rtp``."""

    kind: str = "audio"
    port: int = 9
    ports: int | None = None
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()

    @property
    def is_rtp(self) -> bool:
        return "RTP" in self.protocol.split("/")

    @property
    def payload_types(self) -> tuple[int, ...]:
        return tuple(int(format_) for format_ in self.formats) if self.is_rtp else ()

    @property
    def mid(self) -> str | None:
        found = self.first(Mid)
        return found.mid if found else None

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.values("candidate")

    @classmethod
    def parse(cls, lines: list[Line]) -> Self:
        """From the m-line and the lines up to the next one."""
        head, *rest = lines
        kind, port, protocol, *formats = head.words(head.value, "m-line", 4, 3 + MAX_FORMATS)
        number, slash, count = port.partition("/")
        for part in protocol.split("/"):
            head.token(part, "protocol")
        headers, attributes = _split_section(rest, _MEDIA_HEADERS)
        media = cls(
            attributes,
            head.token(kind, "media kind", 64),
            head.integer(number, "port", 0, 65535),
            head.integer(count, "number of ports", 1, 65535) if slash else None,
            protocol,
            tuple(formats),
            headers,
        )
        if media.is_rtp:
            canonical = tuple(str(head.integer(format_, "payload type", 0, 127)) for format_ in formats)
            if len(set(canonical)) != len(canonical):
                raise head.error("a payload type appears twice")
            media = replace(media, formats=canonical)
        return media

    def __str__(self) -> str:
        port = str(self.port) if self.ports is None else f"{self.port}/{self.ports}"
        head = f"m={self.kind} {port} {self.protocol} {' '.join(self.formats)}"
        return _join(head, *map(str, self.headers), *map(serialize_attribute, self.attributes))


@dataclass(frozen=True, slots=True)
class SessionDescription(_Section):
    """A whole description. Build one with keyword arguments, or ``parse`` it."""

    origin: Origin = Origin("-", 0, 0)
    name: str = "-"
    headers: tuple[Header, ...] = (Header("t", "0 0"),)
    media: tuple[MediaDescription, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ``SdpError``, which names the line."""
        lines = split_lines(text)
        starts = [index for index, line in enumerate(lines) if line.type == "m"]
        if len(starts) > MAX_MEDIA:
            raise lines[starts[MAX_MEDIA]].error(f"more than {MAX_MEDIA} m-lines")
        head = lines[: starts[0]] if starts else lines
        if (lines[0].type, lines[0].value) != ("v", "0"):
            raise lines[0].error("a description starts with v=0")
        if len(head) < 3 or head[1].type != "o" or head[2].type != "s":
            raise head[min(len(head) - 1, 2)].error("o= and s= must follow v=0")
        headers, attributes = _split_section(head[3:], _SESSION_HEADERS)
        media = tuple(
            MediaDescription.parse(lines[start:end]) for start, end in itertools.pairwise([*starts, len(lines)])
        )
        _check_mids(media, [lines[start] for start in starts])
        return cls(attributes, Origin.parse(head[1]), head[2].value, headers, media)

    @property
    def bundle(self) -> tuple[str, ...]:
        """mids of the first BUNDLE group."""
        return next((group.mids for group in self.all(Group) if group.semantics == "BUNDLE"), ())

    def __str__(self) -> str:
        head = ("v=0", f"o={self.origin}", f"s={self.name}", *map(str, self.headers))
        return _join(*head, *map(serialize_attribute, self.attributes)) + "".join(map(str, self.media))


def _join(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _split_section(lines: list[Line], headers: frozenset[str]) -> tuple[tuple[Header, ...], tuple[Attribute, ...]]:
    """Headers and attributes; they may be mixed, as some clients do."""
    if len(lines) > MAX_SECTION_LINES:
        raise lines[MAX_SECTION_LINES].error(f"more than {MAX_SECTION_LINES} lines in one section")
    found: list[Header] = []
    attributes: list[Attribute] = []
    for line in lines:
        if line.type == "a":
            attributes.append(parse_attribute(line))
        elif line.type in headers:
            found.append(Header(line.type, line.value))
        else:
            raise line.error(f"{line.type}= is not expected here")
    return tuple(found), tuple(attributes)


def _check_mids(media: tuple[MediaDescription, ...], heads: list[Line]) -> None:
    """A mid names one m-line (RFC 5888 §9.2)."""
    seen: set[str] = set()
    for section, head in zip(media, heads, strict=True):
        mid = section.mid
        if mid is not None and mid in seen:
            raise SdpError(f"mid {mid!r} names two m-lines", line=head.number)
        if mid is not None:
            seen.add(mid)
