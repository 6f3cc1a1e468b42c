"""RTCP: known bytes both ways, and what is refused with which words."""

from __future__ import annotations

import pytest

from sfu.errors import WireError
from sfu.rtcp.compound import RtcpPacket, parse_compound, serialize_compound
from sfu.rtcp.feedback import (
    MAX_BITRATE_BPS,
    FullIntraRequest,
    Nack,
    PictureLossIndication,
    ReceiverEstimatedBitrate,
    nack_pairs,
)
from sfu.rtcp.report import ReceiverReport, ReportBlock, SenderReport
from sfu.rtcp.sdes import Bye, SdesChunk, SourceDescription
from sfu.rtcp.twcc import TransportFeedback
from sfu.rtcp.wire import RawPacket
from sfu.rtp.stats import ReceptionReport

BLOCK = ReportBlock(0x01020304, 5, -1, 7, 8, 9, 10)
BLOCK_HEX = "01020304 05ffffff 00000007 00000008 00000009 0000000a"

PACKETS: list[tuple[str, RtcpPacket]] = [
    (
        "81c8000c 00000001 0000000200000003 00000004 00000005 00000006" + BLOCK_HEX,
        SenderReport(1, 0x2_0000_0003, 4, 5, 6, (BLOCK,)),
    ),
    ("81c90007 00000001" + BLOCK_HEX, ReceiverReport(1, (BLOCK,))),
    ("80c90001 00000001", ReceiverReport(1)),
    ("81ca0003 00000001 0103616263 000000", SourceDescription((SdesChunk(1, ((1, b"abc"),)),))),
    (
        "82ca0005 00000001 01016100 00000002 01026263 08017800",
        SourceDescription((SdesChunk(1, ((1, b"a"),)), SdesChunk(2, ((1, b"bc"), (8, b"x"))))),
    ),
    ("81cb0001 00000001", Bye((1,))),
    ("81cb0002 00000001 03627965", Bye((1,), b"bye")),
    ("81cd0003 00000001 00000002 fffe0003", Nack(1, 2, (65534, 65535, 0))),
    ("81ce0002 00000001 00000002", PictureLossIndication(1, 2)),
    ("84ce0004 00000001 00000000 00000002 07000000", FullIntraRequest(1, ((2, 7),))),
    ("8fce0005 00000001 00000000 52454d42 0103d090 00000002", ReceiverEstimatedBitrate(1, 250_000, (2,))),
    ("8fcd0005 00000001 00000002 0003 0002 000001 04 2002 fcfe", TransportFeedback(1, 2, 3, 1, 4, (0xFC, 0xFE))),
    ("85cf0001 aabbccdd", RawPacket(207, 5, b"\xaa\xbb\xcc\xdd")),
    ("8fce0003 00000001 00000000 58585858", RawPacket(206, 15, bytes.fromhex("000000010000000058585858"))),
]


@pytest.mark.parametrize(("wire", "packet"), PACKETS, ids=lambda value: type(value).__name__)
def test_a_packet_in_known_bytes(wire: str, packet: RtcpPacket) -> None:
    data = bytes.fromhex(wire)
    assert parse_compound(data) == [packet]
    assert bytes(packet) == data


def test_a_compound_goes_through_in_order() -> None:
    packets = [packet for _, packet in PACKETS]
    assert parse_compound(serialize_compound(packets), reduced_size=False) == packets


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        ("", "RTCP datagram is empty"),
        ("80c9", "RTCP packet has 2 bytes (its head has 4)"),
        ("40c90001 00000001", "RTCP version is 1, not 2"),
        ("80c90002 00000001", "RTCP packet of 8 bytes ends after 4"),
        ("a0c90002 00000001 00000000", "RTCP padding does not fit its packet"),
        ("a0c90002 00000001 00000009", "RTCP padding does not fit its packet"),
        ("a0c90002 00000001 0000000c", "RTCP padding does not fit its packet"),
        ("81c80006" + "00" * 24, "sender report of 1 blocks has 24 bytes (48 are expected)"),
        ("80c80001 00000001", "sender report of 0 blocks has 4 bytes (24 are expected)"),
        ("81c90001 00000001", "receiver report of 1 blocks has 4 bytes (28 are expected)"),
        ("81ca0000", "SDES ends within a chunk's SSRC"),
        ("81ca0002 00000001 01ff6161", "SDES ends within an item"),
        ("81ca0002 00000001 01026161", "SDES chunk has no end mark"),
        ("82cb0001 00000001", "BYE of 2 sources has 4 bytes (8 are expected)"),
        ("81cd0002 00000001 00000002", "NACK names no packet (at least one PID and BLP)"),
        ("81cd0001 00000001", "NACK has 4 bytes (its head has 8)"),
        ("81ce0001 00000001", "PLI has 4 bytes (its head has 8)"),
        ("84ce0003 00000001 00000002 00000003", "FIR names no stream (at least one SSRC and sequence number)"),
        ("8fce0003 00000001 00000000 52454d42", "application layer feedback is not REMB"),
        ("8fce0004 00000001 00000000 52454d42 0203d090", "REMB of 2 streams has 16 bytes (24 are expected)"),
        ("8fcd0003 00000001 00000002 00030002", "transport feedback has 12 bytes (its head has 16)"),
        ("8fcd0004 00000001 00000002 00030002 00000104", "transport feedback has chunks for 0 of 2 packets"),
        (
            "8fcd0005 00000001 00000002 00030003 00000104 2003 0102",
            "transport feedback ends within its receive deltas",
        ),
        (
            "8fcd0005 00000001 00000002 00030001 00000104 6001 0102",
            "transport feedback has a packet of the reserved status",
        ),
    ],
)
def test_a_malformed_datagram_is_refused_with_what_is_wrong(wire: str, error: str) -> None:
    with pytest.raises(WireError) as raised:
        parse_compound(bytes.fromhex(wire))
    assert str(raised.value) == error


