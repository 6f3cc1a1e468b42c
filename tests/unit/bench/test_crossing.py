from __future__ import annotations

import pytest
from bench.peers import crossing
from bench.peers.adapter import PeerError

from sfu.bench import whip

CLIENT = whip.offer(whip.Local("ours", "our-password-of-length", "sha-256 AA:BB", 1, 2), "recvonly", audio=True)
SERVER = """v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
t=0 0
a=group:BUNDLE a v d
a=ice-lite
a=ice-ufrag:theirs
a=ice-pwd:their-password
a=fingerprint:sha-256 CC:DD
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
a=mid:a
a=sendonly
a=setup:actpass
a=rtcp-mux
a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:111 opus/48000/2
a=fmtp:111 useinbandfec=1
a=rtpmap:63 red/48000/2
a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host
m=video 9 UDP/TLS/RTP/SAVPF 96 97
a=mid:v
a=sendonly
a=rtcp-mux
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:d
a=sctp-port:5000
"""


def test_the_server_is_answered_in_the_name_of_the_client() -> None:
    answer = crossing.answer_to(SERVER, CLIENT)
    _, (audio, video, _) = crossing.parse(answer)
    assert [(m.kind, m.payload_types, m.first("mid")) for m in (audio, video)] == [
        ("audio", ("111",), "a"),
        ("video", ("96",), "v"),
    ]
    for section in (audio, video):
        assert section.first("ice-ufrag") == "ours"
        assert section.first("ice-pwd") == "our-password-of-length"
        assert section.first("fingerprint") == "sha-256 AA:BB"
        assert section.first("setup") == "active"
        assert section.first("recvonly") == section.first("rtcp-mux") == ""
    assert audio.all("extmap") == ["3 urn:ietf:params:rtp-hdrext:sdes:mid"]
    assert video.all("rtpmap") == ["96 VP8/90000"]
    assert "a=group:BUNDLE a v d\r\n" in answer


def test_a_data_channel_is_taken_with_the_same_transport() -> None:
    _, (_, _, data) = crossing.parse(crossing.answer_to(SERVER, CLIENT))
    assert (data.kind, data.payload_types) == ("application", ("webrtc-datachannel",))
    assert (data.first("mid"), data.first("sctp-port"), data.first("ice-ufrag")) == ("d", "5000", "ours")
    assert data.first("recvonly") is None


def test_retransmission_and_extensions_under_numbers_that_mean_something_else_are_not_taken() -> None:
    _, (_, video, _) = crossing.parse(crossing.answer_to(SERVER, CLIENT))
    assert video.all("rtcp-fb") == ["96 nack pli"]
    assert video.all("extmap") == []


def test_transport_wide_feedback_is_taken_under_the_number_that_the_clients_know() -> None:
    known = next(value for value in crossing.parse(CLIENT)[1][1].all("extmap") if "transport-wide-cc" in value)
    offer = SERVER.replace("a=extmap:5", f"a=extmap:{known.split()[0]}")
    _, (_, video, _) = crossing.parse(crossing.answer_to(offer, CLIENT))
    assert video.all("extmap") == [known]


def test_the_server_s_offer_says_all_that_an_answer_says() -> None:
    answer = whip.parse_answer(SERVER.replace("m=application 9", "m=application 1"))
    assert answer == whip.Answer(("192.0.2.1", 40000), "theirs", "their-password", ("sha-256", "CC:DD"), 5, 97)


def test_an_attribute_is_found_at_session_level_before_the_media_s() -> None:
    assert crossing.attribute(SERVER, "ice-ufrag") == "theirs"
    assert crossing.attribute(SERVER, "sctp-port") == "5000"
    with pytest.raises(PeerError, match="no a=nothing"):
        crossing.attribute(SERVER, "nothing")


def test_an_m_line_that_makes_no_sense_is_told() -> None:
    with pytest.raises(PeerError, match="makes no sense"):
        crossing.parse("v=0\r\nm=audio\r\n")
