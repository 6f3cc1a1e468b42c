"""The head that all RTCP packets share (RFC 3550 §6.1).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|  count  |      PT       |             length            |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sfu.errors import WireError

HEAD_BYTES = 4
MAX_COUNT = 31

_HEAD = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class RawPacket:
    """One packet of a compound, its kind not looked at. ``count`` is a number of things, or a feedback's FMT."""

    type: int
    count: int
    body: bytes

    def __bytes__(self) -> bytes:
        """ValueError when the body is not whole words, or too long."""
        words, rest = divmod(len(self.body), 4)
        if rest or words > 0xFFFF or not 0 <= self.count <= MAX_COUNT:
            raise ValueError(f"RTCP body of {len(self.body)} bytes with count {self.count} cannot be written")
        return _HEAD.pack(2 << 6 | self.count, self.type, words) + self.body


def split_compound(datagram: bytes) -> list[RawPacket]:
    """The packets of a datagram, padding removed.

    RFC 3550 §6.4.1 wants it in fours and on the last packet alone; libwebrtc pads transport-wide feedback by one to
    three bytes, and may put several into a datagram.
    """
    if not datagram:
        raise WireError("RTCP datagram is empty")
    packets: list[RawPacket] = []
    position = 0
    while position < len(datagram):
        if len(datagram) < position + HEAD_BYTES:
            raise WireError(f"RTCP packet has {len(datagram) - position} bytes", f"its head has {HEAD_BYTES}")
        first, type_, words = _HEAD.unpack_from(datagram, position)
        if first >> 6 != 2:
            raise WireError(f"RTCP version is {first >> 6}, not 2")
        start, position = position + HEAD_BYTES, position + HEAD_BYTES + 4 * words
        if position > len(datagram):
            raise WireError(f"RTCP packet of {4 * words} bytes ends after {len(datagram) - start}")
        body = datagram[start:position]
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise WireError("RTCP padding does not fit its packet")
            body = body[: -body[-1]]
        packets.append(RawPacket(type_, first & 0x1F, body))
    return packets