def test_padding_at_the_end_is_taken_off() -> None:
    assert parse_compound(bytes.fromhex("a0c90003 00000001 00000000 00000008")) == [ReceiverReport(1)]
    two = "a0c90002 00000001 00000004 80c90001 00000002"
    assert parse_compound(bytes.fromhex(two)) == [ReceiverReport(1), ReceiverReport(2)]


def test_feedback_is_read_though_its_padding_is_no_multiple_of_four() -> None:
    chromium = "afcd0006 63466cb9 ff0a2a69 60d80005 068ad003 20059b4a 00192901"
    [feedback] = parse_compound(bytes.fromhex(chromium))
    assert isinstance(feedback, TransportFeedback)
    assert len(feedback.deltas) == 5


def test_a_datagram_of_reduced_size_needs_to_be_negotiated() -> None:
    pli = bytes(PictureLossIndication(1, 2))
    assert parse_compound(pli) == [PictureLossIndication(1, 2)]
    with pytest.raises(WireError, match="does not start with a report"):
        parse_compound(pli, reduced_size=False)


def test_what_follows_the_blocks_of_a_report_is_not_looked_at() -> None:
    assert parse_compound(bytes.fromhex("80c90002 00000001 aabbccdd")) == [ReceiverReport(1)]


def test_lost_packets_share_pairs_across_the_wrap() -> None:
    assert nack_pairs([65535, 0, 15, 16, 40]) == [(65535, 0b1000_0000_0000_0001), (16, 0), (40, 0)]
    assert nack_pairs([]) == []


def test_a_bitrate_keeps_its_highest_18_bits() -> None:
    (remb,) = parse_compound(bytes(ReceiverEstimatedBitrate(1, 1_234_567_890)))
    assert isinstance(remb, ReceiverEstimatedBitrate)
    assert remb.bitrate_bps == 1_234_567_890 >> 13 << 13


def test_a_bitrate_beyond_64_bits_is_read_as_the_largest() -> None:
    (remb,) = parse_compound(bytes.fromhex("8fce0004 00000001 00000000 52454d42 00ffffff"))
    assert isinstance(remb, ReceiverEstimatedBitrate)
    assert remb.bitrate_bps == MAX_BITRATE_BPS


def test_arrivals_add_up_the_deltas() -> None:
    feedback = TransportFeedback(1, 2, 65535, -1, 0, (4, None, -2, 300))
    assert list(feedback.arrivals()) == [(65535, -63_000), (0, None), (1, -63_500), (2, 11_500)]
    assert parse_compound(bytes(feedback)) == [feedback]


@pytest.mark.parametrize(
    ("deltas", "chunks"),
    [
        ((1,) * 20, "2014"),
        ((None,) * 9000, "1fff 0329"),
        ((1, None) * 7, "aaaa"),
        ((1, None) * 5, "aaa0"),
        ((1, 1, 300, None, 1, 1, 1), "d615"),
        ((300,) * 8, "4008"),
    ],
)
def test_statuses_are_packed_into_few_chunks(deltas: tuple[int | None, ...], chunks: str) -> None:
    feedback, expected = TransportFeedback(1, 2, 0, 0, 0, deltas), bytes.fromhex(chunks)
    assert bytes(feedback)[20 : 20 + len(expected)] == expected
    assert parse_compound(bytes(feedback)) == [feedback]


@pytest.mark.parametrize(
    "packet",
    [
        TransportFeedback(1, 2, 0, 0, 0, (40_000,)),
        TransportFeedback(1, 2, 0, 0, 0, (None,) * 65_536),
        ReceiverReport(1, (ReportBlock(1, 0, 1 << 23, 0, 0, 0, 0),)),
        ReceiverReport(1, (BLOCK,) * 32),
        SourceDescription((SdesChunk(1, ((0, b""),)),)),
        RawPacket(200, 0, b"abc"),
    ],
    ids=lambda packet: type(packet).__name__,
)
def test_a_packet_with_a_field_out_of_range_is_not_written(packet: RtcpPacket) -> None:
    with pytest.raises(ValueError, match=r"."):
        bytes(packet)


def test_a_report_block_of_reception_statistics() -> None:
    block = ReportBlock.of(9, ReceptionReport(1, 2, 3, 4), lsr=5, dlsr=6)
    assert block == ReportBlock(9, 1, 2, 3, 4, 5, 6)
    assert SdesChunk(1, ((1, b"\xff"),)).cname == "�"
