"""WHIP and WHEP: clients offer, we answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.sdp.conftest import CANDIDATE, slot

from sfu.errors import RemoteError
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, ExtensionKind, Kind, LocalTransportParameters
from sfu.sdp.attributes import Direction, ExtMap, FormatParameters, Group, SetupRole, Simulcast, Ssrc
from sfu.sdp.description import SessionDescription
from sfu.sdp.formats import h264_profile
from sfu.sdp.negotiate import CodecPolicy, NegotiatedSession, answer_offer

OPUS, RED, VP8 = CodecId(CodecName.OPUS), CodecId(CodecName.RED), CodecId(CodecName.VP8)
H264_BASE, H264_HIGH = CodecId(CodecName.H264), CodecId(CodecName.H264, 1)

Answer = tuple[SessionDescription, NegotiatedSession]
Publish = Callable[..., Answer]
Watch = Callable[[str], Answer]


@pytest.fixture
def publish(local: LocalTransportParameters) -> Publish:
    """Answers a publisher's offer; what we write must go through text unharmed."""

    def answer(text: str, policy: CodecPolicy | None = None) -> Answer:
        offer = SessionDescription.parse(text)
        ours, session = answer_offer(offer, local, policy or CodecPolicy(), accept_ingress=True, session_id=9)
        assert SessionDescription.parse(str(ours)) == ours
        assert len(ours.media) == len(offer.media) == len(session.media)
        assert [(m.kind, m.protocol) for m in ours.media] == [(m.kind, m.protocol) for m in offer.media]
        return ours, session

    return answer


@pytest.fixture
def watch(local: LocalTransportParameters) -> Watch:
    """Answers a viewer's offer with one audio and one video stream to send."""

    def answer(text: str) -> Answer:
        egress = (slot(100, Kind.VIDEO), slot(101, Kind.AUDIO))
        offer = SessionDescription.parse(text)
        return answer_offer(offer, local, CodecPolicy(), egress=egress, accept_ingress=False, session_id=9)

    return answer


def video_offer(*lines: str, formats: str = "96", session: str = "", head: str = "a=mid:0\r\n") -> str:
    """A publisher's offer of one video m-line."""
    fingerprint = ":".join(["CD"] * 32)
    return (
        f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{session}m=video 9 UDP/TLS/RTP/SAVPF {formats}\r\n"
        f"{head}a=ice-ufrag:user\r\na=ice-pwd:{'w' * 22}\r\na=fingerprint:sha-256 {fingerprint}\r\na=rtcp-mux\r\n"
        + "".join(f"{line}\r\n" for line in lines)
    )


def test_chromium_publishes_three_encodings_and_its_data_channel_is_rejected(
    publish: Publish, vector: Callable[[str], str]
) -> None:
    answer, session = publish(vector("chromium-156-publish-offer"))
    assert [media.port for media in answer.media] == [9, 9, 0]
    assert answer.bundle == ("0", "1")
    assert [(m.receives, m.sends, m.rejected) for m in session.media] == [
        (True, False, False),
        (True, False, False),
        (False, False, True),
    ]
    assert session.media[0].encodings == tuple(EncodingParameters(rid=rid) for rid in "qhf")
    assert str(answer.media[0].first(Simulcast)) == "recv q;h;f"
    assert answer.media[0].payload_types == (96, 97, 98, 99, 102, 103, 116, 117, 45, 46)
    assert dict(session.receive.extensions)[9] is ExtensionKind.MID
    assert answer.media[0].candidates == (CANDIDATE,)
    assert session.send.payload_types == ()


def test_firefox_publishes_bundle_only_video_with_the_transport_of_its_audio(
    publish: Publish, vector: Callable[[str], str]
) -> None:
    answer, session = publish(vector("firefox-style-offer"))
    assert session.remote.ufrag == "f1a3c05d"
    assert [encoding.rid for encoding in session.media[1].encodings] == ["lo", "hi"]
    assert str(answer.media[1].first(Simulcast)) == "recv lo;hi"
    assert session.media[1].codecs == (VP8, CodecId(CodecName.VP9), H264_BASE)
    # Its H264 of packetization mode 0 is not taken beside that of mode 1.
    assert 97 not in answer.media[1].payload_types
    directions = {extmap.id: extmap.direction for extmap in answer.media[1].all(ExtMap)}
    assert directions[8] is Direction.RECVONLY
    assert directions[6] is Direction.SENDONLY
    # Not in what it sends, so nothing to read on ingress.
    assert 6 not in dict(session.receive.extensions)


