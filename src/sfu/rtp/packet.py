"""RTP packets as values (RFC 3550 §5.1): the readable implementation, for the control plane and as oracle in tests.

Media itself never passes here: its stop is ``crates/core/src/rtp``, which differential tests hold equal to this.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from sfu.errors import WireError
from sfu.rtp.extension import Element, parse_elements, serialize_elements

FIXED_HEADER_BYTES = 12
MAX_PACKET_BYTES = 65_527
"""No UDP payload is longer (RFC 768: the length field counts 8 bytes of header)."""

_FIXED = struct.Struct("!BBHLL")


def is_rtcp(datagram: bytes) -> bool:
    """Tells RTCP from RTP on one port (RFC 5761 §4): packet types 192..223 are RTCP's."""
    return len(datagram) >= 2 and 192 <= datagram[1] <= 223


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet, decrypted.

    ::

         0                   1                   2                   3
         0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |V=2|P|X|  CC   |M|     PT      |       sequence number         |
        |                           timestamp                           |
        |           synchronization source (SSRC) identifier            |
        |            contributing source (CSRC) identifiers ...         |
        |      defined by profile       |           length              |  if X
        |                        header extension ...                   |

    ``extensions`` are (id, value) in order. A header extension of a profile other than RFC 8285's is skipped,
    as RFC 3550 §5.3.1 allows. ``padding_size`` counts the padding with its last byte; 0: none.
    """

    pt: int
    seq: int
    timestamp: int
    ssrc: int
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extensions: tuple[Element, ...] = ()
    payload: bytes = b""
    padding_size: int = 0

    @classmethod
    def parse(cls, packet: bytes) -> Self:
        """Raises ``WireError``."""
        if len(packet) > MAX_PACKET_BYTES:
            raise WireError(f"RTP packet has {len(packet)} bytes", f"at most {MAX_PACKET_BYTES}")
        if len(packet) < FIXED_HEADER_BYTES:
            raise WireError(f"RTP packet has {len(packet)} bytes", f"its header has {FIXED_HEADER_BYTES}")
        first, second, seq, timestamp, ssrc = _FIXED.unpack_from(packet)
        if first >> 6 != 2:
            raise WireError(f"RTP version is {first >> 6}, not 2")
        csrc_count = first & 0x0F
        end = FIXED_HEADER_BYTES + 4 * csrc_count
        if len(packet) < end:
            raise WireError(f"RTP packet ends within its {csrc_count} CSRCs")
        csrcs = struct.unpack_from(f"!{csrc_count}L", packet, FIXED_HEADER_BYTES)
        extensions: tuple[Element, ...] = ()
        if first & 0x10:
            if len(packet) < end + 4:
                raise WireError("RTP packet ends within the head of its header extension")
            profile, words = struct.unpack_from("!HH", packet, end)
            start, end = end + 4, end + 4 + 4 * words
            if len(packet) < end:
                raise WireError(f"RTP packet ends within its header extension of {4 * words} bytes")
            extensions = parse_elements(profile, packet[start:end])
        padding_size = 0
        if first & 0x20:
            padding_size = packet[-1]
            if not 0 < padding_size <= len(packet) - end:
                raise WireError(f"RTP padding of {padding_size} bytes does not fit {len(packet) - end} of payload")
        payload = packet[end : len(packet) - padding_size]
        return cls(second & 0x7F, seq, timestamp, ssrc, bool(second & 0x80), csrcs, extensions, payload, padding_size)

    def __bytes__(self) -> bytes:
        """ValueError (``struct.error`` for the fixed fields) when a field is out of its range."""
        if len(self.csrcs) > 15 or not 0 <= self.pt <= 127 or not 0 <= self.padding_size <= 255:
            raise ValueError("RTP packet has more than 15 CSRCs, a payload type over 127 or padding over 255")
        head = b""
        if self.extensions:
            profile, data = serialize_elements(self.extensions)
            head = struct.pack("!HH", profile, len(data) // 4) + data
        first = 0x80 | (self.padding_size > 0) << 5 | bool(self.extensions) << 4 | len(self.csrcs)
        second = self.marker << 7 | self.pt
        fixed = _FIXED.pack(first, second, self.seq, self.timestamp, self.ssrc)
        padding = bytes(self.padding_size - 1) + bytes([self.padding_size]) if self.padding_size else b""
        return fixed + struct.pack(f"!{len(self.csrcs)}L", *self.csrcs) + head + self.payload + padding

    def extension(self, id_: int) -> bytes | None:
        """The first element with this id."""
        return next((value for element, value in self.extensions if element == id_), None)
