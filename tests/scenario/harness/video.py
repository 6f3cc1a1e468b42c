"""A VP8 stream that a test can follow: each frame says who sent it and which one it is, and a receiver that only
counts what a decoder could have shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sfu.rtp.packet import RtpPacket
from sfu.rtp.seq import Unwrapper, signed_distance

PACKETS_IN_FRAME = 3
SIZES = ((320, 180), (640, 360), (1280, 720))
"""Of each encoding."""
_DESCRIPTOR_START, _DESCRIPTOR_CONTINUED = 0x90, 0x80
_EXTENDED = 0xE0  # I, L, T: picture id, tl0picidx, tid


@dataclass(frozen=True)
class Mark:
    """What a frame says of itself."""

    sender: int
    encoding: int
    frame: int

    def __bytes__(self) -> bytes:
        return b"MARK" + self.sender.to_bytes(2) + bytes([self.encoding]) + self.frame.to_bytes(4)

    @classmethod
    def find(cls, payload: bytes) -> Mark | None:
        at = payload.find(b"MARK")
        if at < 0:
            return None
        return cls(int.from_bytes(payload[at + 4 : at + 6]), payload[at + 6], int.from_bytes(payload[at + 7 : at + 11]))


def frame_payloads(mark: Mark, *, is_keyframe: bool, picture_id: int, tl0picidx: int, size: int = 300) -> list[bytes]:
    """RTP payloads of one frame (RFC 7741 §4.2, §4.3), all of temporal layer 0."""
    payloads = []
    for index in range(PACKETS_IN_FRAME):
        first = _DESCRIPTOR_START if index == 0 else _DESCRIPTOR_CONTINUED
        descriptor = (
            bytes([first, _EXTENDED]) + (0x8000 | picture_id & 0x7FFF).to_bytes(2) + bytes([tl0picidx & 255, 0])
        )
        head = b""
        if index == 0:
            width, height = SIZES[mark.encoding]
            size_bytes = width.to_bytes(2, "little") + height.to_bytes(2, "little")
            head = (b"\x10\x02\x00\x9d\x01\x2a" + size_bytes if is_keyframe else b"\x11\x02\x00") + bytes(mark)
        payloads.append(descriptor + head + bytes(size - len(head)))
    return payloads


@dataclass
class Stream:
    """One incoming SSRC: what arrived, and what a decoder makes of it, in order."""

    packets: dict[int, RtpPacket] = field(default_factory=dict)
    """By extended sequence number."""
    shown: list[Mark] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)
    duplicates: int = 0
    highest: int = -1
    _unwrapper: Unwrapper = field(default_factory=Unwrapper)
    _next: int = -1
    _frame: list[RtpPacket] = field(default_factory=list)
    _has_reference: bool = False
    _last_timestamp: int | None = None
    _last_picture_id: int | None = None

    def add(self, packet: RtpPacket, now: float) -> None:
        """Takes a packet, in whatever order it comes."""
        ext_seq = self._unwrapper.unwrap(packet.seq)
        if ext_seq in self.packets:
            assert self.packets[ext_seq].payload == packet.payload, f"sequence number {packet.seq} used twice"
            self.duplicates += 1
            return
        self.packets[ext_seq] = packet
        self.highest = max(self.highest, ext_seq)
        if self._next < 0:
            self._next = ext_seq
        self._take_what_is_next(now)

    def _take_what_is_next(self, now: float) -> None:
        while self._next in self.packets:
            self._in_order(self.packets[self._next], now)
            self._next += 1

    def missing(self) -> list[int]:
        """Extended numbers that have not come although later ones have."""
        return [number for number in range(max(self._next, 0), self.highest) if number not in self.packets]

    def give_up(self, now: float) -> None:
        """The receiver waits no longer for what is missing first: goes on after it, at the next keyframe."""
        self._has_reference = False
        self._frame = []
        self._next = min(number for number in self.packets if number > self._next)
        self._take_what_is_next(now)

    @property
    def wants_keyframe(self) -> bool:
        """Nothing can be shown before one comes."""
        return not self._has_reference

    def _in_order(self, packet: RtpPacket, now: float) -> None:
        if not packet.payload:
            return
        if self._last_timestamp is not None:
            step = signed_distance(packet.timestamp, self._last_timestamp, 32)
            assert step >= 0, f"timestamp went back by {-step}"
        self._last_timestamp = packet.timestamp
        if self._frame and self._frame[0].timestamp != packet.timestamp:
            # The source was switched in the middle of a frame, whose rest will not come.
            self._frame = []
            self._has_reference = False
        self._frame.append(packet)
        if packet.marker:
            frame, self._frame = self._frame, []
            self._whole(frame, now)

    def _whole(self, frame: list[RtpPacket], now: float) -> None:
        first = frame[0].payload
        if len({packet.timestamp for packet in frame}) != 1 or first[0] != _DESCRIPTOR_START:
            return
        is_keyframe = not first[6] & 1
        picture_id = int.from_bytes(first[2:4]) & 0x7FFF
        if self._last_picture_id is not None and self._has_reference and not is_keyframe:
            step = signed_distance(picture_id, self._last_picture_id, 15)
            assert step == 1, f"picture id {picture_id} follows {self._last_picture_id} without a gap in the numbers"
        self._has_reference = self._has_reference or is_keyframe
        self._last_picture_id = picture_id
        mark = Mark.find(first)
        if self._has_reference and mark is not None:
            self.shown.append(mark)
            self.shown_at.append(now)
