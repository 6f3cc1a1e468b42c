"""Redundant audio (RFC 2198 §3): blocks of earlier frames in front of the current one.

::

     0                   1                    2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    |F=1| block PT  |  timestamp offset         |   block length    |  redundant block
    |F=0| block PT  |                                                   the primary, last
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.errors import WireError

MAX_BLOCKS = 32
"""What libwebrtc reads; browsers send two or three."""


@dataclass(frozen=True, slots=True)
class RedBlock:
    """``timestamp_offset`` is how far before the packet's timestamp the block's lies; 0 for the primary."""

    pt: int
    payload: bytes
    timestamp_offset: int = 0


def parse_red(payload: bytes) -> tuple[RedBlock, ...]:
    """All blocks, oldest first, the primary last."""
    heads: list[tuple[int, int, int]] = []
    position = 0
    while position < len(payload) and payload[position] & 0x80:
        word = int.from_bytes(payload[position : position + 4])
        position += 4
        if position > len(payload) or len(heads) + 1 == MAX_BLOCKS:
            raise WireError(f"RED payload ends within a block head, or has more than {MAX_BLOCKS} blocks")
        heads.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
    if position >= len(payload):
        raise WireError("RED payload has no primary block")
    primary_pt = payload[position]
    position += 1
    blocks: list[RedBlock] = []
    for pt, timestamp_offset, length in heads:
        if position + length > len(payload):
            raise WireError("RED payload ends within a redundant block")
        blocks.append(RedBlock(pt, payload[position : position + length], timestamp_offset))
        position += length
    return (*blocks, RedBlock(primary_pt, payload[position:]))


def serialize_red(blocks: Sequence[RedBlock]) -> bytes:
    """The primary comes last in ``blocks``. ValueError when a redundant block or its offset is too large."""
    *redundant, primary = blocks
    if any(len(b.payload) > 0x3FF or not 0 <= b.timestamp_offset <= 0x3FFF for b in redundant):
        raise ValueError("a redundant block has at most 1,023 bytes and a timestamp offset of at most 16,383")
    heads = b"".join((1 << 31 | b.pt << 24 | b.timestamp_offset << 10 | len(b.payload)).to_bytes(4) for b in redundant)
    return heads + bytes([primary.pt]) + b"".join(b.payload for b in redundant) + primary.payload
