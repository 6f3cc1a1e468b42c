from __future__ import annotations

import pytest

from sfu.bench.answer import Offer
from sfu.bench.whip import Local, SignalingError
from sfu.rtp.codecs import CodecId, CodecName, ExtensionKind, Fingerprint, Kind, LocalTransportParameters
from sfu.sdp.description import SessionDescription
from sfu.sdp.negotiate import CodecPolicy, EgressSection, IngressSection, NegotiatedSession, apply_answer, build_offer

LOCAL = Local("ufra", "p" * 22, "sha-256 " + ":".join(["AB"] * 32), audio_ssrc=10, video_ssrc=11)
SERVER = LocalTransportParameters(
    "abcdEFGH", "p" * 24, (Fingerprint("sha-256", ":".join(["CD"] * 32)),), ("1 1 udp 9 192.0.2.7 40000 typ host",)
)
SECTIONS = (
    IngressSection("0", Kind.AUDIO),
    IngressSection("1", Kind.VIDEO, ("q", "h", "f")),
    IngressSection("2", Kind.VIDEO, content="slides"),
    EgressSection("3", Kind.AUDIO, 1003, None, "sfu", "slot-3", "track-3"),
    EgressSection("4", Kind.VIDEO, 1004, 2004, "sfu", "slot-4", "track-4"),
)


def offer() -> str:
    return str(build_offer(SERVER, SECTIONS, CodecPolicy(), session_id=7, version=1))


def session(sending: set[str], rids: tuple[str, ...] = ()) -> NegotiatedSession:
    answered = Offer(offer()).answer(LOCAL, sending, rids)
    return apply_answer(SessionDescription.parse(offer()), SessionDescription.parse(answered))


def test_who_publishes_sends_one_encoding_of_each_source_and_receives_on_every_slot() -> None:
    agreed = session({"0", "1"})
    assert [(media.receives, media.sends) for media in agreed.media] == [
        (True, False),
        (True, False),
        (False, False),
        (False, True),
        (False, True),
    ]
    assert [encoding.ssrc for media in agreed.media for encoding in media.encodings] == [10, 11]


def test_a_camera_of_three_encodings_names_them_and_no_stream() -> None:
    agreed = session({"0", "1"}, ("q", "h", "f"))
    camera = next(media for media in agreed.media if media.mid == "1")
    assert [encoding.rid for encoding in camera.encodings] == ["q", "h", "f"]
    assert [encoding.ssrc for encoding in camera.encodings] == [None, None, None]
    assert dict(agreed.receive.extensions)[2] is ExtensionKind.RID


def test_encodings_that_the_server_does_not_take_are_refused() -> None:
    with pytest.raises(SignalingError, match="takes no encodings x, y"):
        Offer(offer()).answer(LOCAL, {"1"}, ("x", "y"))


def test_the_streams_of_the_offer_are_known_by_their_m_lines() -> None:
    assert Offer(offer()).mids_of_streams() == {1003: "3", 1004: "4", 2004: "4"}
    assert Offer("").mids_of_streams() == {}


def test_who_only_watches_sends_nothing() -> None:
    assert not any(media.receives for media in session(set()).media)


def test_opus_and_vp8_come_back_with_retransmission_of_vp8() -> None:
    agreed = session({"0", "1"})
    assert {entry.codec for entry in agreed.send.payload_types} == {CodecId(CodecName.OPUS), CodecId(CodecName.VP8)}
    assert {entry.rtx_pt for entry in agreed.send.payload_types} == {None, 97}


def test_an_offer_without_retransmission_is_answered_without_it() -> None:
    without = offer().replace("a=fmtp:97 apt=96", "a=fmtp:97 apt=98")
    agreed = apply_answer(
        SessionDescription.parse(without), SessionDescription.parse(Offer(without).answer(LOCAL, {"1"}))
    )
    assert all(entry.rtx_pt is None for entry in agreed.send.payload_types)


def test_the_generators_extensions_keep_their_numbers() -> None:
    assert dict(session({"0"}).send.extensions) == {
        1: ExtensionKind.MID,
        4: ExtensionKind.AUDIO_LEVEL,
        6: ExtensionKind.TRANSPORT_CC,
    }


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("a=group:BUNDLE", "a=group:LS", "no BUNDLE group"),
        ("m=video", "m=text", "m=text"),
        ("a=mid:1", "a=mud:1", "mid None"),
        ("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP7/90000", "no a=rtpmap:96 VP8"),
        ("a=extmap:6 ", "a=extmap:7 ", "numbers its extensions otherwise"),
    ],
)
def test_an_offer_that_the_generator_cannot_follow_is_refused(old: str, new: str, complaint: str) -> None:
    with pytest.raises(SignalingError, match=complaint):
        Offer(offer().replace(old, new)).answer(LOCAL, set())
