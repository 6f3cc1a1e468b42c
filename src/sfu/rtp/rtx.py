"""Retransmission payload format (RFC 4588 §4): the original sequence number (OSN) before the original payload."""

from __future__ import annotations

from dataclasses import replace

from sfu.errors import WireError
from sfu.rtp.packet import RtpPacket

OSN_BYTES = 2


def wrap_rtx(packet: RtpPacket, *, pt: int, ssrc: int, seq: int) -> RtpPacket:
    """``packet`` once more, in the retransmission stream ``ssrc``."""
    return replace(packet, pt=pt, ssrc=ssrc, seq=seq, payload=packet.seq.to_bytes(OSN_BYTES) + packet.payload)


def unwrap_rtx(packet: RtpPacket, *, pt: int, ssrc: int) -> RtpPacket:
    """The original. ``WireError`` for one without OSN: browsers probe for bandwidth with padding alone."""
    if len(packet.payload) < OSN_BYTES:
        raise WireError("retransmission has no original sequence number")
    osn = int.from_bytes(packet.payload[:OSN_BYTES])
    return replace(packet, pt=pt, ssrc=ssrc, seq=osn, payload=packet.payload[OSN_BYTES:])
