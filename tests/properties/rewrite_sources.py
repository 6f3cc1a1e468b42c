"""Publishers for the properties of the rewrite: VP8 in temporal layers and Opus, every packet of which says which
one it is; and one end of a transport: STUN (by aioice's messages), SRTP (libsrtp, by pylibsrtp).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from aioice import stun
from pylibsrtp import Policy, Session

from sfu.rtcp.compound import RtcpPacket, serialize_compound
from sfu.rtp.packet import RtpPacket
from sfu.rtp.rtx import wrap_rtx

PACKETS_IN_FRAME = 3
MID, RID, REPAIRED_RID, TRANSPORT_CC, AUDIO_LEVEL = 1, 2, 3, 4, 5
PROFILE = "AEAD_AES_128_GCM"
KEY_BYTES, SALT_BYTES = 16, 12
UFRAG, PWD = "ufrag{:03}", "password-of-transport-{:03}"
MARK = b"MARK"
PATTERN = (0, 2, 1, 2)
"""Temporal layers of VP8 as libvpx sends three."""


@dataclass(eq=False)
class Sent:
    """A packet that a publisher made, and what became of it on its way to the server."""

    source: Source
    index: int
    """Its sequence number, unwrapped."""
    packet: RtpPacket
    captured_us: int
    frame: int = 0
    place: int = 0
    is_keyframe: bool = False
    tid: int = 0
    is_sync: bool = False
    picture_id: int = 0
    tl0picidx: int = 0
    refers_to: tuple[int, ...] = ()
    """Frames."""
    made_in: int = 0
    """The world's count of commands when it was made; ``arrived_in``: when it arrived."""
    arrived_in: int | None = None
    arrived_us: int = 0
    in_order: bool = False
    """It arrived, and nothing that was made later had arrived before."""
    is_muted: bool = False
    """Made and arrived while its producer was paused."""

    @property
    def starts_keyframe(self) -> bool:
        return self.is_keyframe and self.place == 0

    def __repr__(self) -> str:
        kind = "key" if self.is_keyframe else "frame"
        return f"<{self.source.name} {kind} {self.frame}.{self.place} tid={self.tid} index={self.index}>"


