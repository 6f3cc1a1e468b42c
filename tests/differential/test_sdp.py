"""SDP: our model and aiortc's read the same text alike, and aiortc's peer connection agrees with our negotiation."""

from __future__ import annotations

from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc import sdp as aiortc_sdp
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from hypothesis import given
from hypothesis import strategies as st

from sfu.ice.candidates import Candidate
from sfu.rtp.codecs import CodecName, Fingerprint, Kind, LocalTransportParameters
from sfu.sdp.attributes import ExtMap, FormatParameters, RtcpFeedback, RtpMapping, Ssrc, SsrcGroup
from sfu.sdp.description import MediaDescription, SessionDescription
from sfu.sdp.negotiate import CodecPolicy, EgressSection, IngressSection, answer_offer, apply_answer, build_offer

ssrc = st.integers(1, 2**32 - 1)
kind = st.sampled_from(Kind)
word = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4, max_size=8)
ingress = st.builds(IngressSection, st.just(""), kind, st.just(()) | st.just(("q", "h", "f")))
egress = st.builds(EgressSection, st.just(""), kind, ssrc, st.none() | ssrc, word, word, word).filter(
    lambda section: section.ssrc != section.rtx_ssrc
)
codecs = st.permutations([CodecName.VP8, CodecName.VP9, CodecName.H264, CodecName.AV1])
candidate = st.builds(
    Candidate,
    st.sampled_from(["1", "2"]),
    st.just(1),
    st.just("udp"),
    st.integers(1, 2**31 - 1),
    st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    st.integers(1, 65535),
    st.just("host"),
)
local_parameters = st.builds(
    LocalTransportParameters,
    word,
    word.map(lambda text: text * 6),
    st.binary(min_size=32, max_size=32).map(lambda digest: (Fingerprint("sha-256", digest.hex(":").upper()),)),
    st.lists(candidate.map(str), max_size=3).map(tuple),
)


@st.composite
def our_offer(draw: st.DrawFn) -> SessionDescription:
    sections = [
        section.__class__(**{field: getattr(section, field) for field in section.__slots__} | {"mid": str(index)})
        for index, section in enumerate(draw(st.lists(ingress | egress, min_size=1, max_size=6)))
    ]
    policy = CodecPolicy(video=tuple(draw(codecs)[: draw(st.integers(1, 4))]))
    return build_offer(draw(local_parameters), sections, policy, session_id=draw(st.integers(0, 2**63)), version=1)


def ours_of(media: MediaDescription) -> dict[str, Any]:
    """What our model says of an m-line, in the terms of ``theirs_of``."""
    parameters = {fmtp.pt: fmtp.values for fmtp in media.all(FormatParameters)}
    feedback = {
        pt: [row.feedback for row in media.all(RtcpFeedback) if row.pt in (pt, None)] for pt in media.payload_types
    }
    return {
        "kind": media.kind,
        "port": media.port,
        "protocol": media.protocol,
        "formats": list(media.payload_types),
        "direction": media.direction,
        "mid": media.mid,
        "codecs": {
            row.pt: (row.encoding, row.clock_rate_hz, parameters.get(row.pt, {}), feedback[row.pt])
            for row in media.all(RtpMapping)
        },
        "extensions": [(extmap.id, extmap.uri) for extmap in media.all(ExtMap)],
        "ssrcs": list(dict.fromkeys(row.ssrc for row in media.all(Ssrc))),
        "cnames": [row.value for row in media.all(Ssrc) if row.attribute == "cname"],
        "groups": [(group.semantics, list(group.ssrcs)) for group in media.all(SsrcGroup)],
        "ice": (media.ufrag, media.pwd),
        "fingerprints": [(fingerprint.algorithm, fingerprint.value) for fingerprint in media.fingerprints],
        "role": media.setup,
        "candidates": [
            (found.foundation, found.component, found.transport, found.priority, found.ip, found.port, found.type)
            for found in map(Candidate.parse, media.candidates)
        ],
        "rtcp_mux": media.has("rtcp-mux"),
    }


