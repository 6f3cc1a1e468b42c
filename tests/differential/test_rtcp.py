"""RTCP: our readable implementation against aiortc's, both directions, and against the fast parser (Rust)."""

from __future__ import annotations

from typing import Any

from aiortc import rtp as aiortc_rtp
from aiortc.rtcrtpreceiver import StreamStatistics
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import packets

from sfu import _native
from sfu.rtcp.compound import RtcpPacket, parse_compound, serialize_compound
from sfu.rtcp.feedback import FullIntraRequest, Nack, PictureLossIndication, ReceiverEstimatedBitrate
from sfu.rtcp.report import ReceiverReport, ReportBlock, SenderReport
from sfu.rtcp.sdes import CNAME, Bye, SourceDescription
from sfu.rtcp.twcc import TransportFeedback
from sfu.rtcp.wire import RawPacket
from sfu.rtp.stats import ReceptionStatistics


def theirs_of(packet: RtcpPacket) -> Any:
    """The same packet as aiortc's value; None when aiortc has none for it."""
    match packet:
        case SenderReport():
            info = aiortc_rtp.RtcpSenderInfo(packet.ntp, packet.rtp_timestamp, packet.packet_count, packet.octet_count)
            return aiortc_rtp.RtcpSrPacket(packet.ssrc, info, [block_of(block) for block in packet.blocks])
        case ReceiverReport():
            return aiortc_rtp.RtcpRrPacket(packet.ssrc, [block_of(block) for block in packet.blocks])
        case SourceDescription():
            return aiortc_rtp.RtcpSdesPacket(
                [aiortc_rtp.RtcpSourceInfo(chunk.ssrc, list(chunk.items)) for chunk in packet.chunks]
            )
        case Bye():
            return aiortc_rtp.RtcpByePacket(list(packet.ssrcs))
        case Nack():
            return aiortc_rtp.RtcpRtpfbPacket(1, packet.sender_ssrc, packet.media_ssrc, list(packet.lost))
        case PictureLossIndication():
            return aiortc_rtp.RtcpPsfbPacket(1, packet.sender_ssrc, packet.media_ssrc)
        case ReceiverEstimatedBitrate():
            fci = aiortc_rtp.pack_remb_fci(packet.bitrate_bps, list(packet.ssrcs))
            return aiortc_rtp.RtcpPsfbPacket(15, packet.sender_ssrc, packet.media_ssrc, fci)
    return None


def block_of(block: ReportBlock) -> aiortc_rtp.RtcpReceiverInfo:
    return aiortc_rtp.RtcpReceiverInfo(
        ssrc=block.ssrc,
        fraction_lost=block.fraction_lost,
        packets_lost=block.lost,
        highest_sequence=block.highest_seq,
        jitter=block.jitter,
        lsr=block.lsr,
        dlsr=block.dlsr,
    )


# aiortc writes no reason into BYE, and pads SDES once for all chunks: its own with one chunk are right.
comparable = st.one_of(
    packets.sender_report,
    packets.receiver_report,
    packets.source_description.filter(lambda packet: len(packet.chunks) == 1),
    packets.bye.filter(lambda packet: not packet.reason),
    packets.pli,
    packets.remb,
    # aiortc does not wrap sequence numbers within one NACK.
    packets.nack.filter(lambda packet: list(packet.lost) == sorted(packet.lost) and packet.lost[-1] < 65_519),
)


@given(st.lists(comparable, min_size=1, max_size=5))
def test_aiortc_reads_what_we_write(compound: list[RtcpPacket]) -> None:
    assert aiortc_rtp.RtcpPacket.parse(serialize_compound(compound)) == [theirs_of(packet) for packet in compound]


@given(st.lists(comparable, min_size=1, max_size=5))
def test_we_read_what_aiortc_writes(compound: list[RtcpPacket]) -> None:
    wire = b"".join(bytes(theirs_of(packet)) for packet in compound)
    assert parse_compound(wire) == compound


