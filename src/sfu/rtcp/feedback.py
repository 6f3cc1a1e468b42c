"""Feedback messages: NACK and PLI (RFC 4585 §6), FIR (RFC 5104 §4.3.1), REMB (draft-alvestrand-rmcat-remb-03).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                  SSRC of packet sender                        |
    |                  SSRC of media source                         |
    :            feedback control information (FCI)                 :

    NACK  |       PID (packet id)         |  BLP (bitmask of 16 lost)     |
    FIR   |                             SSRC                              |
          | Seq nr.       |    Reserved                                   |
    REMB  |  Unique identifier 'R' 'E' 'M' 'B'                            |
          |  Num SSRC     | BR Exp    |  BR Mantissa                      |
          |   SSRC feedback                                               |
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from sfu.errors import WireError
from sfu.rtcp.wire import RawPacket

TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

_SSRCS = struct.Struct("!LL")
_MAX_MANTISSA = (1 << 18) - 1
MAX_BITRATE_BPS = (1 << 64) - 1
"""Larger ones, which the wire could carry, are read as this."""


def _ssrcs(packet: RawPacket, what: str) -> tuple[int, int]:
    if len(packet.body) < _SSRCS.size:
        raise WireError(f"{what} has {len(packet.body)} bytes", f"its head has {_SSRCS.size}")
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(packet.body)
    return sender_ssrc, media_ssrc


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets that did not arrive. Written with as few (PID, BLP) pairs as their order allows."""

    TYPE: ClassVar[int] = TRANSPORT_FEEDBACK
    FMT: ClassVar[int] = 1
    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        sender_ssrc, media_ssrc = _ssrcs(packet, "NACK")
        if len(packet.body) == _SSRCS.size:
            raise WireError("NACK names no packet", "at least one PID and BLP")
        lost: list[int] = []
        for pid, blp in struct.iter_unpack("!HH", packet.body[_SSRCS.size :]):
            lost.append(pid)
            lost += [(pid + bit + 1) & 0xFFFF for bit in range(16) if blp >> bit & 1]
        return cls(sender_ssrc, media_ssrc, tuple(lost))

    def __bytes__(self) -> bytes:
        pairs = b"".join(struct.pack("!HH", pid, blp) for pid, blp in nack_pairs(self.lost))
        return bytes(RawPacket(self.TYPE, self.FMT, _SSRCS.pack(self.sender_ssrc, self.media_ssrc) + pairs))


def nack_pairs(lost: Iterable[int]) -> list[tuple[int, int]]:
    """(PID, BLP) pairs for sequence numbers in rising order, wraps included."""
    pairs: list[tuple[int, int]] = []
    for seq in lost:
        distance = (seq - pairs[-1][0] - 1) & 0xFFFF if pairs else 0xFFFF
        if distance < 16:
            pid, blp = pairs[-1]
            pairs[-1] = (pid, blp | 1 << distance)
        else:
            pairs.append((seq, 0))
    return pairs


@dataclass(frozen=True, slots=True)
class PictureLossIndication:
    TYPE: ClassVar[int] = PAYLOAD_FEEDBACK
    FMT: ClassVar[int] = 1
    sender_ssrc: int
    media_ssrc: int

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        return cls(*_ssrcs(packet, "PLI"))

    def __bytes__(self) -> bytes:
        return bytes(RawPacket(self.TYPE, self.FMT, _SSRCS.pack(self.sender_ssrc, self.media_ssrc)))


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """``requests`` are (ssrc, command sequence number); the media SSRC of the head is unused, 0."""

    TYPE: ClassVar[int] = PAYLOAD_FEEDBACK
    FMT: ClassVar[int] = 4
    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]
    media_ssrc: int = 0

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        sender_ssrc, media_ssrc = _ssrcs(packet, "FIR")
        entries = packet.body[_SSRCS.size :]
        if len(entries) < _SSRCS.size:
            raise WireError("FIR names no stream", "at least one SSRC and sequence number")
        whole = entries[: len(entries) - len(entries) % _SSRCS.size]
        requests = tuple((ssrc, rest >> 24) for ssrc, rest in _SSRCS.iter_unpack(whole))
        return cls(sender_ssrc, requests, media_ssrc)

    def __bytes__(self) -> bytes:
        entries = b"".join(_SSRCS.pack(ssrc, seq << 24) for ssrc, seq in self.requests)
        return bytes(RawPacket(self.TYPE, self.FMT, _SSRCS.pack(self.sender_ssrc, self.media_ssrc) + entries))


@dataclass(frozen=True, slots=True)
class ReceiverEstimatedBitrate:
    """REMB. The wire holds 18 significant bits: writing rounds ``bitrate_bps`` down."""

    TYPE: ClassVar[int] = PAYLOAD_FEEDBACK
    FMT: ClassVar[int] = 15
    NAME: ClassVar[bytes] = b"REMB"
    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...] = ()
    media_ssrc: int = 0

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        sender_ssrc, media_ssrc = _ssrcs(packet, "REMB")
        if packet.body[8:12] != cls.NAME or len(packet.body) < 16:
            raise WireError("application layer feedback is not REMB")
        count, rate = packet.body[12], int.from_bytes(packet.body[13:16])
        if len(packet.body) < 16 + 4 * count:
            raise WireError(f"REMB of {count} streams has {len(packet.body)} bytes", f"{16 + 4 * count} are expected")
        bitrate_bps = min((rate & _MAX_MANTISSA) << (rate >> 18), MAX_BITRATE_BPS)
        ssrcs = struct.unpack_from(f"!{count}L", packet.body, 16)
        return cls(sender_ssrc, bitrate_bps, ssrcs, media_ssrc)

    def __bytes__(self) -> bytes:
        exponent = max(0, self.bitrate_bps.bit_length() - 18)
        rate = exponent << 18 | self.bitrate_bps >> exponent
        head = _SSRCS.pack(self.sender_ssrc, self.media_ssrc) + self.NAME + bytes([len(self.ssrcs)]) + rate.to_bytes(3)
        return bytes(RawPacket(self.TYPE, self.FMT, head + struct.pack(f"!{len(self.ssrcs)}L", *self.ssrcs)))
