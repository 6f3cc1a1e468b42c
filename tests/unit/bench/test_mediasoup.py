from __future__ import annotations

from typing import Any

import pytest
from bench.peers.adapter import PeerError
from bench.peers.mediasoup import answer_sdp, publish_request, subscribe_request

from sfu.bench.whip import Local, offer, parse_answer

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
LOCAL = Local("ufra", "p" * 22, "sha-256 AB:CD", audio_ssrc=10, video_ssrc=11)
PUBLISHER, SUBSCRIBER = (offer(LOCAL, direction, audio=True) for direction in ("sendonly", "recvonly"))


def consumer(kind: str, mime_type: str, payload_type: int, clock_rate: int, ssrc: int) -> dict[str, Any]:
    parameters = {
        "codecs": [{"mimeType": mime_type, "payloadType": payload_type, "clockRate": clock_rate}],
        "headerExtensions": [{"uri": MID, "id": 1}, {"uri": TRANSPORT_CC, "id": 5}],
        "encodings": [{"ssrc": ssrc}],
        "rtcp": {"cname": "bench"},
    }
    return {"kind": kind, "rtpParameters": parameters}


def transport(*consumers: dict[str, Any]) -> dict[str, Any]:
    address = {"address": "127.0.0.1", "port": 40_000, "priority": 7}
    return {
        "iceParameters": {"usernameFragment": "serv", "password": "server0password00000000", "iceLite": True},
        "iceCandidates": [{"protocol": "tcp", **address, "port": 9}, {"protocol": "udp", **address}],
        "dtlsParameters": {
            "fingerprints": [{"algorithm": "sha-1", "value": "00"}, {"algorithm": "sha-256", "value": "EF:01"}]
        },
        "consumers": list(consumers),
    }


def test_a_publisher_s_streams_keep_the_numbers_of_its_offer() -> None:
    audio, video = publish_request(PUBLISHER)["producers"]
    assert (audio["kind"], video["kind"]) == ("audio", "video")
    assert audio["rtpParameters"]["codecs"] == [
        {
            "mimeType": "audio/opus",
            "payloadType": 111,
            "clockRate": 48_000,
            "channels": 2,
            "parameters": {},
            "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}],
        }
    ]
    parameters = video["rtpParameters"]
    assert (parameters["mid"], parameters["encodings"], parameters["rtcp"]["cname"]) == ("1", [{"ssrc": 11}], "bench")
    assert parameters["headerExtensions"] == [{"uri": MID, "id": 1}, {"uri": TRANSPORT_CC, "id": 6}]
    assert {"type": "nack", "parameter": "pli"} in parameters["codecs"][0]["rtcpFeedback"]


def test_the_client_is_the_one_that_begins_dtls() -> None:
    expected = {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}]}
    assert publish_request(PUBLISHER)["dtlsParameters"] == expected
    assert subscribe_request(SUBSCRIBER, with_feedback=True)["dtlsParameters"] == expected


def test_a_subscriber_asks_for_what_it_offers_and_for_no_retransmission() -> None:
    capabilities = subscribe_request(SUBSCRIBER, with_feedback=True)["rtpCapabilities"]
    assert [codec["mimeType"] for codec in capabilities["codecs"]] == ["audio/opus", "video/VP8"]
    assert [codec["preferredPayloadType"] for codec in capabilities["codecs"]] == [111, 96]
    assert all({"type": "nack", "parameter": ""} not in codec["rtcpFeedback"] for codec in capabilities["codecs"])
    assert {"kind": "video", "uri": TRANSPORT_CC, "preferredId": 6} in capabilities["headerExtensions"]


def test_feedback_can_be_left_out() -> None:
    capabilities = subscribe_request(SUBSCRIBER, with_feedback=False)["rtpCapabilities"]
    uris = {extension["uri"] for extension in capabilities["headerExtensions"]}
    assert MID in uris
    assert TRANSPORT_CC not in uris


def test_the_answer_says_where_the_transport_is_and_who() -> None:
    answer = parse_answer(answer_sdp(PUBLISHER, transport()))
    assert answer.address == ("127.0.0.1", 40_000)
    assert (answer.ufrag, answer.pwd) == ("serv", "server0password00000000")
    assert answer.fingerprint == ("sha-256", "EF:01")


def test_a_publisher_s_answer_keeps_payload_types_and_extension_ids() -> None:
    answer = answer_sdp(PUBLISHER, transport())
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" in answer
    assert answer.count("a=recvonly") == 2
    assert parse_answer(answer).transport_cc_id == 6


def test_a_subscriber_s_answer_has_what_mediasoup_chose() -> None:
    consumers = (consumer("audio", "audio/opus", 111, 48_000, 77), consumer("video", "video/VP8", 101, 90_000, 78))
    answer = answer_sdp(SUBSCRIBER, transport(*consumers))
    assert "m=video 9 UDP/TLS/RTP/SAVPF 101\r\n" in answer
    assert "a=rtpmap:101 VP8/90000\r\n" in answer
    assert "a=ssrc:78 cname:bench\r\n" in answer
    assert answer.count("a=sendonly") == 2
    assert parse_answer(answer).transport_cc_id == 5


@pytest.mark.parametrize("missing", ["iceParameters", "iceCandidates", "dtlsParameters", "consumers"])
def test_a_transport_that_lacks_something_is_refused(missing: str) -> None:
    incomplete = transport()
    del incomplete[missing]
    with pytest.raises(PeerError, match="did not say everything"):
        answer_sdp(PUBLISHER, incomplete)


def test_an_offer_without_a_codec_is_refused() -> None:
    with pytest.raises(PeerError, match="no a=rtpmap:96"):
        publish_request(PUBLISHER.replace("a=rtpmap:96", "a=x"))
