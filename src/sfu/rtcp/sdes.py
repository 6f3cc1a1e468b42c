"""Source descriptions and goodbyes (RFC 3550 §6.5, §6.6).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                          SSRC/CSRC_1                          |  chunk 1
    |    item type  |     length    |  text ...     | 0, padding    |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from sfu.errors import WireError
from sfu.rtcp.wire import RawPacket

CNAME = 1


@dataclass(frozen=True, slots=True)
class SdesChunk:
    """Items (type, text) of one source; the text is UTF-8 by rule and bytes by caution."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...] = ()

    @property
    def cname(self) -> str | None:
        text = next((text for type_, text in self.items if type_ == CNAME), None)
        return None if text is None else text.decode("utf-8", "replace")

    def __bytes__(self) -> bytes:
        """ValueError when an item is longer than 255 bytes or of type 0, the end mark."""
        if any(not 1 <= type_ <= 255 or len(text) > 255 for type_, text in self.items):
            raise ValueError("an SDES item has a type in 1..255 and at most 255 bytes")
        data = self.ssrc.to_bytes(4) + b"".join(bytes([type_, len(text)]) + text for type_, text in self.items)
        return data + bytes(4 - len(data) % 4)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    TYPE: ClassVar[int] = 202
    chunks: tuple[SdesChunk, ...] = ()

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        chunks: list[SdesChunk] = []
        position = 0
        for _ in range(packet.count):
            chunk, position = _parse_chunk(packet.body, position)
            chunks.append(chunk)
        return cls(tuple(chunks))

    def __bytes__(self) -> bytes:
        return bytes(RawPacket(self.TYPE, len(self.chunks), b"".join(map(bytes, self.chunks))))


def _parse_chunk(body: bytes, start: int) -> tuple[SdesChunk, int]:
    """One chunk and where the next begins: at the first whole word after a zero."""
    if len(body) < start + 4:
        raise WireError("SDES ends within a chunk's SSRC")
    items: list[tuple[int, bytes]] = []
    position = start + 4
    while position < len(body) and body[position] != 0:
        if position + 2 > len(body) or position + 2 + body[position + 1] > len(body):
            raise WireError("SDES ends within an item")
        text = body[position + 2 : position + 2 + body[position + 1]]
        items.append((body[position], text))
        position += 2 + len(text)
    if position >= len(body):
        raise WireError("SDES chunk has no end mark")
    return SdesChunk(int.from_bytes(body[start : start + 4]), tuple(items)), position + 4 - position % 4


@dataclass(frozen=True, slots=True)
class Bye:
    """``reason`` is for humans: one that is cut short is taken as it is."""

    TYPE: ClassVar[int] = 203
    ssrcs: tuple[int, ...] = ()
    reason: bytes = b""

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        end = 4 * packet.count
        if len(packet.body) < end:
            raise WireError(f"BYE of {packet.count} sources has {len(packet.body)} bytes", f"{end} are expected")
        tail = packet.body[end:]
        return cls(struct.unpack_from(f"!{packet.count}L", packet.body), tail[1 : 1 + tail[0]] if tail else b"")

    def __bytes__(self) -> bytes:
        body = struct.pack(f"!{len(self.ssrcs)}L", *self.ssrcs)
        if self.reason:
            body += bytes([len(self.reason)]) + self.reason
        return bytes(RawPacket(self.TYPE, len(self.ssrcs), body + bytes(-len(body) % 4)))
