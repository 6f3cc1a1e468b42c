"""RTCP datagrams (RFC 3550 §6.1, §A.2; reduced size: RFC 5506): which packet is which, both ways.

A packet of a kind that is not in the tables comes out as ``RawPacket``, so nothing is lost on the way through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sfu.errors import WireError
from sfu.rtcp.feedback import (
    PAYLOAD_FEEDBACK,
    TRANSPORT_FEEDBACK,
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    ReceiverEstimatedBitrate,
)
from sfu.rtcp.report import ReceiverReport, SenderReport
from sfu.rtcp.sdes import Bye, SourceDescription
from sfu.rtcp.twcc import TransportFeedback
from sfu.rtcp.wire import RawPacket, split_compound

RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | TransportFeedback
    | PictureLossIndication
    | FullIntraRequest
    | ReceiverEstimatedBitrate
    | RawPacket
)

_PARSERS: Mapping[int, Callable[[RawPacket], RtcpPacket]] = {
    SenderReport.TYPE: SenderReport.parse,
    ReceiverReport.TYPE: ReceiverReport.parse,
    SourceDescription.TYPE: SourceDescription.parse,
    Bye.TYPE: Bye.parse,
}
_FEEDBACK_PARSERS: Mapping[tuple[int, int], Callable[[RawPacket], RtcpPacket]] = {
    (TRANSPORT_FEEDBACK, Nack.FMT): Nack.parse,
    (TRANSPORT_FEEDBACK, TransportFeedback.FMT): TransportFeedback.parse,
    (PAYLOAD_FEEDBACK, PictureLossIndication.FMT): PictureLossIndication.parse,
    (PAYLOAD_FEEDBACK, FullIntraRequest.FMT): FullIntraRequest.parse,
}


def parse_compound(datagram: bytes, *, reduced_size: bool = True) -> list[RtcpPacket]:
    """All packets of a datagram, in order. ``WireError`` spoils the whole datagram.

    Unless ``reduced_size`` was negotiated (``a=rtcp-rsize``) the first must be a report (RFC 3550 §6.1).
    """
    packets = [parse_packet(packet) for packet in split_compound(datagram)]
    if not reduced_size and not isinstance(packets[0], SenderReport | ReceiverReport):
        raise WireError("RTCP datagram does not start with a report", "reduced size was not negotiated")
    return packets


def parse_packet(packet: RawPacket) -> RtcpPacket:
    """One packet of a compound by its kind; the shard lets the others pass when one has a bad body."""
    if (packet.type, packet.count) == (PAYLOAD_FEEDBACK, ReceiverEstimatedBitrate.FMT):
        # Other application layer feedback has the same format number and its own name.
        is_remb = packet.body[8:12] == ReceiverEstimatedBitrate.NAME
        return ReceiverEstimatedBitrate.parse(packet) if is_remb else packet
    parse = _PARSERS.get(packet.type) or _FEEDBACK_PARSERS.get((packet.type, packet.count))
    return packet if parse is None else parse(packet)


def serialize_compound(packets: Iterable[RtcpPacket]) -> bytes:
    return b"".join(map(bytes, packets))
