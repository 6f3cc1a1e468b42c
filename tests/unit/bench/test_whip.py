from __future__ import annotations

import pytest

from sfu.bench.whip import Local, SignalingError, offer, parse_answer

LOCAL = Local("ufra", "p" * 22, "sha-256 AB", audio_ssrc=10, video_ssrc=11)
LINES = [
    "v=0",
    "m=audio 40000 UDP/TLS/RTP/SAVPF 111",
    "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host",
    "a=ice-ufrag:serv",
    "a=ice-pwd:server0password00000000",
    "a=fingerprint:sha-256 AB:CD",
    "m=video 40000 UDP/TLS/RTP/SAVPF 96",
]
ANSWER = "\r\n".join(LINES)


def test_a_publisher_names_its_streams_and_a_subscriber_has_none() -> None:
    assert "a=ssrc:11 cname:bench" in offer(LOCAL, "sendonly", audio=True)
    assert "a=ssrc" not in offer(LOCAL, "recvonly", audio=True)


def test_without_audio_there_is_no_line_of_it() -> None:
    assert "m=audio" not in offer(LOCAL, "sendonly", audio=False)
    assert "a=group:BUNDLE 1\r\n" in offer(LOCAL, "sendonly", audio=False)


def test_only_who_receives_takes_retransmissions() -> None:
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" in offer(LOCAL, "recvonly", audio=True)
    assert "a=fmtp:97 apt=96\r\n" in offer(LOCAL, "recvonly", audio=True)
    assert "rtx" not in offer(LOCAL, "sendonly", audio=True)


@pytest.mark.parametrize(
    ("lines", "pt"),
    [
        ([], None),
        (["a=rtpmap:96 VP8/90000", "a=fmtp:97 apt=96"], 97),
        (["a=rtpmap:101 VP8/90000", "a=rtpmap:102 rtx/90000", "a=fmtp:102 apt=101"], 102),
        (["a=rtpmap:96 VP8/90000", "a=rtpmap:98 VP9/90000", "a=fmtp:99 apt=98"], None),
        (["a=rtpmap:96 VP8/90000", "a=fmtp:128 apt=96"], None),
        (["a=rtpmap:96 VP8/90000", "a=fmtp:97 apt=960"], None),
    ],
)
def test_an_answer_says_where_retransmissions_come(lines: list[str], pt: int | None) -> None:
    assert parse_answer("\r\n".join([ANSWER, *lines])).rtx_pt == pt


def test_an_answer_says_where_the_server_is_and_who() -> None:
    answer = parse_answer(ANSWER)
    assert answer.address == ("192.0.2.1", 40000)
    assert (answer.ufrag, answer.pwd) == ("serv", "server0password00000000")
    assert answer.fingerprint == ("sha-256", "AB:CD")


@pytest.mark.parametrize(
    ("line", "extension_id"),
    [
        ("", 6),
        ("a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 5),
        ("a=extmap:14/sendonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r", 14),
        ("a=extmap:15 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 6),
        ("a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid", 6),
    ],
)
def test_a_server_may_number_transport_wide_feedback_in_its_own_way(line: str, extension_id: int) -> None:
    assert parse_answer(f"{ANSWER}\r\n{line}\n").transport_cc_id == extension_id


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("typ host", "typ relay", "no UDP host candidate"),
        ("m=video 40000", "m=video 0", "refuses m=video"),
        ("a=ice-pwd", "a=x", "no a=ice-pwd"),
        ("sha-256", "md5", "fingerprint of md5"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_why(old: str, new: str, complaint: str) -> None:
    with pytest.raises(SignalingError, match=complaint):
        parse_answer(ANSWER.replace(old, new))