def test_obs_publishes_h264_and_stereo_with_the_transport_in_the_session_part(
    publish: Publish, vector: Callable[[str], str]
) -> None:
    answer, session = publish(vector("obs-style-offer"))
    assert [m.codecs for m in session.media] == [(OPUS,), (H264_BASE,)]
    assert session.media[1].encodings == (EncodingParameters(ssrc=2733180332),)
    opus = answer.media[0].first(FormatParameters)
    assert opus is not None
    assert opus.values == {"minptime": "10", "useinbandfec": "1", "stereo": "1"}
    assert not session.rtcp_reduced_size


def test_discontinuous_transmission_passes_when_the_client_offers_it(publish: Publish) -> None:
    text = video_offer("a=rtpmap:111 opus/48000/2", "a=fmtp:111 usedtx=1", formats="111").replace("m=video", "m=audio")
    opus = publish(text)[0].media[0].first(FormatParameters)
    assert opus is not None
    assert opus.values == {"minptime": "10", "useinbandfec": "1", "usedtx": "1"}


def test_gstreamer_publishes_one_m_line_without_mid_or_group(publish: Publish, vector: Callable[[str], str]) -> None:
    answer, session = publish(vector("gstreamer-style-offer"))
    assert answer.media[0].mid is None
    assert answer.first(Group) is None
    assert session.media[0].mid == "0"
    assert session.media[0].codecs == (H264_HIGH,)
    assert session.media[0].encodings == (EncodingParameters(ssrc=3401221144, rtx_ssrc=1187725523),)


def test_a_passive_publisher_gets_an_active_server(publish: Publish, vector: Callable[[str], str]) -> None:
    answer, session = publish(vector("ffmpeg-style-offer"))
    assert [media.setup for media in answer.media] == [SetupRole.ACTIVE] * 2
    assert session.remote.dtls_role == "client"
    assert session.media[1].codecs == (H264_HIGH,)


@pytest.mark.parametrize("setup", ["a=setup:actpass", "a=setup:active", ""])
def test_any_other_publisher_gets_a_passive_server(publish: Publish, setup: str) -> None:
    answer, session = publish(video_offer(*filter(None, [setup]), "a=rtpmap:96 VP8/90000"))
    assert answer.media[0].setup is SetupRole.PASSIVE
    assert session.remote.dtls_role == "server"


def test_aiortc_publishes_with_its_own_payload_types(publish: Publish, vector: Callable[[str], str]) -> None:
    answer, session = publish(vector("aiortc-1.16-offer"))
    assert [media.direction for media in answer.media] == [Direction.RECVONLY] * 2
    assert [(entry.pt, entry.codec) for entry in session.receive.payload_types] == [
        (96, OPUS),
        (97, VP8),
        (99, H264_BASE),
    ]


def test_our_order_of_codecs_wins_in_the_answer(publish: Publish, vector: Callable[[str], str]) -> None:
    policy = CodecPolicy(video=(CodecName.AV1, CodecName.VP8))
    answer, session = publish(vector("chromium-156-publish-offer"), policy)
    assert answer.media[0].payload_types == (45, 46, 96, 97)
    assert session.media[0].codecs == (CodecId(CodecName.AV1), VP8)


def test_a_viewer_is_sent_one_stream_of_each_kind_under_its_own_mids(watch: Watch) -> None:
    text = video_offer("a=recvonly", "a=rtpmap:96 VP8/90000", session="a=group:BUNDLE v a v2\r\n", head="a=mid:v\r\n")
    audio = "m=audio 9 UDP/TLS/RTP/SAVPF 5\r\na=mid:a\r\na=rtcp-mux\r\na=recvonly\r\na=rtpmap:5 opus/48000/2\r\n"
    second = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v2\r\na=rtcp-mux\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n"
    answer, session = watch(text + audio + second)
    assert [(m.mid, m.sends, m.receives) for m in session.media] == [
        ("v", True, False),
        ("a", True, False),
        ("v2", False, False),
    ]
    assert [media.direction for media in answer.media] == [Direction.SENDONLY, Direction.SENDONLY, Direction.INACTIVE]
    assert [row.ssrc for row in answer.media[0].all(Ssrc)] == [1100, 1100, 2100, 2100]
    assert [row.ssrc for row in answer.media[1].all(Ssrc)] == [1101, 1101]
    assert {entry.pt for entry in session.send.payload_types} == {96, 5}
    assert session.receive.payload_types == ()


