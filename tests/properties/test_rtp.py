"""RTP and RTCP: what is written reads the same, and no bytes do worse than ``WireError``."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.packets import mutated, rtcp_packet, rtp_packet, u16, u32

from sfu.errors import WireError
from sfu.rtcp.compound import RtcpPacket, parse_compound, serialize_compound
from sfu.rtcp.wire import RawPacket
from sfu.rtp.extension import parse_elements, serialize_elements
from sfu.rtp.packet import RtpPacket
from sfu.rtp.red import RedBlock, parse_red, serialize_red
from sfu.rtp.rtx import unwrap_rtx, wrap_rtx


@given(rtp_packet)
def test_an_rtp_packet_reads_as_it_was_written(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


@given(rtp_packet, st.integers(0, 127), u32, u16)
def test_a_retransmission_gives_the_original_back(packet: RtpPacket, pt: int, ssrc: int, seq: int) -> None:
    rtx = RtpPacket.parse(bytes(wrap_rtx(packet, pt=pt, ssrc=ssrc, seq=seq)))
    assert unwrap_rtx(rtx, pt=packet.pt, ssrc=packet.ssrc) == packet


@given(st.lists(rtcp_packet, min_size=1, max_size=6))
def test_an_rtcp_datagram_reads_as_it_was_written(packets: list[RtcpPacket]) -> None:
    assert parse_compound(serialize_compound(packets)) == packets


@given(
    st.lists(st.builds(RedBlock, st.integers(0, 127), st.binary(max_size=1023), st.integers(0, 0x3FFF)), max_size=31),
    st.builds(RedBlock, st.integers(0, 127), st.binary()),
)
def test_red_reads_as_it_was_written(redundant: list[RedBlock], primary: RedBlock) -> None:
    blocks = (*redundant, primary)
    assert parse_red(serialize_red(blocks)) == blocks


@given(st.one_of(st.binary(), mutated(rtp_packet)))
def test_no_bytes_do_worse_to_rtp_than_an_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        packet = RtpPacket.parse(data)
        assert RtpPacket.parse(bytes(packet)) == packet
    with contextlib.suppress(WireError):
        parse_red(data)


@given(st.one_of(st.binary(), mutated(rtcp_packet)))
def test_no_bytes_do_worse_to_rtcp_than_an_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        for packet in parse_compound(data):
            if isinstance(packet, RawPacket):
                assert packet in parse_compound(bytes(packet))


@given(st.sampled_from([0xBEDE, 0x1000, 0x100F, 0]), st.binary(max_size=300))
def test_elements_that_were_read_can_be_written(profile: int, data: bytes) -> None:
    elements = parse_elements(profile, data)
    if elements:
        assert parse_elements(*serialize_elements(elements)) == elements
