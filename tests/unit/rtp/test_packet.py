"""RTP packets, header extensions, RED and RTX: known bytes both ways, and what is refused with which words."""

from __future__ import annotations

import pytest

from sfu.errors import WireError
from sfu.rtp.extension import (
    AbsCaptureTime,
    AbsSendTime,
    AudioLevel,
    PlayoutDelay,
    VideoOrientation,
    parse_elements,
    parse_sdes_text,
    parse_transport_seq,
    serialize_elements,
)
from sfu.rtp.packet import RtpPacket, is_rtcp
from sfu.rtp.red import RedBlock, parse_red, serialize_red
from sfu.rtp.rtx import unwrap_rtx, wrap_rtx

HEAD = bytes.fromhex("80e01234 00000009 deadbeef")


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        ("80e01234 00000009 deadbeef 010203", RtpPacket(96, 0x1234, 9, 0xDEADBEEF, True, payload=b"\1\2\3")),
        ("82600001 00000000 00000001 0000000a 0000000b", RtpPacket(96, 1, 0, 1, csrcs=(10, 11))),
        (
            "906f0001 00000000 00000001 bede0002 10301091 aa000000 ff",
            RtpPacket(111, 1, 0, 1, extensions=((1, b"0"), (1, b"\x91"), (10, b"\0\0")), payload=b"\xff"),
        ),
        ("a0600001 00000000 00000001 ff 000003", RtpPacket(96, 1, 0, 1, payload=b"\xff", padding_size=3)),
    ],
    ids=["plain", "csrcs", "extensions", "padding"],
)
def test_a_packet_reads_field_by_field(wire: str, packet: RtpPacket) -> None:
    parsed = RtpPacket.parse(bytes.fromhex(wire))
    if packet.extensions:
        assert parsed.extensions[0] == packet.extensions[0]
        assert parsed.payload == packet.payload
    else:
        assert parsed == packet
        assert bytes(packet) == bytes.fromhex(wire)
    assert RtpPacket.parse(bytes(parsed)) == parsed


def test_one_byte_extensions_in_known_bytes() -> None:
    packet = RtpPacket(96, 1, 0, 1, extensions=((1, b"0"), (3, b"\x12\x34\x56")))
    assert bytes(packet).hex(" ", 4) == "90600001 00000000 00000001 bede0002 10303212 34560000"
    assert packet.extension(3) == b"\x12\x34\x56"
    assert packet.extension(4) is None


def test_two_byte_extensions_are_written_when_one_byte_cannot_hold_them() -> None:
    assert serialize_elements([(1, b"")]) == (0x1000, b"\1\0\0\0")
    assert serialize_elements([(15, b"x")]) == (0x1000, b"\x0f\1x\0")
    profile, data = serialize_elements([(1, b"a"), (2, b"b" * 17)])
    assert (profile, len(data) % 4) == (0x1000, 0)
    assert parse_elements(profile, data) == ((1, b"a"), (2, b"b" * 17))
    with pytest.raises(ValueError, match="needs an id"):
        serialize_elements([(256, b"")])


@pytest.mark.parametrize(
    ("profile", "data", "elements"),
    [
        (0xBEDE, "10ff 00 20ee", ((1, b"\xff"), (2, b"\xee"))),
        (0xBEDE, "10ff f0ee 20dd", ((1, b"\xff"),)),
        (0xBEDE, "10ff 03ee", ((1, b"\xff"),)),
        (0xBEDE, "10ff 2fee", ((1, b"\xff"),)),
        (0x100F, "0102ffee 000201aa", ((1, b"\xff\xee"), (2, b"\xaa"))),
        (0x1000, "0100 02", ((1, b""),)),
        (0x1000, "01ff ee", ()),
        (0xABAC, "10ff", ()),
    ],
    ids=["padding", "id 15 ends", "id 0 ends", "cut", "appbits", "cut head", "cut value", "foreign profile"],
)
def test_elements_up_to_the_first_malformed_one_are_good(
    profile: int, data: str, elements: tuple[tuple[int, bytes], ...]
) -> None:
    assert parse_elements(profile, bytes.fromhex(data)) == elements


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"", "RTP packet has 0 bytes (its header has 12)"),
        (HEAD[:11], "RTP packet has 11 bytes (its header has 12)"),
        (b"\x40" + HEAD[1:], "RTP version is 1, not 2"),
        (b"\x82" + HEAD[1:] + bytes(7), "RTP packet ends within its 2 CSRCs"),
        (b"\x90" + HEAD[1:] + b"\xbe\xde\0", "RTP packet ends within the head of its header extension"),
        (b"\x90" + HEAD[1:] + b"\xbe\xde\0\2" + bytes(7), "RTP packet ends within its header extension of 8 bytes"),
        (b"\xa0" + HEAD[1:] + b"\0", "RTP padding of 0 bytes does not fit 1 of payload"),
        (b"\xa0" + HEAD[1:] + b"\2", "RTP padding of 2 bytes does not fit 1 of payload"),
        (b"\xa0" + HEAD[1:], "RTP padding of 239 bytes does not fit 0 of payload"),
        (HEAD + bytes(65_527), "RTP packet has 65539 bytes (at most 65527)"),
    ],
)
def test_a_malformed_packet_is_refused_with_what_is_wrong(wire: bytes, error: str) -> None:
    with pytest.raises(WireError) as raised:
        RtpPacket.parse(wire)
    assert str(raised.value) == error