@given(comparable.filter(lambda packet: not isinstance(packet, SourceDescription)))
def test_both_write_the_same_bytes(packet: RtcpPacket) -> None:
    assert bytes(packet) == bytes(theirs_of(packet))


@given(st.lists(st.integers(-3, 300), min_size=1, max_size=80))
def test_reception_statistics_are_those_of_aiortc(steps: list[int]) -> None:
    ours, theirs = ReceptionStatistics(90_000), StreamStatistics(clockrate=90_000)
    highest = 65_000
    for step in [0, *steps]:
        # Late ones, duplicates (0) and losses; the first packet stays the lowest, as aiortc expects.
        seq = max(highest + step, 65_000)
        highest = max(highest, seq)
        packet = aiortc_rtp.RtpPacket(sequence_number=seq & 0xFFFF, timestamp=seq * 3_000 & 0xFFFF_FFFF)
        ours.add(packet.sequence_number, packet.timestamp, 0.0)
        theirs.add(packet)
    report = ours.report()
    assert (report.lost, report.fraction_lost) == (theirs.packets_lost, theirs.fraction_lost)
    assert report.highest_seq == highest


def fast(data: bytes) -> list[dict[str, Any]] | None:
    try:
        return _native.parse_rtcp(data)
    except ValueError:
        return None


def readable(data: bytes) -> list[dict[str, Any]] | None:
    try:
        return [said_of(packet) for packet in parse_compound(data)]
    except ValueError:
        return None


def said_of(packet: RtcpPacket) -> dict[str, Any]:
    """Our packet in the words of the fast parser."""
    match packet:
        case SenderReport() | ReceiverReport():
            said = {field: getattr(packet, field) for field in packet.__slots__}
            said["blocks"] = [{field: getattr(block, field) for field in block.__slots__} for block in packet.blocks]
            return {"type": "sender_report" if isinstance(packet, SenderReport) else "receiver_report"} | said
        case SourceDescription():
            cnames = [
                (chunk.ssrc, next(text for type_, text in chunk.items if type_ == CNAME))
                for chunk in packet.chunks
                if chunk.cname is not None
            ]
            return {"type": "sdes", "cnames": cnames}
        case Bye():
            return {"type": "bye", "ssrcs": list(packet.ssrcs)}
        case Nack():
            return _feedback("nack", packet) | {"lost": list(packet.lost)}
        case PictureLossIndication():
            return _feedback("pli", packet)
        case FullIntraRequest():
            return {"type": "fir", "sender_ssrc": packet.sender_ssrc, "requests": list(packet.requests)}
        case ReceiverEstimatedBitrate():
            said = {"bitrate_bps": packet.bitrate_bps, "ssrcs": list(packet.ssrcs)}
            return {"type": "remb", "sender_ssrc": packet.sender_ssrc} | said
        case TransportFeedback():
            fields = ("base_seq", "reference_time", "feedback_count")
            said = {field: getattr(packet, field) for field in fields} | {"arrivals_us": list(packet.arrivals())}
            return _feedback("transport_feedback", packet) | said
        case RawPacket():
            return {"type": "other", "packet_type": packet.type, "count": packet.count}


def _feedback(name: str, packet: Nack | PictureLossIndication | TransportFeedback) -> dict[str, Any]:
    return {"type": name, "sender_ssrc": packet.sender_ssrc, "media_ssrc": packet.media_ssrc}


@given(st.lists(packets.rtcp_packet, min_size=1, max_size=4))
def test_the_fast_parser_reads_what_we_write(compound: list[RtcpPacket]) -> None:
    assert fast(serialize_compound(compound)) == [said_of(packet) for packet in compound]


@given(st.one_of(packets.mutated(packets.rtcp_packet), st.binary(max_size=60)))
def test_both_parsers_say_the_same_of_any_bytes(data: bytes) -> None:
    # Extended reports (RFC 3611) are read by the fast parser only.
    assume(bytes([207]) not in data[1::4])
    assert fast(data) == readable(data)
