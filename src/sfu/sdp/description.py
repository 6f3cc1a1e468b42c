"""A session description as a value: RFC 8866 with what WebRTC needs (RFC 8829), both ways.

``SessionDescription.parse(text)`` and ``str(description)`` are inverse: parsing what was serialized gives an
equal value, and attributes keep their order, known or not. What a description *means* is ``negotiate``'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self, TypeVar

from sfu.rtp import codecs
from sfu.sdp.attributes import (
    OWN,
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
from sfu.sdp.grammar import MAX_SECTION_LINES, Line, SdpError, parse_line, split_rows

MAX_MEDIA = 128
"""Our largest offer has 4 + 3 + 49 m-lines."""
MAX_FORMATS = 128

READ_BEFORE, LONGEST_KEPT = 256, 8_192
"""A browser says the same of its codecs in every m-line and every session. So many different texts of it are
remembered, those that are no longer than that: some 8 MB whatever clients say.
"""
_OWN_ROWS = ("a=mid:", *(f"a={name}" for name in OWN))
"""Rows of an m-line that say whose it is, not what it can do."""

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
        for attribute in self.attributes:
            if isinstance(attribute, kind):
                return attribute
        return None

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
    """One m-line and what follows it. ``formats`` are payload types where ``is_rtp``.

    ``shared`` is what it says but for whose it is, where that is known, and ``_text`` all of it, where that was put
    together; neither outlives ``replace``.
    """

    kind: str = "audio"
    port: int = 9
    ports: int | None = None
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ()
    headers: tuple[Header, ...] = ()
    shared: Shared | None = field(default=None, init=False, compare=False, repr=False)
    _text: str | None = field(default=None, init=False, compare=False, repr=False)

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
        if "RTP" in protocol.split("/"):
            formats = [str(head.integer(format_, "payload type", 0, 127)) for format_ in formats]
            if len(set(formats)) != len(formats):
                raise head.error("a payload type appears twice")
        headers, attributes = _split_section(rest, _MEDIA_HEADERS)
        return cls(
            attributes,
            head.token(kind, "media kind", 64),
            head.integer(number, "port", 0, 65535),
            head.integer(count, "number of ports", 1, 65535) if slash else None,
            protocol,
            tuple(formats),
            headers,
        )

    def __str__(self) -> str:
        return self._text if self._text is not None else self.head + text_of(self.attributes)

    @property
    def head(self) -> str:
        """What comes before the attributes."""
        port = str(self.port) if self.ports is None else f"{self.port}/{self.ports}"
        return _join(f"m={self.kind} {port} {self.protocol} {' '.join(self.formats)}", *map(str, self.headers))


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What an m-line says but for whose it is: ``media`` without those attributes, and its text before and after them
    where they come first. Many m-lines of many descriptions have the same one, so that what follows from it is worked
    out once; compared by identity.
    """

    media: MediaDescription
    head: str
    rest: str

    @classmethod
    def of(cls, media: MediaDescription) -> Self:
        """All that ``media`` says."""
        return cls(media, media.head, text_of(media.attributes))

    def with_own(self, places: Sequence[int], own: Sequence[Attribute]) -> MediaDescription:
        """A whole m-line: ``own`` attributes at these places of it, which rise."""
        attributes = list(self.media.attributes)
        for place, attribute in zip(places, own, strict=True):
            attributes.insert(place, attribute)
        return self._whole(tuple(attributes))

    def led_by(self, own: Sequence[Attribute], text: str) -> MediaDescription:
        """A whole m-line: ``own`` attributes, whose ``text_of`` is ``text``, come first."""
        return self._whole((*own, *self.media.attributes), f"{self.head}{text}{self.rest}")

    def _whole(self, attributes: tuple[Attribute, ...], text: str | None = None) -> MediaDescription:
        media = self.media
        whole = MediaDescription(
            attributes, media.kind, media.port, media.ports, media.protocol, media.formats, media.headers
        )
        object.__setattr__(whole, "shared", self)
        object.__setattr__(whole, "_text", text)
        return whole


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
        rows = split_rows(text)
        starts = [index for index, row in enumerate(rows) if row.startswith("m=")]
        if len(starts) > MAX_MEDIA:
            raise parse_line(starts[MAX_MEDIA] + 1, rows[starts[MAX_MEDIA]]).error(f"more than {MAX_MEDIA} m-lines")
        head = _lines(rows, 0, starts[0] if starts else len(rows))
        if rows[0] != "v=0":
            raise parse_line(1, rows[0]).error("a description starts with v=0")
        if len(head) < 3 or head[1].type != "o" or head[2].type != "s":
            raise head[min(len(head) - 1, 2)].error("o= and s= must follow v=0")
        headers, attributes = _split_section(head[3:], _SESSION_HEADERS)
        seen: dict[str, Attribute] = {}
        media = tuple(_parse_media(rows, start, end, seen) for start, end in itertools.pairwise([*starts, len(rows)]))
        _check_mids(media, starts)
        return cls(attributes, Origin.parse(head[1]), head[2].value, headers, media)

    @property
    def bundle(self) -> tuple[str, ...]:
        """mids of the first BUNDLE group."""
        return next((group.mids for group in self.all(Group) if group.semantics == "BUNDLE"), ())

    def __str__(self) -> str:
        head = ("v=0", f"o={self.origin}", f"s={self.name}", *map(str, self.headers))
        return "".join((_join(*head), text_of(self.attributes), *map(str, self.media)))


def text_of(attributes: Iterable[Attribute]) -> str:
    """Their lines."""
    return _join(*map(serialize_attribute, attributes))


def _join(*lines: str) -> str:
    return "\r\n".join((*lines, ""))


def _lines(rows: Sequence[str], start: int, end: int) -> list[Line]:
    return [parse_line(number, row) for number, row in enumerate(rows[start:end], start + 1)]


def _parse_media(rows: list[str], start: int, end: int, seen: dict[str, Attribute]) -> MediaDescription:
    """The m-line of these rows. What it says of codecs has mostly been read before; ``seen`` are own attributes that
    stand in every m-line of the description.
    """
    section = rows[start:end]
    own = [number for number, row in enumerate(section) if row.startswith(_OWN_ROWS)]
    common = section.copy()
    for number in reversed(own):
        del common[number]
    text = "\n".join(common)
    if end - start > MAX_SECTION_LINES or len(text) > LONGEST_KEPT:
        return MediaDescription.parse(_lines(rows, start, end))
    try:
        shared = _read_shared(text)
    except SdpError:
        return MediaDescription.parse(_lines(rows, start, end))  # anew, so that the error blames its line
    first = 1 + len(shared.media.headers)
    if any(row.startswith("a=") for row in section[:first]):
        return MediaDescription.parse(_lines(rows, start, end))  # headers among the attributes: hardly anybody does so
    for number in own:
        row = section[number]
        if row not in seen:
            seen[row] = parse_attribute(parse_line(start + number + 1, row))
    return shared.with_own([number - first for number in own], [seen[section[number]] for number in own])


@lru_cache(maxsize=READ_BEFORE)
def _read_shared(text: str) -> Shared:
    rows = text.split("\n")
    return Shared.of(MediaDescription.parse(_lines(rows, 0, len(rows))))


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


def _check_mids(media: tuple[MediaDescription, ...], starts: list[int]) -> None:
    """A mid names one m-line (RFC 5888 §9.2)."""
    seen: set[str] = set()
    for section, start in zip(media, starts, strict=True):
        mid = section.mid
        if mid is not None and mid in seen:
            raise SdpError(f"mid {mid!r} names two m-lines", line=start + 1)
        if mid is not None:
            seen.add(mid)