def theirs_of(media: aiortc_sdp.MediaDescription) -> dict[str, Any]:
    return {
        "kind": media.kind,
        "port": media.port,
        "protocol": media.profile,
        "formats": media.fmt,
        "direction": media.direction,
        "mid": media.rtp.muxId or None,
        "codecs": {
            codec.payloadType: (
                codec.name,
                codec.clockRate,
                {key: "" if value is None else str(value) for key, value in codec.parameters.items()},
                [" ".join(filter(None, (row.type, row.parameter))) for row in codec.rtcpFeedback],
            )
            for codec in media.rtp.codecs
        },
        "extensions": [(header.id, header.uri) for header in media.rtp.headerExtensions],
        "ssrcs": [row.ssrc for row in media.ssrc],
        "cnames": [row.cname for row in media.ssrc if row.cname is not None],
        "groups": [(group.semantic, group.items) for group in media.ssrc_group],
        "ice": (media.ice.usernameFragment, media.ice.password),
        "fingerprints": [(fingerprint.algorithm, fingerprint.value) for fingerprint in media.dtls.fingerprints],
        "role": aiortc_sdp.DTLS_ROLE_SETUP[media.dtls.role],
        "candidates": [
            (found.foundation, found.component, found.protocol, found.priority, found.ip, found.port, found.type)
            for found in media.ice_candidates
        ],
        "rtcp_mux": media.rtcp_mux,
    }


def assert_alike(text: str) -> None:
    ours, theirs = SessionDescription.parse(text), aiortc_sdp.SessionDescription.parse(text)
    bundles = [group.items for group in theirs.group if group.semantic == "BUNDLE"]
    assert [list(ours.bundle)] == (bundles or [[]])
    assert [ours_of(media) for media in ours.media] == [theirs_of(media) for media in theirs.media]


@given(our_offer())
def test_aiortc_reads_our_offers_as_we_do(offer: SessionDescription) -> None:
    assert_alike(str(offer))


@given(our_offer())
def test_what_aiortc_writes_again_means_the_same_to_us(offer: SessionDescription) -> None:
    again = SessionDescription.parse(str(aiortc_sdp.SessionDescription.parse(str(offer))))
    for ours, theirs in zip(offer.media, again.media, strict=True):
        kept = ("kind", "port", "formats", "direction", "mid", "codecs", "extensions", "ssrcs", "groups", "ice", "role")
        assert {key: ours_of(ours)[key] for key in kept} == {key: ours_of(theirs)[key] for key in kept}


LOCAL = LocalTransportParameters("abcdEFGH", "p" * 24, (Fingerprint("sha-256", ":".join(["AB"] * 32)),))
SECTIONS = [
    IngressSection("0", Kind.AUDIO),
    IngressSection("1", Kind.VIDEO, ("q", "h", "f")),
    IngressSection("2", Kind.VIDEO, content="slides"),
    EgressSection("3", Kind.AUDIO, 1003, None, "sfu", "s", "a"),
    EgressSection("4", Kind.VIDEO, 1004, 2004, "sfu", "s", "v"),
]


async def test_an_aiortc_participant_accepts_our_offer_and_we_its_answer() -> None:
    offer = build_offer(LOCAL, SECTIONS, CodecPolicy(), session_id=1, version=1)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        await peer.setRemoteDescription(RTCSessionDescription(str(offer), "offer"))
        peer.addTrack(AudioStreamTrack())
        peer.addTrack(VideoStreamTrack())
        await peer.setLocalDescription(await peer.createAnswer())
        assert_alike(peer.localDescription.sdp)
        session = apply_answer(offer, SessionDescription.parse(peer.localDescription.sdp))
    finally:
        await peer.close()
    assert [(media.receives, media.sends) for media in session.media] == [
        (True, False),
        (True, False),
        (False, False),
        (False, True),
        (False, True),
    ]
    # aiortc knows no simulcast: one encoding, by SSRC, with its retransmissions.
    assert [encoding.rid for encoding in session.media[1].encodings] == [None]
    assert session.media[1].encodings[0].rtx_ssrc is not None
    assert {codec.name for codec in session.media[4].codecs} == {CodecName.VP8, CodecName.H264}


async def test_an_aiortc_publisher_and_an_aiortc_viewer_accept_our_answers() -> None:
    streams = (SECTIONS[3], SECTIONS[4])
    for direction, sends in (("sendonly", False), ("recvonly", True)):
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            peer.addTransceiver("audio", direction=direction)
            peer.addTransceiver("video", direction=direction)
            await peer.setLocalDescription(await peer.createOffer())
            assert_alike(peer.localDescription.sdp)
            answer, session = answer_offer(
                SessionDescription.parse(peer.localDescription.sdp),
                LOCAL,
                CodecPolicy(),
                egress=[stream for stream in streams if sends and isinstance(stream, EgressSection)],
                accept_ingress=True,
                session_id=1,
            )
            await peer.setRemoteDescription(RTCSessionDescription(str(answer), "answer"))
            assert [transceiver.currentDirection for transceiver in peer.getTransceivers()] == [direction] * 2
        finally:
            await peer.close()
        assert [(media.sends, media.receives) for media in session.media] == [(sends, not sends)] * 2
