"""What a receiver of audio relies on: numbers are used once, timestamps never go back in their order."""

from __future__ import annotations

from bisect import bisect, insort
from dataclasses import dataclass, field

from sfu.rtp.packet import RtpPacket
from sfu.rtp.seq import Unwrapper


@dataclass
class AudioStream:
    """One incoming SSRC."""

    packets: dict[int, RtpPacket] = field(default_factory=dict)
    """By extended sequence number."""
    _order: list[int] = field(default_factory=list)
    _seq: Unwrapper = field(default_factory=Unwrapper)
    _timestamp: Unwrapper = field(default_factory=lambda: Unwrapper(32))
    _ext_timestamps: dict[int, int] = field(default_factory=dict)

    def add(self, packet: RtpPacket) -> None:
        """Takes a packet, in whatever order it comes."""
        number = self._seq.unwrap(packet.seq)
        assert number not in self.packets, f"sequence number {packet.seq} used twice"
        timestamp = self._timestamp.unwrap(packet.timestamp)
        at = bisect(self._order, number)
        for neighbour, is_earlier in ((self._order[at - 1 : at], True), (self._order[at : at + 1], False)):
            for other in neighbour:
                step = timestamp - self._ext_timestamps[other]
                assert (step > 0) is is_earlier, f"timestamp of {packet.seq} is {step} off its neighbour's"
        insort(self._order, number)
        self.packets[number] = packet
        self._ext_timestamps[number] = timestamp

    def count(self, sender: int) -> int:
        """Packets that come from that sender."""
        return sum(packet.payload[1:3] == sender.to_bytes(2) for packet in self.packets.values())