@pytest.mark.parametrize("packet", [RtpPacket(128, 0, 0, 0), RtpPacket(0, 0, 0, 0, csrcs=(1,) * 16)])
def test_a_packet_with_a_field_out_of_range_is_not_written(packet: RtpPacket) -> None:
    with pytest.raises(ValueError, match="more than 15 CSRCs"):
        bytes(packet)


def test_rtcp_is_told_from_rtp_by_its_second_byte() -> None:
    assert [is_rtcp(bytes([0x80, second])) for second in (191, 192, 200, 207, 223, 224)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert not is_rtcp(b"\x80")


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (AudioLevel(True, 33), "a1"),
        (AudioLevel(False, 127), "7f"),
        (AbsSendTime(0x123456), "123456"),
        (VideoOrientation(True, False, 3), "0b"),
        (PlayoutDelay(0, 40_950), "000fff"),
        (PlayoutDelay(100, 200), "00a014"),
        (AbsCaptureTime(1), "0000000000000001"),
        (AbsCaptureTime(1, -1), "0000000000000001ffffffffffffffff"),
    ],
)
def test_extension_values_in_known_bytes(
    value: AudioLevel | AbsSendTime | VideoOrientation | PlayoutDelay | AbsCaptureTime, wire: str
) -> None:
    assert bytes(value).hex() == wire
    assert type(value).parse(bytes.fromhex(wire)) == value
    with pytest.raises(WireError, match="bytes"):
        type(value).parse(b"")


def test_abs_send_time_wraps_every_64_seconds() -> None:
    assert AbsSendTime.from_us(1_500_000).ticks == 0x60000
    assert AbsSendTime.from_us(64_000_000 + 1_500_000) == AbsSendTime.from_us(1_500_000)
    assert AbsSendTime(0x60000).us == 1_500_000


def test_stream_names_and_transport_numbers() -> None:
    assert parse_sdes_text(b"cam-0") == "cam-0"
    assert parse_transport_seq(b"\x01\x02") == 258
    for bad in (b"", b"a b", b"\xc3\xa9", b"x" * 33):
        with pytest.raises(WireError, match="printable ASCII"):
            parse_sdes_text(bad)
    with pytest.raises(WireError, match="2 are expected"):
        parse_transport_seq(b"\1")


def test_a_retransmission_carries_the_original_sequence_number() -> None:
    original = RtpPacket(96, 0x1234, 9, 1, True, extensions=((1, b"0"),), payload=b"abc")
    rtx = wrap_rtx(original, pt=97, ssrc=2, seq=7)
    assert (rtx.pt, rtx.ssrc, rtx.seq, rtx.timestamp, rtx.marker) == (97, 2, 7, 9, True)
    assert rtx.payload == b"\x12\x34abc"
    assert unwrap_rtx(rtx, pt=96, ssrc=1) == original
    with pytest.raises(WireError, match="no original sequence number"):
        unwrap_rtx(RtpPacket(97, 8, 9, 2, padding_size=200), pt=96, ssrc=1)


def test_red_in_known_bytes() -> None:
    blocks = (RedBlock(111, b"old", 960), RedBlock(111, b"new"))
    assert serialize_red(blocks) == bytes.fromhex("ef0f0003 6f") + b"oldnew"
    assert parse_red(serialize_red(blocks)) == blocks
    assert parse_red(b"\x6f") == (RedBlock(111, b""),)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", "RED payload has no primary block"),
        (b"\xef\x0f\0", "RED payload ends within a block head"),
        (b"\xef\x0f\0\3", "RED payload has no primary block"),
        (b"\xef\x0f\0\3\x6fab", "RED payload ends within a redundant block"),
        (b"\xef\0\0\0" * 32 + b"\x6f", "or has more than 32 blocks"),
    ],
)
def test_malformed_red_is_refused(payload: bytes, error: str) -> None:
    with pytest.raises(WireError, match=error):
        parse_red(payload)


def test_a_redundant_block_too_large_is_not_written() -> None:
    with pytest.raises(ValueError, match="1,023 bytes"):
        serialize_red([RedBlock(111, bytes(1024), 960), RedBlock(111, b"")])
