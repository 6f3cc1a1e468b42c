"""Text to description and back: what clients really send, and what is refused with which words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest

from sfu.sdp.attributes import Direction, ExtMap, Rid, Simulcast, SimulcastRid, SsrcGroup
from sfu.sdp.description import MediaDescription, SessionDescription
from sfu.sdp.grammar import MAX_TEXT_BYTES, SdpError

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
MEDIA = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
CLIENTS = [
    "chromium-156-publish-offer",
    "chromium-156-participant-answer",
    "aiortc-1.16-offer",
    "firefox-style-offer",
    "obs-style-offer",
    "gstreamer-style-offer",
    "ffmpeg-style-offer",
]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_clients_description_comes_out_as_it_went_in(client: str, vector: Callable[[str], str]) -> None:
    text = vector(client)
    description = SessionDescription.parse(text)
    assert str(description).splitlines() == [line for line in text.splitlines() if line]
    assert SessionDescription.parse(str(description)) == description


def test_bare_line_feeds_and_a_missing_last_line_end_are_accepted() -> None:
    text = (HEAD + MEDIA + "a=mid:x").replace("\r\n", "\n")
    assert SessionDescription.parse(text).media[0].mid == "x"


def test_the_typed_view_of_an_m_line() -> None:
    lines = (
        "c=IN IP4 0.0.0.0",
        "b=AS:500",
        "a=sendonly",
        "a=mid:cam",
        "a=extmap:3/sendonly urn:example:x some parameters",
        "a=ssrc-group:SIM 1 2 3",
        "a=ssrc:1 cname:a b c",
        "a=rid:q send max-width=320;max-br=150000",
        "a=simulcast:send q,alt;~h recv x",
        "a=x-unknown:anything at all: even = this",
        "a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
    )
    media = SessionDescription.parse(HEAD + MEDIA + "".join(f"{line}\r\n" for line in lines)).media[0]
    assert (media.kind, media.port, media.payload_types, media.mid) == ("video", 9, (96,), "cam")
    assert media.direction is Direction.SENDONLY
    assert media.first(ExtMap) == ExtMap(3, "urn:example:x", Direction.SENDONLY, "some parameters")
    assert media.first(SsrcGroup) == SsrcGroup("SIM", (1, 2, 3))
    rid = media.first(Rid)
    assert rid is not None
    assert rid.limits == {"max-width": "320", "max-br": "150000"}
    assert media.first(Simulcast) == Simulcast(
        ((SimulcastRid("q"), SimulcastRid("alt")), (SimulcastRid("h", paused=True),)), ((SimulcastRid("x"),),)
    )
    assert media.values("x-unknown") == ("anything at all: even = this",)
    assert media.candidates == ("1 1 udp 1 192.0.2.1 1 typ host",)
    assert str(media) == MEDIA + "".join(f"{line}\r\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("", 1, "'' is not of the form x=value"),
        (MEDIA, 1, "a description starts with v=0"),
        ("v=1\r\n", 1, "a description starts with v=0"),
        ("v=0\r\ns=-\r\n", 2, "o= and s= must follow v=0"),
        ("v=0\r\no=- 1\r\ns=-\r\n", 2, "origin has 2 words (6 to 6 are expected)"),
        ("v=0\r\no=- x 1 IN IP4 a\r\ns=-\r\n", 2, "session id 'x' is not a number in 0..18446744073709551615"),
        (HEAD + "hello\r\n", 5, "'hello' is not of the form x=value"),
        (HEAD + "a=x\0y\r\n", 5, "character 0x0000 may not appear"),
        (HEAD + "a=x\ud800\r\n", 5, "character 0xd800 may not appear"),
        (HEAD + "q=1\r\n", 5, "q= is not expected here"),
        (HEAD + "a=\r\n", 5, "attribute name '' is not a token"),
        (HEAD + "m=video 9 RTP\r\n", 5, "m-line has 3 words"),
        (HEAD + "m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", 5, "port '65536' is not a number in 0..65535"),
        (HEAD + "m=video 9 UDP/TLS/RTP/SAVPF 128\r\n", 5, "payload type '128' is not a number in 0..127"),
        (HEAD + "m=video 9 UDP/TLS/RTP/SAVPF 96 096\r\n", 5, "a payload type appears twice"),
        (HEAD + MEDIA + "t=0 0\r\n", 6, "t= is not expected here"),
        (HEAD + MEDIA + "a=mid\r\n", 6, "a=mid needs a value"),
        (HEAD + MEDIA + "a=rtcp-mux:1\r\n", 6, "a=rtcp-mux takes no value"),
        (HEAD + MEDIA + "a=mid:a b\r\n", 6, "mid 'a b' is not a token"),
        (HEAD + MEDIA + "a=mid:a\r\n" + MEDIA + "a=mid:a\r\n", 7, "mid 'a' names two m-lines"),
        (HEAD + MEDIA + "a=ice-ufrag:abc\r\n", 6, "ice-ufrag 'abc' is malformed (4 to 256 of 0-9 A-Z a-z + /)"),
        (HEAD + MEDIA + "a=ice-pwd:short\r\n", 6, "ice-pwd 'short' is malformed"),
        (HEAD + MEDIA + "a=fingerprint:sha-256 AB:CD\r\n", 6, "fingerprint 'AB:CD' is malformed (32 octets in hex"),
        (HEAD + MEDIA + "a=fingerprint:md2 AB:\r\n", 6, "fingerprint 'AB:' is malformed"),
        (HEAD + MEDIA + "a=setup:both\r\n", 6, "setup role 'both' is unknown (active, passive, actpass or holdconn)"),
        (HEAD + MEDIA + "a=rtpmap:96 VP8\r\n", 6, "rtpmap 'VP8' is malformed (encoding/clock rate[/channels])"),
        (HEAD + MEDIA + "a=rtpmap:96 VP8/0\r\n", 6, "clock rate '0' is not a number"),
        (HEAD + MEDIA + "a=fmtp:96 \r\n", 6, "fmtp has no parameters"),
        (HEAD + MEDIA + "a=rtcp-fb:96\r\n", 6, "rtcp-fb names no feedback"),
        (HEAD + MEDIA + "a=extmap:0 urn:x\r\n", 6, "extmap id '0' is not a number in 1..4351"),
        (HEAD + MEDIA + "a=extmap:1/up urn:x\r\n", 6, "extmap direction 'up' is unknown"),
        (HEAD + MEDIA + "a=extmap:1\r\n", 6, "extmap names no URI"),
        (HEAD + MEDIA + "a=ssrc:4294967296 cname:x\r\n", 6, "ssrc '4294967296' is not a number"),
        (HEAD + MEDIA + "a=ssrc-group:FID\r\n", 6, "ssrc-group has 1 words (2 to 17 are expected)"),
        (HEAD + MEDIA + "a=rid:q both\r\n", 6, "rid direction 'both' is unknown (send or recv)"),
        (HEAD + MEDIA + "a=rid:q! send\r\n", 6, "rid 'q!' is malformed"),
        (HEAD + MEDIA + "a=simulcast:send\r\n", 6, "simulcast has 1 words"),
        (HEAD + MEDIA + "a=simulcast:send q send h\r\n", 6, "simulcast direction 'send' is unexpected"),
        (HEAD + MEDIA + "a=simulcast:send q recv\r\n", 6, "simulcast direction without streams"),
        (HEAD + MEDIA + "a=simulcast:send q;;h\r\n", 6, "rid '' is malformed"),
    ],
)
def test_a_malformed_description_is_refused_with_its_line_and_what_is_wrong(text: str, line: int, error: str) -> None:
    with pytest.raises(SdpError) as raised:
        SessionDescription.parse(text)
    assert raised.value.line == line
    assert str(raised.value).startswith(f"line {line}: {error}")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("v=0" + "x" * MAX_TEXT_BYTES, "the description is too long"),
        ("v=0" + "€" * (MAX_TEXT_BYTES // 3), "the description is too long"),
        (HEAD + "a=x\r\n" * 20_001, "the description has 20005 lines"),
        (HEAD + "a=x\r\n" * 1001, "more than 1000 lines in one section"),
        (HEAD + MEDIA * 129, "more than 128 m-lines"),
        (HEAD + f"a=simulcast:send {';'.join('q' * 17)}\r\n", "simulcast names too many streams"),
    ],
    ids=["bytes", "utf-8", "lines", "section", "m-lines", "streams"],
)
def test_sizes_are_bounded(text: str, error: str) -> None:
    with pytest.raises(SdpError, match=error):
        SessionDescription.parse(text)


def test_a_long_remote_text_is_cut_in_the_error() -> None:
    with pytest.raises(SdpError) as raised:
        SessionDescription.parse(HEAD + "a=setup:" + "x" * 5000)
    assert len(str(raised.value)) < 200


def test_an_m_line_that_is_not_rtp_keeps_its_formats() -> None:
    media = SessionDescription.parse(HEAD + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n").media[0]
    assert not media.is_rtp
    assert media.formats == ("webrtc-datachannel",)
    assert media.payload_types == ()


@pytest.mark.parametrize("direction", list(Direction))
def test_directions_seen_from_the_other_side(direction: Direction) -> None:
    other = direction.reversed()
    assert (other.sends, other.receives) == (direction.receives, direction.sends)
    assert other.reversed() is direction
    assert MediaDescription().direction is None


def test_what_was_read_before_is_read_the_same_wherever_own_lines_stand() -> None:
    lines = ["c=IN IP4 0.0.0.0", "a=mid:1", "a=rtpmap:96 VP8/90000", "b=AS:1", "a=ice-ufrag:abcd", "a=sendonly"]
    media = (MEDIA + "".join(f"{line}\r\n" for line in order) for order in permutations(lines))
    for text in media:
        first, again = (SessionDescription.parse(HEAD + text).media[0] for _ in range(2))
        assert again == first
        assert again.shared is first.shared
        assert str(again) == str(replace(first)), "as it is written without what was read before"
        other = SessionDescription.parse(HEAD + text.replace("mid:1", "mid:2").replace("abcd", "efgh")).media[0]
        assert (other.shared, other.mid, other.ufrag) == (first.shared, "2", "efgh")
        assert str(other) == str(replace(other))


def test_a_malformed_line_is_blamed_where_the_rest_was_read_before() -> None:
    text = HEAD + MEDIA + "a=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
    SessionDescription.parse(text)
    with pytest.raises(SdpError, match=r"^line 8: ice-ufrag 'x' is malformed"):
        SessionDescription.parse(text + "a=ice-ufrag:x\r\n")
    with pytest.raises(SdpError, match=r"^line 9: rtpmap 'VP8' is malformed"):
        SessionDescription.parse(text + "a=ice-ufrag:abcd\r\na=rtpmap:97 VP8\r\n")