@pytest.mark.parametrize(
    ("direction", "parameters", "codec"),
    [
        ("sendonly", "packetization-mode=1;profile-level-id=42e01f", H264_BASE),
        ("sendonly", "packetization-mode=1;profile-level-id=42001f", H264_BASE),
        ("sendonly", "packetization-mode=1;profile-level-id=4d001f", H264_HIGH),
        ("sendonly", "packetization-mode=1;profile-level-id=64001f", H264_HIGH),
        ("sendonly", "packetization-mode=1;profile-level-id=640c1f", H264_HIGH),
        ("sendonly", "packetization-mode=1;profile-level-id=F4001F", None),
        ("sendonly", "packetization-mode=0;profile-level-id=42e01f", H264_BASE),
        ("sendonly", "profile-level-id=42e01f", H264_BASE),
        ("sendonly", "packetization-mode=1", H264_BASE),
        ("sendonly", "packetization-mode=2;profile-level-id=42e01f", None),
        ("sendonly", "packetization-mode=1;profile-level-id=nonsense", None),
        ("recvonly", "packetization-mode=1;profile-level-id=42e01f", H264_BASE),
        ("recvonly", "packetization-mode=1;profile-level-id=4d001f", H264_BASE),
        ("recvonly", "packetization-mode=1;profile-level-id=f4001f", H264_HIGH),
        ("recvonly", "packetization-mode=0;profile-level-id=42e01f", None),
    ],
)
def test_h264_formats_mean_the_decoder_that_is_needed_or_there(
    publish: Publish, watch: Watch, direction: str, parameters: str, codec: CodecId | None
) -> None:
    text = video_offer(f"a={direction}", "a=rtpmap:96 H264/90000", f"a=fmtp:96 {parameters}")
    answer = publish if direction == "sendonly" else watch
    if codec is None:
        with pytest.raises(RemoteError, match="no m-line of the offer can be accepted"):
            answer(text)
    else:
        assert answer(text)[1].media[0].codecs == (codec,)


@pytest.mark.parametrize(
    ("profile_level_id", "profile"),
    [
        ("42e01f", "constrained baseline"),
        ("4d801f", "constrained baseline"),
        ("58c01f", "constrained baseline"),
        ("42001f", "baseline"),
        ("58801f", "baseline"),
        ("4d001f", "main"),
        ("4d401f", "main"),
        ("64001f", "high"),
        ("640c1f", "constrained high"),
        ("6e001f", None),
        ("42e0", None),
        ("42e01fff", None),
    ],
)
def test_h264_profiles_of_rfc_6184_table_5(profile_level_id: str, profile: str | None) -> None:
    assert h264_profile(profile_level_id) == profile


