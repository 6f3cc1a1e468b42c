"""RTP: the fast parser (Rust) and the readable one (Python) say the same of any bytes; aiortc agrees on good ones."""

from __future__ import annotations

from typing import Any

from aiortc import rtp as aiortc_rtp
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import example, given
from hypothesis import strategies as st
from tests.properties.packets import mutated, rtp_packet, u16, u32

from sfu import _native
from sfu.rtp.codecs import ExtensionKind
from sfu.rtp.extension import AbsSendTime, AudioLevel, parse_sdes_text, parse_transport_seq
from sfu.rtp.packet import RtpPacket
from sfu.rtp.rtx import unwrap_rtx, wrap_rtx
from sfu.sdp.formats import EXTENSION_IDS, EXTENSION_URIS


def fast(data: bytes) -> dict[str, Any] | None:
    try:
        return _native.parse_rtp(data)
    except ValueError:
        return None


def readable(data: bytes) -> dict[str, Any] | None:
    try:
        packet = RtpPacket.parse(data)
    except ValueError:
        return None
    return {
        "marker": packet.marker,
        "pt": packet.pt,
        "seq": packet.seq,
        "timestamp": packet.timestamp,
        "ssrc": packet.ssrc,
        "csrcs": list(packet.csrcs),
        "padding_len": packet.padding_size,
        "extensions": list(packet.extensions),
        "payload": packet.payload,
    }


@given(st.one_of(rtp_packet.map(bytes), mutated(rtp_packet), st.binary(max_size=80)))
@example(bytes.fromhex("90600001 00000000 00000001 bede0001 10fff0ee"))
@example(bytes.fromhex("90600001 00000000 00000001 100f0001 0102ffee"))
@example(bytes.fromhex("b0600001 00000000 00000001 bede0000 01"))
def test_both_parsers_say_the_same_of_any_bytes(data: bytes) -> None:
    said = fast(data)
    if said is not None:
        del said["extension_form"]
    assert said == readable(data)


def extensions_map() -> aiortc_rtp.HeaderExtensionsMap:
    """aiortc's table with the ids that we offer."""
    headers = [RTCRtpHeaderExtensionParameters(EXTENSION_IDS[kind], uri) for kind, uri in EXTENSION_URIS.items()]
    table = aiortc_rtp.HeaderExtensionsMap()
    table.configure(RTCRtpParameters(headerExtensions=headers))
    return table


@given(rtp_packet)
def test_aiortc_reads_what_we_write(packet: RtpPacket) -> None:
    theirs = aiortc_rtp.RtpPacket.parse(bytes(packet))
    assert (theirs.payload_type, theirs.sequence_number, theirs.timestamp, theirs.ssrc) == (
        packet.pt,
        packet.seq,
        packet.timestamp,
        packet.ssrc,
    )
    assert (bool(theirs.marker), tuple(theirs.csrc)) == (packet.marker, packet.csrcs)
    assert (theirs.payload, theirs.padding_size) == (packet.payload, packet.padding_size)


name = st.text("abcXYZ019", min_size=1, max_size=8)


@given(
    st.builds(
        aiortc_rtp.HeaderExtensions,
        abs_send_time=st.none() | st.integers(0, 2**24 - 1),
        audio_level=st.none() | st.tuples(st.booleans(), st.integers(0, 127)),
        mid=st.none() | name,
        repaired_rtp_stream_id=st.none() | name,
        rtp_stream_id=st.none() | name,
        transport_sequence_number=st.none() | u16,
    ),
    st.binary(max_size=40),
)
def test_we_read_the_extension_values_that_aiortc_writes(values: aiortc_rtp.HeaderExtensions, payload: bytes) -> None:
    theirs = aiortc_rtp.RtpPacket(payload_type=96, sequence_number=1, payload=payload)
    theirs.extensions = values
    packet = RtpPacket.parse(theirs.serialize(extensions_map()))
    found = dict(packet.extensions)
    read = {kind: found.get(id_) for kind, id_ in EXTENSION_IDS.items()}
    expected = {
        ExtensionKind.MID: values.mid,
        ExtensionKind.RID: values.rtp_stream_id,
        ExtensionKind.REPAIRED_RID: values.repaired_rtp_stream_id,
    }
    for kind, text in expected.items():
        value = read[kind]
        assert (None if value is None else parse_sdes_text(value)) == text
    level, send_time, seq = (
        read[ExtensionKind.AUDIO_LEVEL],
        read[ExtensionKind.ABS_SEND_TIME],
        read[ExtensionKind.TRANSPORT_CC],
    )
    assert (None if level is None else AudioLevel.parse(level)) == (
        None if values.audio_level is None else AudioLevel(*values.audio_level)
    )
    assert (None if send_time is None else AbsSendTime.parse(send_time).ticks) == values.abs_send_time
    assert (None if seq is None else parse_transport_seq(seq)) == values.transport_sequence_number
    assert packet.payload == payload
    # And back: the bytes are the same but for the order of elements.
    assert aiortc_rtp.RtpPacket.parse(bytes(packet), extensions_map()).extensions == values


@given(rtp_packet.filter(lambda packet: not packet.padding_size and not packet.extensions), u16, u32)
def test_retransmissions_are_wrapped_alike(packet: RtpPacket, seq: int, ssrc: int) -> None:
    theirs = aiortc_rtp.wrap_rtx(
        aiortc_rtp.RtpPacket.parse(bytes(packet)), payload_type=97, sequence_number=seq, ssrc=ssrc
    )
    ours = wrap_rtx(packet, pt=97, ssrc=ssrc, seq=seq)
    assert bytes(ours) == theirs.serialize()
    assert bytes(unwrap_rtx(ours, pt=packet.pt, ssrc=packet.ssrc)) == (
        aiortc_rtp.unwrap_rtx(theirs, payload_type=packet.pt, ssrc=packet.ssrc).serialize()
    )
