"""RTP header extensions (RFC 8285): elements, and the values that WebRTC puts into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sfu.errors import WireError

ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000
"""Its low four bits are "appbits" (RFC 8285 §4.3) and mean nothing here."""
MAX_SDES_BYTES = 32
"""Longest mid or rid that is looked at; browsers use one to three characters."""

Element = tuple[int, bytes]
"""(id, value)"""


def parse_elements(profile: int, data: bytes) -> tuple[Element, ...]:
    """Elements of a header extension, without its four bytes of head.

    Ends early, without an error, at the first malformed element: what came before it is still good, as RFC
    8285 §4.2 says for id 15. A profile that is not RFC 8285's has no elements.
    """
    if profile == ONE_BYTE_PROFILE:
        head_bytes = 1
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        head_bytes = 2
    else:
        return ()
    elements: list[Element] = []
    position = 0
    while position < len(data):
        first = data[position]
        if first == 0:  # padding between elements
            position += 1
            continue
        if head_bytes == 1:
            id_, length = first >> 4, (first & 0x0F) + 1
            if id_ in (0, 15):
                break
        elif position + 1 < len(data):
            id_, length = first, data[position + 1]
        else:
            break
        start = position + head_bytes
        position = start + length
        if position > len(data):
            break
        elements.append((id_, data[start:position]))
    return tuple(elements)


def serialize_elements(elements: Sequence[Element]) -> tuple[int, bytes]:
    """(profile, data padded to words), in one-byte form when all fit it. ValueError when an element fits neither."""
    if all(1 <= id_ <= 14 and 1 <= len(value) <= 16 for id_, value in elements):
        profile, data = ONE_BYTE_PROFILE, b"".join(bytes([id_ << 4 | len(v) - 1]) + v for id_, v in elements)
    elif all(1 <= id_ <= 255 and len(value) <= 255 for id_, value in elements):
        profile, data = TWO_BYTE_PROFILE, b"".join(bytes([id_, len(v)]) + v for id_, v in elements)
    else:
        raise ValueError("an extension element needs an id in 1..255 and at most 255 bytes")
    return profile, data + bytes(-len(data) % 4)


def parse_sdes_text(value: bytes) -> str:
    """A mid, rid or repaired-rid (RFC 9143 §15, RFC 8852 §3): printable ASCII of 1 to ``MAX_SDES_BYTES``."""
    if not 1 <= len(value) <= MAX_SDES_BYTES or not all(0x21 <= byte <= 0x7E for byte in value):
        raise WireError("mid or rid is not 1 to 32 printable ASCII characters")
    return value.decode("ascii")


def _fixed(value: bytes, size: int, what: str) -> bytes:
    """The first ``size`` bytes: a longer value may come from a later version of its format."""
    if len(value) < size:
        raise WireError(f"{what} has {len(value)} bytes", f"{size} are expected")
    return value[:size]


@dataclass(frozen=True, slots=True)
class AudioLevel:
    """RFC 6464 §3. ``level_dbov`` counts down from the loudest, 0, to silence, 127."""

    is_voice: bool
    level_dbov: int

    @classmethod
    def parse(cls, value: bytes) -> Self:
        (byte,) = _fixed(value, 1, "audio level")
        return cls(bool(byte & 0x80), byte & 0x7F)

    def __bytes__(self) -> bytes:
        return bytes([self.is_voice << 7 | self.level_dbov])


@dataclass(frozen=True, slots=True)
class AbsSendTime:
    """Departure time, 6.18 fixed point seconds in 24 bits; wraps every 64 s."""

    ticks: int

    @classmethod
    def parse(cls, value: bytes) -> Self:
        return cls(int.from_bytes(_fixed(value, 3, "abs-send-time")))

    @classmethod
    def from_us(cls, time_us: int) -> Self:
        """Of a time of any epoch."""
        whole, fraction_us = divmod(time_us, 1_000_000)
        return cls((whole & 0x3F) << 18 | (fraction_us << 18) // 1_000_000)

    @property
    def us(self) -> int:
        """Microseconds within the current 64 s."""
        return (self.ticks * 1_000_000) >> 18

    def __bytes__(self) -> bytes:
        return self.ticks.to_bytes(3)


@dataclass(frozen=True, slots=True)
class VideoOrientation:
    """3GPP TS 26.114 §7.4.5. ``quarter_turns`` clockwise are what the receiver must apply."""

    is_back_camera: bool = False
    is_flipped: bool = False
    quarter_turns: int = 0

    @classmethod
    def parse(cls, value: bytes) -> Self:
        (byte,) = _fixed(value, 1, "video orientation")
        return cls(bool(byte & 8), bool(byte & 4), byte & 3)

    def __bytes__(self) -> bytes:
        return bytes([self.is_back_camera << 3 | self.is_flipped << 2 | self.quarter_turns])


@dataclass(frozen=True, slots=True)
class PlayoutDelay:
    """Limits of the receiver's playout delay, in units of 10 ms on the wire, 0..40,950 ms here."""

    min_ms: int
    max_ms: int

    @classmethod
    def parse(cls, value: bytes) -> Self:
        both = int.from_bytes(_fixed(value, 3, "playout delay"))
        return cls((both >> 12) * 10, (both & 0xFFF) * 10)

    def __bytes__(self) -> bytes:
        return ((self.min_ms // 10) << 12 | self.max_ms // 10).to_bytes(3)


@dataclass(frozen=True, slots=True)
class AbsCaptureTime:
    """NTP time of capture, 64 bits; with the capturer's clock offset to the sender, signed Q32.32, or None."""

    ntp: int
    clock_offset: int | None = None

    @classmethod
    def parse(cls, value: bytes) -> Self:
        ntp = int.from_bytes(_fixed(value, 8, "abs-capture-time"))
        return cls(ntp, int.from_bytes(value[8:16], signed=True) if len(value) >= 16 else None)

    def __bytes__(self) -> bytes:
        offset = b"" if self.clock_offset is None else self.clock_offset.to_bytes(8, signed=True)
        return self.ntp.to_bytes(8) + offset


def parse_transport_seq(value: bytes) -> int:
    """The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2)."""
    return int.from_bytes(_fixed(value, 2, "transport-wide sequence number"))