@dataclass(eq=False)
class Source:
    """One SSRC of a publisher."""

    name: str
    producer: int
    encoding: int
    ssrc: int
    pt: int
    rtx_pt: int | None
    mid: str
    rid: str
    clock_rate_hz: int
    index: int
    first_ts: int
    picture_id: int = 0
    tl0picidx: int = 0
    rtx_seq: int = 0
    frame: int = 0
    in_group: int = 0
    group_is_sync: bool = False
    newest: dict[int, int] = field(default_factory=dict)
    """Frames that the next ones may refer to, by temporal layer."""
    highest: int = -1
    """Of those that arrived."""
    by_index: dict[int, Sent] = field(default_factory=dict, repr=False)
    by_frame: dict[int, list[Sent]] = field(default_factory=dict, repr=False)

    def timestamp(self, now_us: int) -> int:
        return (self.first_ts + now_us * self.clock_rate_hz // 1_000_000) & 0xFFFF_FFFF

    def make(self, number: int, now_us: int, payload: bytes, *, marker: bool = False, padding: int = 0) -> Sent:
        """The next packet; ``number`` is its mark."""
        self.index += 1
        extensions = [(MID, self.mid.encode())]
        if self.rid:
            extensions.append((RID, self.rid.encode()))
        if self.clock_rate_hz == 48_000:
            extensions.append((AUDIO_LEVEL, b"\x9e"))
        packet = RtpPacket(
            pt=self.pt,
            seq=self.index & 0xFFFF,
            timestamp=self.timestamp(now_us),
            ssrc=self.ssrc,
            marker=marker,
            extensions=tuple(extensions),
            payload=payload + MARK + number.to_bytes(4) if payload else b"",
            padding_size=padding,
        )
        sent = Sent(self, self.index, packet, now_us)
        self.by_index[self.index] = sent
        return sent

    def make_frame(self, first: int, now_us: int, *, is_keyframe: bool, is_sync: bool) -> list[Sent]:
        """RFC 7741 §4.2, §4.3: I, L and T are there; a keyframe begins a group of layers, and ``is_sync`` is for
        the whole group: its first frames of layers 2 and 1 refer to the base layer only. The others refer to the
        newest frames of all layers up to their own.
        """
        self.in_group = 0 if is_keyframe else self.in_group
        tid = PATTERN[self.in_group]
        if tid == 0:
            self.group_is_sync = is_sync
            self.tl0picidx = self.tl0picidx + 1 & 0xFF
        has_y = self.group_is_sync and self.in_group in {1, 2}
        self.in_group = (self.in_group + 1) % len(PATTERN)
        self.picture_id = self.picture_id + 1 & 0x7FFF
        self.frame += 1
        highest = -1 if is_keyframe else 0 if has_y else tid
        refers_to = tuple(frame for layer, frame in self.newest.items() if layer <= highest)
        self.newest = {tid: self.frame} if is_keyframe else self.newest | {tid: self.frame}
        sents = []
        for place in range(PACKETS_IN_FRAME):
            descriptor = bytes([0x80 | (place == 0) << 4, 0xE0]) + (0x8000 | self.picture_id).to_bytes(2)
            payload = descriptor + bytes([self.tl0picidx, tid << 6 | has_y << 5, not is_keyframe])
            sent = self.make(first + place, now_us, payload, marker=place == PACKETS_IN_FRAME - 1)
            sent.frame, sent.place, sent.is_keyframe, sent.tid, sent.is_sync = (
                self.frame,
                place,
                is_keyframe,
                tid,
                has_y,
            )
            sent.picture_id, sent.tl0picidx, sent.refers_to = self.picture_id, self.tl0picidx, refers_to
            sents.append(sent)
        self.by_frame[self.frame] = sents
        return sents

    def came_in_order(self, frame: int) -> bool:
        """To the server, all its packets."""
        return all(sent.in_order for sent in self.by_frame[frame])

    def again(self, sent: Sent) -> RtpPacket:
        """The packet in the retransmission stream."""
        assert self.rtx_pt is not None
        self.rtx_seq += 1
        packet = wrap_rtx(sent.packet, pt=self.rtx_pt, ssrc=self.ssrc + 1, seq=self.rtx_seq)
        extensions = [(MID, self.mid.encode())] + [(REPAIRED_RID, self.rid.encode())] * bool(self.rid)
        return replace(packet, extensions=tuple(extensions))


class End:
    """The far end of a transport."""

    def __init__(self, transport: int) -> None:
        self.transport = transport
        self.address = (f"192.0.2.{transport}", 5000 + transport)
        self.checks = 0
        self.to_server = bytes([transport]) * KEY_BYTES, b"\x01" * SALT_BYTES
        self.to_client = bytes([transport + 100]) * KEY_BYTES, b"\x02" * SALT_BYTES
        self._send = Session(_policy(b"".join(self.to_server), Policy.SSRC_ANY_OUTBOUND))
        self._receive = Session(_policy(b"".join(self.to_client), Policy.SSRC_ANY_INBOUND))

    def check(self) -> bytes:
        """A nominating connectivity check."""
        self.checks += 1
        identity = self.transport.to_bytes(4) + self.checks.to_bytes(8)
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, identity)
        request.attributes["USERNAME"] = f"{UFRAG.format(self.transport)}:remote"
        request.attributes["PRIORITY"] = 0x7E7F1EFF
        request.attributes["ICE-CONTROLLING"] = self.transport
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(PWD.format(self.transport).encode())
        return bytes(request)

    def protect(self, packet: RtpPacket) -> bytes:
        return self._send.protect(bytes(packet))

    def protect_rtcp(self, *packets: RtcpPacket) -> bytes:
        return self._send.protect_rtcp(serialize_compound(packets))

    def unprotect(self, datagram: bytes) -> bytes:
        return self._receive.unprotect(datagram)

    def unprotect_rtcp(self, datagram: bytes) -> bytes:
        return self._receive.unprotect_rtcp(datagram)


def _policy(key: bytes, direction: int) -> Policy:
    policy = Policy(key, direction, 0, Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    policy.window_size = 1024
    policy.allow_repeat_tx = True
    return policy
