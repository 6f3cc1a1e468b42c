"""Strategies for RTP and RTCP packets, and for bytes that nearly are some."""

from __future__ import annotations

from hypothesis import strategies as st

from sfu.rtcp.compound import RtcpPacket
from sfu.rtcp.feedback import FullIntraRequest, Nack, PictureLossIndication, ReceiverEstimatedBitrate
from sfu.rtcp.report import ReceiverReport, ReportBlock, SenderReport
from sfu.rtcp.sdes import Bye, SdesChunk, SourceDescription
from sfu.rtcp.twcc import TransportFeedback
from sfu.rtp.packet import RtpPacket

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)

one_byte_elements = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=6)
two_byte_elements = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=60)), max_size=6)

rtp_packet = st.builds(
    RtpPacket,
    pt=st.integers(0, 127),
    seq=u16,
    timestamp=u32,
    ssrc=u32,
    marker=st.booleans(),
    csrcs=st.lists(u32, max_size=15).map(tuple),
    extensions=st.one_of(one_byte_elements, two_byte_elements).map(tuple),
    payload=st.binary(max_size=200),
    padding_size=u8,
)

report_block = st.builds(ReportBlock, u32, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32)
blocks = st.lists(report_block, max_size=4).map(tuple)
sdes_chunk = st.builds(
    SdesChunk, u32, st.lists(st.tuples(st.integers(1, 8), st.binary(max_size=40)), max_size=3).map(tuple)
)


@st.composite
def rising_seqs(draw: st.DrawFn) -> tuple[int, ...]:
    """Sequence numbers in rising order, less than once round."""
    seq = draw(u16)
    seqs = [seq]
    for step in draw(st.lists(st.integers(1, 100), max_size=40)):
        seq += step
        seqs.append(seq & 0xFFFF)
    return tuple(seqs)


@st.composite
def bitrates(draw: st.DrawFn) -> int:
    """Rates that REMB can say exactly."""
    return draw(st.integers(0, 2**18 - 1)) << draw(st.integers(0, 46))


delta = st.one_of(st.none(), st.integers(0, 255), st.integers(-(2**15), 2**15 - 1))
deltas = st.one_of(
    st.lists(delta, max_size=80),
    st.lists(st.tuples(delta, st.integers(1, 60)), max_size=8).map(
        lambda runs: [value for value, length in runs for _ in range(length)]
    ),
).map(tuple)

sender_report = st.builds(SenderReport, u32, u64, u32, u32, u32, blocks)
receiver_report = st.builds(ReceiverReport, u32, blocks)
source_description = st.builds(SourceDescription, st.lists(sdes_chunk, max_size=3).map(tuple))
bye = st.builds(Bye, st.lists(u32, max_size=4).map(tuple), st.binary(max_size=20))
nack = st.builds(Nack, u32, u32, rising_seqs())
pli = st.builds(PictureLossIndication, u32, u32)
fir = st.builds(FullIntraRequest, u32, st.lists(st.tuples(u32, u8), min_size=1, max_size=4).map(tuple))
remb = st.builds(ReceiverEstimatedBitrate, u32, bitrates(), st.lists(u32, max_size=5).map(tuple))
transport_feedback = st.builds(TransportFeedback, u32, u32, u16, st.integers(-(2**23), 2**23 - 1), u8, deltas)
rtcp_packet: st.SearchStrategy[RtcpPacket] = st.one_of(
    sender_report, receiver_report, source_description, bye, nack, pli, fir, remb, transport_feedback
)


@st.composite
def mutated(draw: st.DrawFn, packets: st.SearchStrategy[RtpPacket] | st.SearchStrategy[RtcpPacket]) -> bytes:
    """A packet with some bytes overwritten, cut or appended."""
    data = bytearray(bytes(draw(packets)))
    for _ in range(draw(st.integers(0, 4))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(u8)
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data) + draw(st.binary(max_size=8))
