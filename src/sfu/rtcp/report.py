"""Sender and receiver reports (RFC 3550 §6.4).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                         SSRC of sender                        |
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                      NTP timestamp (64 bits)                  |  sender
    |                         RTP timestamp                         |  reports
    |                     sender's packet count                     |  only
    |                      sender's octet count                     |
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                 SSRC_1 (SSRC of first source)                 |  report
    | fraction lost |       cumulative number of packets lost       |  blocks
    |           extended highest sequence number received           |
    |                      interarrival jitter                      |
    |                         last SR (LSR)                         |
    |                   delay since last SR (DLSR)                  |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from sfu.errors import WireError
from sfu.rtcp.wire import RawPacket
from sfu.rtp.stats import MAX_LOST, MIN_LOST, ReceptionReport

_BLOCK = struct.Struct("!LLLLLL")
_SENDER_INFO = struct.Struct("!LQLLL")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one stream is received. ``lost`` is signed, ``fraction_lost`` in 1/256, ``dlsr`` in 1/65,536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int

    @classmethod
    def of(cls, ssrc: int, report: ReceptionReport, *, lsr: int = 0, dlsr: int = 0) -> Self:
        return cls(ssrc, report.fraction_lost, report.lost, report.highest_seq, report.jitter, lsr, dlsr)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        ssrc, loss, highest_seq, jitter, lsr, dlsr = _BLOCK.unpack(data)
        lost = (loss & 0xFF_FFFF) - ((loss & 0x80_0000) << 1)
        return cls(ssrc, loss >> 24, lost, highest_seq, jitter, lsr, dlsr)

    def __bytes__(self) -> bytes:
        if not MIN_LOST <= self.lost <= MAX_LOST or not 0 <= self.fraction_lost <= 255:
            raise ValueError(f"lost {self.lost} does not fit 24 bits, or fraction {self.fraction_lost} 8 bits")
        loss = self.fraction_lost << 24 | self.lost & 0xFF_FFFF
        return _BLOCK.pack(self.ssrc, loss, self.highest_seq, self.jitter, self.lsr, self.dlsr)


def _parse_blocks(packet: RawPacket, start: int, what: str) -> tuple[ReportBlock, ...]:
    """Report blocks; what follows them is an extension of a profile that we do not have (RFC 3550 §6.4.3)."""
    end = start + _BLOCK.size * packet.count
    if len(packet.body) < end:
        raise WireError(f"{what} of {packet.count} blocks has {len(packet.body)} bytes", f"{end} are expected")
    return tuple(ReportBlock.parse(packet.body[at : at + _BLOCK.size]) for at in range(start, end, _BLOCK.size))


@dataclass(frozen=True, slots=True)
class SenderReport:
    """``ntp`` is the 64-bit timestamp of the same instant as ``rtp_timestamp``."""

    TYPE: ClassVar[int] = 200
    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    blocks: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        blocks = _parse_blocks(packet, _SENDER_INFO.size, "sender report")
        ssrc, ntp, rtp_timestamp, packet_count, octet_count = _SENDER_INFO.unpack_from(packet.body)
        return cls(ssrc, ntp, rtp_timestamp, packet_count, octet_count, blocks)

    def __bytes__(self) -> bytes:
        info = _SENDER_INFO.pack(self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count)
        return bytes(RawPacket(self.TYPE, len(self.blocks), info + b"".join(map(bytes, self.blocks))))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    TYPE: ClassVar[int] = 201
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        blocks = _parse_blocks(packet, 4, "receiver report")
        return cls(int.from_bytes(packet.body[:4]), blocks)

    def __bytes__(self) -> bytes:
        body = self.ssrc.to_bytes(4) + b"".join(map(bytes, self.blocks))
        return bytes(RawPacket(self.TYPE, len(self.blocks), body))
