"""Recorded RTP streams: files in the form of rtpdump (a line of text, 16 bytes, each packet with 8 bytes before it).

What tests/vectors/streams has was written by ``record_streams.py``. Header extensions were cut to the dependency
descriptor, under ``DEPENDENCY_DESCRIPTOR``, and SSRCs are 1000, 1001, … from the lowest encoding on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sfu.rtp.packet import RtpPacket

FOLDER = Path(__file__).parent.parent / "vectors" / "streams"
DEPENDENCY_DESCRIPTOR = 9
FIRST_SSRC = 1000
PTS = {"vp8": 96, "vp9": 98, "h264": 102, "av1": 108}

_LINE = b"#!rtpplay1.0 127.0.0.1/5004\n"
_FILE_HEAD, _PACKET_HEAD = struct.Struct("!LLLHH"), struct.Struct("!HHL")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A packet, and when it came, in milliseconds from the first one."""

    ms: int
    packet: RtpPacket

    @property
    def encoding(self) -> int:
        """0: the lowest."""
        return self.packet.ssrc - FIRST_SSRC


def load(name: str) -> list[Recorded]:
    """A recording of ``FOLDER``."""
    data = (FOLDER / f"{name}.rtpdump").read_bytes()
    assert data.startswith(_LINE), f"{name} is no rtpdump"
    recorded, position = [], len(_LINE) + _FILE_HEAD.size
    while position < len(data):
        length, packet_bytes, ms = _PACKET_HEAD.unpack_from(data, position)
        start = position + _PACKET_HEAD.size
        recorded.append(Recorded(ms, RtpPacket.parse(data[start : start + packet_bytes])))
        position += length
    return recorded


def save(name: str, recorded: Iterable[Recorded]) -> Path:
    """Writes a recording of ``FOLDER``."""
    parts = [_LINE, _FILE_HEAD.pack(0, 0, 0, 0, 0)]
    for entry in recorded:
        packet = bytes(entry.packet)
        parts += [_PACKET_HEAD.pack(len(packet) + _PACKET_HEAD.size, len(packet), entry.ms), packet]
    path = FOLDER / f"{name}.rtpdump"
    path.write_bytes(b"".join(parts))
    return path