def test_red_counts_only_around_an_opus_that_is_there(publish: Publish) -> None:
    base = video_offer("a=rtpmap:96 VP8/90000", session="a=group:BUNDLE 0 1\r\n")
    audio = "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
    audio += "a=rtpmap:63 red/48000/2\r\n"
    assert publish(base + audio + "a=fmtp:63 111/111\r\n")[1].media[1].codecs == (OPUS, RED)
    assert publish(base + audio + "a=fmtp:63 0/0\r\n")[1].media[1].codecs == (OPUS,)
    assert publish(base + audio)[1].media[1].codecs == (OPUS,)


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        (["a=rid:a send max-width=1280", "a=rid:b send max-width=320", "a=simulcast:send a;b"], ["b", "a"]),
        (["a=rid:h send", "a=rid:q send", "a=simulcast:send h;q"], ["q", "h"]),
        (["a=rid:0 send", "a=rid:1 send", "a=rid:2 send", "a=simulcast:send 0;1;2"], ["2", "1", "0"]),
        (["a=rid:x send", "a=rid:y send", "a=simulcast:send x,y;~y"], ["x", "y"]),
        (["a=rid:x send", "a=simulcast:send x;undeclared"], ["x"]),
        ([*(f"a=rid:z{n} send" for n in range(6)), "a=simulcast:send z0;z1;z2;z3;z4;z5"], ["z0", "z1", "z2", "z3"]),
    ],
    ids=["sizes", "ladder", "numbers", "alternatives", "undeclared", "bounded"],
)
def test_encodings_come_lowest_quality_first(publish: Publish, lines: list[str], rids: list[str]) -> None:
    rid_extension = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    answer, session = publish(video_offer("a=sendonly", "a=rtpmap:96 VP8/90000", rid_extension, *lines))
    assert [encoding.rid for encoding in session.media[0].encodings] == rids
    assert str(answer.media[0].first(Simulcast)) == "recv " + ";".join(rids)


def test_rids_that_packets_cannot_carry_are_not_agreed(publish: Publish) -> None:
    lines = ["a=rtpmap:96 VP8/90000", "a=rid:q send", "a=rid:h send", "a=simulcast:send q;h"]
    answer, session = publish(video_offer(*lines))
    assert session.media[0].encodings == (EncodingParameters(),)
    assert answer.media[0].first(Simulcast) is None


def test_extension_ids_beyond_one_byte_headers_and_unknown_ones_are_left_out(publish: Publish) -> None:
    transport_cc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    lines = ["a=extmap:15 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap:3 urn:x", f"a=extmap:7 {transport_cc}"]
    answer, session = publish(video_offer("a=rtpmap:96 VP8/90000", *lines))
    assert session.receive.extensions == ((7, ExtensionKind.TRANSPORT_CC),)
    assert [extmap.id for extmap in answer.media[0].all(ExtMap)] == [7]


def test_payload_types_that_look_like_rtcp_are_left_out(publish: Publish) -> None:
    text = video_offer("a=rtpmap:72 VP8/90000", "a=rtpmap:96 VP8/90000", formats="72 96")
    assert publish(text)[0].media[0].payload_types == (96,)


def test_m_lines_outside_the_bundle_group_are_rejected(publish: Publish) -> None:
    lines = "a=mid:1\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
    text = video_offer("a=rtpmap:96 VP8/90000", session="a=group:BUNDLE 0\r\n")
    answer, session = publish(text + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" + lines)
    assert [media.port for media in answer.media] == [9, 0]
    assert session.media[1].rejected


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        (video_offer("a=rtpmap:96 H265/90000"), "unsupported_media", "no m-line of the offer can be accepted"),
        (video_offer("a=rtpmap:96 VP8/90000").replace("video 9", "video 0"), "unsupported_media", "no m-line"),
        (video_offer("a=rtpmap:96 VP8/90000", "a=setup:holdconn"), "bad_sdp", "a=setup:holdconn cannot carry media"),
        (video_offer("a=rtpmap:96 VP8/90000", session="a=ice-lite\r\n"), "unsupported_media", "the remote is ICE-lite"),
        (
            video_offer("a=rtpmap:96 VP8/90000").replace("a=rtcp-mux\r\n", ""),
            "unsupported_media",
            "m-line '0' does not",
        ),
        (
            video_offer("a=rtpmap:96 VP8/90000").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            "unsupported_media",
            "m-line '0' uses RTP/AVP",
        ),
        (
            video_offer("a=rtpmap:96 VP8/90000") + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
            "unsupported_media",
            "the offer has several m-lines and no BUNDLE group",
        ),
        (
            video_offer("a=rtpmap:96 VP8/90000", session="a=group:BUNDLE 0 1\r\n")
            + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP9/90000\r\n",
            "bad_sdp",
            "payload type 96 means two codecs in one BUNDLE group",
        ),
    ],
)
def test_an_offer_that_cannot_be_answered_is_refused(publish: Publish, text: str, code: str, error: str) -> None:
    with pytest.raises(RemoteError) as raised:
        publish(text)
    assert raised.value.code == code
    assert str(raised.value).startswith(error)
