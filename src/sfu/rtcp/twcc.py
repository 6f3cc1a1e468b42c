"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                     SSRC of packet sender                     |
    |                      SSRC of media source                     |
    |      base sequence number     |      packet status count      |
    |                 reference time                | fb pkt. count |
    |          packet chunk         |         packet chunk          |
    |         packet chunk          |  recv delta   |  recv delta   |

    run length chunk     |0| S |       run length        |
    status vector chunk  |1|0|  14 symbols of 1 bit      |
                         |1|1|   7 symbols of 2 bits     |
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from sfu.errors import WireError
from sfu.rtcp.feedback import TRANSPORT_FEEDBACK
from sfu.rtcp.wire import RawPacket

DELTA_US = 250
"""Unit of a receive delta."""
REFERENCE_US = 64_000
"""Unit of the reference time."""
MAX_RUN = 0x1FFF

_HEAD = struct.Struct("!LLHHL")
_MISSING, _SMALL, _LARGE, _RESERVED = range(4)


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Which packets arrived, and when.

    ``deltas`` has an entry for each sequence number from ``base_seq`` on: None for a packet that is missing,
    else its arrival after the one before it (the first: after the reference time), in units of 250 µs.
    ``reference_time`` is 24 bits, signed, in units of 64 ms.
    """

    TYPE: ClassVar[int] = TRANSPORT_FEEDBACK
    FMT: ClassVar[int] = 15
    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    reference_time: int
    feedback_count: int
    deltas: tuple[int | None, ...]

    @classmethod
    def parse(cls, packet: RawPacket) -> Self:
        if len(packet.body) < _HEAD.size:
            raise WireError(f"transport feedback has {len(packet.body)} bytes", f"its head has {_HEAD.size}")
        sender_ssrc, media_ssrc, base_seq, count, tail = _HEAD.unpack_from(packet.body)
        symbols, position = _parse_symbols(packet.body, count)
        deltas = tuple(_parse_deltas(packet.body, position, symbols))
        reference_time = (tail >> 8) - ((tail >> 31) << 24)
        return cls(sender_ssrc, media_ssrc, base_seq, reference_time, tail & 0xFF, deltas)

    def __bytes__(self) -> bytes:
        """ValueError when there are too many packets, or a delta does not fit 16 bits."""
        if len(self.deltas) > 0xFFFF or any(d is not None and not -(2**15) <= d < 2**15 for d in self.deltas):
            raise ValueError("transport feedback has at most 65,535 packets and deltas of 16 bits")
        tail = (self.reference_time & 0xFF_FFFF) << 8 | self.feedback_count
        head = _HEAD.pack(self.sender_ssrc, self.media_ssrc, self.base_seq, len(self.deltas), tail)
        symbols = [_symbol(delta) for delta in self.deltas]
        chunks = b"".join(chunk.to_bytes(2) for chunk in _chunks(symbols))
        times = b"".join(_delta_bytes(delta) for delta in self.deltas if delta is not None)
        body = head + chunks + times
        return bytes(RawPacket(self.TYPE, self.FMT, body + bytes(-len(body) % 4)))

    def arrivals(self) -> Iterator[tuple[int, int | None]]:
        """(sequence number, arrival in µs on the reporter's clock, or None for missing)."""
        time_us = self.reference_time * REFERENCE_US
        for index, delta in enumerate(self.deltas):
            seq = (self.base_seq + index) & 0xFFFF
            if delta is None:
                yield seq, None
            else:
                time_us += delta * DELTA_US
                yield seq, time_us


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _MISSING
    return _SMALL if 0 <= delta <= 0xFF else _LARGE


def _delta_bytes(delta: int) -> bytes:
    return delta.to_bytes(1) if 0 <= delta <= 0xFF else delta.to_bytes(2, signed=True)


def _parse_symbols(body: bytes, count: int) -> tuple[list[int], int]:
    """Status symbols of ``count`` packets, and where the deltas begin. Symbols beyond the count mean nothing."""
    symbols: list[int] = []
    position = _HEAD.size
    while len(symbols) < count:
        if position + 2 > len(body):
            raise WireError(f"transport feedback has chunks for {len(symbols)} of {count} packets")
        chunk = int.from_bytes(body[position : position + 2])
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * min(chunk & MAX_RUN, count - len(symbols))
        elif not chunk & 0x4000:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -1, -2)]
    return symbols[:count], position


def _parse_deltas(body: bytes, position: int, symbols: Sequence[int]) -> Iterator[int | None]:
    for symbol in symbols:
        if symbol == _RESERVED:
            raise WireError("transport feedback has a packet of the reserved status")
        if position + symbol > len(body):
            raise WireError("transport feedback ends within its receive deltas")
        yield int.from_bytes(body[position : position + symbol], signed=symbol == _LARGE) if symbol else None
        position += symbol


def _chunks(symbols: Sequence[int]) -> Iterator[int]:
    """Greedy: a run where it covers more than a vector would, else 14 symbols of one bit or 7 of two."""
    position = 0
    while position < len(symbols):
        first = symbols[position]
        run = 1
        while run < MAX_RUN and position + run < len(symbols) and symbols[position + run] == first:
            run += 1
        window = symbols[position : position + 14]
        is_narrow = _LARGE not in window
        if run >= (len(window) if is_narrow else min(7, len(window))):
            yield first << 13 | run
            position += run
        elif is_narrow:
            yield 0x8000 | sum(symbol << 13 - index for index, symbol in enumerate(window))
            position += 14
        else:
            yield 0xC000 | sum(symbol << 12 - 2 * index for index, symbol in enumerate(window[:7]))
            position += 7
