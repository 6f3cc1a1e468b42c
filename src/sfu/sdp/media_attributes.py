"""SDP attributes about media: directions, payload types, header extensions, streams, simulcast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from sfu.sdp.grammar import Line, excerpt

MAX_SSRC = 2**32 - 1
MAX_SIMULCAST_STREAMS = 16

_RID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Direction(StrEnum):
    """Media direction as the writer of the description sees it (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @staticmethod
    def of(*, sends: bool, receives: bool) -> Direction:
        if sends:
            return Direction.SENDRECV if receives else Direction.SENDONLY
        return Direction.RECVONLY if receives else Direction.INACTIVE

    def reversed(self) -> Direction:
        """The same as the other side sees it."""
        return Direction.of(sends=self.receives, receives=self.sends)


@dataclass(frozen=True, slots=True)
class RtpMapping:
    """RFC 8866 §6.6: ``parameters`` is the channel count of audio, or None."""

    name: ClassVar[str] = "rtpmap"
    pt: int
    encoding: str
    clock_rate_hz: int
    parameters: str | None = None

    @classmethod
    def parse(cls, text: str, line: Line) -> RtpMapping:
        pt, mapping = line.words(text, "rtpmap", 2, 2)
        encoding, slash, rest = mapping.partition("/")
        clock, more, parameters = rest.partition("/")
        if not slash or (more and not parameters):
            raise line.error(f"rtpmap {excerpt(mapping)} is malformed", "encoding/clock rate[/channels]")
        return cls(
            line.integer(pt, "payload type", 0, 127),
            line.token(encoding, "encoding name", 64),
            line.integer(clock, "clock rate", 1, 2**32 - 1),
            line.token(parameters, "encoding parameters", 64) if more else None,
        )

    def __str__(self) -> str:
        tail = "" if self.parameters is None else f"/{self.parameters}"
        return f"{self.pt} {self.encoding}/{self.clock_rate_hz}{tail}"


@dataclass(frozen=True, slots=True)
class FormatParameters:
    """RFC 8866 §6.15 ``fmtp``: ``text`` is kept as it came, ``values`` reads it."""

    name: ClassVar[str] = "fmtp"
    pt: int
    text: str

    @classmethod
    def parse(cls, text: str, line: Line) -> FormatParameters:
        pt, _, parameters = text.partition(" ")
        if not parameters.strip(" "):
            raise line.error("fmtp has no parameters")
        return cls(line.integer(pt, "payload type", 0, 127), parameters.strip(" "))

    @property
    def values(self) -> dict[str, str]:
        """``key=value`` pairs separated by semicolons, keys in lower case; a lone word has the value ``""``."""
        pairs = (part.strip(" ").partition("=") for part in self.text.split(";"))
        return {key.strip(" ").lower(): value.strip(" ") for key, _, value in pairs if key}

    def __str__(self) -> str:
        return f"{self.pt} {self.text}"


@dataclass(frozen=True, slots=True)
class RtcpFeedback:
    """RFC 4585 §4.2; ``pt`` None is ``*``, every payload type of the m-line."""

    name: ClassVar[str] = "rtcp-fb"
    pt: int | None
    feedback: str

    @classmethod
    def parse(cls, text: str, line: Line) -> RtcpFeedback:
        pt, _, feedback = text.partition(" ")
        feedback = feedback.strip(" ")
        if not feedback:
            raise line.error("rtcp-fb names no feedback")
        return cls(None if pt == "*" else line.integer(pt, "payload type", 0, 127), feedback)

    def __str__(self) -> str:
        return f"{'*' if self.pt is None else self.pt} {self.feedback}"


@dataclass(frozen=True, slots=True)
class ExtMap:
    """RFC 8285 §5: a header extension's id; ``direction`` None means that of the m-line."""

    name: ClassVar[str] = "extmap"
    id: int
    uri: str
    direction: Direction | None = None
    attributes: str | None = None

    @classmethod
    def parse(cls, text: str, line: Line) -> ExtMap:
        key, _, rest = text.partition(" ")
        uri, _, attributes = rest.strip(" ").partition(" ")
        number, slash, direction = key.partition("/")
        if not uri:
            raise line.error("extmap names no URI")
        if slash and direction not in set(Direction):
            raise line.error(f"extmap direction {excerpt(direction)} is unknown")
        return cls(
            line.integer(number, "extmap id", 1, 4351),
            uri,
            Direction(direction) if slash else None,
            attributes.strip(" ") or None,
        )

    def __str__(self) -> str:
        key = f"{self.id}/{self.direction}" if self.direction else str(self.id)
        return " ".join((key, self.uri, self.attributes) if self.attributes else (key, self.uri))


@dataclass(frozen=True, slots=True)
class Ssrc:
    """RFC 5576 §4.1: one attribute of one stream."""

    name: ClassVar[str] = "ssrc"
    ssrc: int
    attribute: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str, line: Line) -> Ssrc:
        number, _, rest = text.partition(" ")
        attribute, colon, value = rest.strip(" ").partition(":")
        return cls(
            line.integer(number, "ssrc", 0, MAX_SSRC),
            line.token(attribute, "ssrc attribute"),
            value if colon else None,
        )

    def __str__(self) -> str:
        tail = "" if self.value is None else f":{self.value}"
        return f"{self.ssrc} {self.attribute}{tail}"


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    """RFC 5576 §4.2. FID: a stream and its retransmissions; SIM: simulcast encodings, lowest first."""

    name: ClassVar[str] = "ssrc-group"
    semantics: str
    ssrcs: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, line: Line) -> SsrcGroup:
        semantics, *ssrcs = line.words(text, "ssrc-group", 2, 17)
        return cls(
            line.token(semantics, "ssrc-group semantics"),
            tuple(line.integer(ssrc, "ssrc", 0, MAX_SSRC) for ssrc in ssrcs),
        )

    def __str__(self) -> str:
        return " ".join((self.semantics, *map(str, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class Msid:
    """RFC 8830 §2: MediaStream and track."""

    name: ClassVar[str] = "msid"
    stream_id: str
    track_id: str | None = None

    @classmethod
    def parse(cls, text: str, line: Line) -> Msid:
        stream_id, *track_id = line.words(text, "msid", 1, 2)
        return cls(stream_id, track_id[0] if track_id else None)

    def __str__(self) -> str:
        return self.stream_id if self.track_id is None else f"{self.stream_id} {self.track_id}"


@dataclass(frozen=True, slots=True)
class Rid:
    """RFC 8851 §4. ``direction`` is ``send`` or ``recv``; ``restrictions`` is kept as it came."""

    name: ClassVar[str] = "rid"
    id: str
    direction: str
    restrictions: str | None = None

    @classmethod
    def parse(cls, text: str, line: Line) -> Rid:
        id_, _, rest = text.partition(" ")
        direction, _, restrictions = rest.strip(" ").partition(" ")
        if direction not in ("send", "recv"):
            raise line.error(f"rid direction {excerpt(direction)} is unknown", "send or recv")
        return cls(rid_word(id_, line), direction, restrictions.strip(" ") or None)

    @property
    def limits(self) -> dict[str, str]:
        """``max-width=1280;max-br=…`` as a map."""
        pairs = (part.strip(" ").partition("=") for part in (self.restrictions or "").split(";"))
        return {key.lower(): value for key, _, value in pairs if key}

    def __str__(self) -> str:
        tail = f" {self.restrictions}" if self.restrictions else ""
        return f"{self.id} {self.direction}{tail}"


def rid_word(text: str, line: Line) -> str:
    if not _RID.fullmatch(text):
        raise line.error(f"rid {excerpt(text)} is malformed", "1 to 64 of 0-9 A-Z a-z _ -")
    return text


@dataclass(frozen=True, slots=True)
class SimulcastRid:
    """One alternative of a simulcast stream; ``paused`` is the ``~`` in front."""

    rid: str
    paused: bool = False

    def __str__(self) -> str:
        return f"~{self.rid}" if self.paused else self.rid


SimulcastStreams = tuple[tuple[SimulcastRid, ...], ...]
"""Streams, each with its alternatives in order of preference."""


@dataclass(frozen=True, slots=True)
class Simulcast:
    """RFC 8853 §5.1, as in ``send q;h,h2;~f recv x``."""

    name: ClassVar[str] = "simulcast"
    send: SimulcastStreams = ()
    recv: SimulcastStreams = ()

    @classmethod
    def parse(cls, text: str, line: Line) -> Simulcast:
        words = line.words(text, "simulcast", 2, 4)
        lists: dict[str, SimulcastStreams] = {}
        for direction, streams in zip(words[::2], words[1::2], strict=False):
            if direction not in ("send", "recv") or direction in lists:
                raise line.error(f"simulcast direction {excerpt(direction)} is unexpected", "send and recv, each once")
            lists[direction] = _simulcast_streams(streams, line)
        if len(words) % 2:
            raise line.error("simulcast direction without streams")
        return cls(lists.get("send", ()), lists.get("recv", ()))

    def __str__(self) -> str:
        lists = (("send", self.send), ("recv", self.recv))
        return " ".join(
            f"{word} {';'.join(','.join(map(str, alternatives)) for alternatives in streams)}"
            for word, streams in lists
            if streams
        )


def _simulcast_streams(text: str, line: Line) -> SimulcastStreams:
    streams = text.split(";")
    if len(streams) > MAX_SIMULCAST_STREAMS or text.count(",") > MAX_SIMULCAST_STREAMS:
        raise line.error("simulcast names too many streams", f"at most {MAX_SIMULCAST_STREAMS}")
    return tuple(
        tuple(SimulcastRid(rid_word(word.removeprefix("~"), line), word.startswith("~")) for word in stream.split(","))
        for stream in streams
    )
