from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from bench.peers import protobuf
from bench.peers.livekit import candidate_of, token, with_candidates, with_track_ids
from hypothesis import given
from hypothesis import strategies as st

from sfu.bench import whip

fields = st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 2**63) | st.binary(max_size=200)), max_size=6)


def test_the_example_of_the_encoding_s_description_is_written_and_read() -> None:
    assert protobuf.encode([(1, 150)]) == bytes.fromhex("089601")
    assert protobuf.encode([(2, "testing"), (3, [(1, 150)])]) == bytes.fromhex("120774657374696e67 1a03089601")
    assert protobuf.decode(bytes.fromhex("120774657374696e67")) == {2: [b"testing"]}


@given(fields)
def test_what_is_written_is_read_again(written: list[tuple[int, int | bytes]]) -> None:
    expected: dict[int, list[int | bytes]] = {}
    for number, value in written:
        expected.setdefault(number, []).append(value)
    assert protobuf.decode(protobuf.encode(written)) == expected


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        protobuf.decode(data)
    except protobuf.ProtobufError:
        return


def test_fixed_width_fields_are_skipped_and_unknown_kinds_refused() -> None:
    assert protobuf.decode(b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x01") == {3: [1]}
    for broken in (b"\x0b\x00", b"\x12\x05ab", b"\x80", b"\x80" * 11):
        with pytest.raises(protobuf.ProtobufError):
            protobuf.decode(broken)


def test_a_missing_field_is_empty_and_the_last_one_counts() -> None:
    message = protobuf.decode(protobuf.encode([(1, "a"), (1, "b"), (2, 7)]))
    assert [protobuf.text(message, number) for number in (1, 2, 3)] == ["b", "", ""]


def test_a_token_is_signed_and_says_who_may_join_where() -> None:
    head, claims, signature = token(("key", "secret"), "me", {"room": "r", "roomJoin": True}, 1_000.5).split(".")

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    assert json.loads(decoded(head)) == {"alg": "HS256", "typ": "JWT"}
    said = json.loads(decoded(claims))
    assert (said["iss"], said["sub"], said["video"]) == ("key", "me", {"room": "r", "roomJoin": True})
    assert said["nbf"] < 1_000 < said["exp"]
    assert decoded(signature) == hmac.digest(b"secret", f"{head}.{claims}".encode(), hashlib.sha256)


def test_each_track_of_an_offer_is_named_by_its_kind() -> None:
    offer = whip.offer(whip.Local("u", "p", "sha-256 AA", 1, 2), "sendonly", audio=True)
    named = with_track_ids(offer)
    audio, video = named.split("m=video")
    assert "a=msid:bench audio\r\n" in audio
    assert "a=msid:bench video\r\n" in video
    assert named.count("a=msid:") == 2


def test_candidates_that_come_later_are_put_to_the_description() -> None:
    candidate = candidate_of('{"candidate":"candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host","sdpMid":"0"}')
    assert candidate is not None
    assert with_candidates("v=0", [candidate]) == f"v=0\r\na={candidate}\r\n"


@pytest.mark.parametrize("init", ["", "[]", '{"candidate":""}', '{"candidate":7}', '{"candidate":"candidate:1\\na=x"}'])
def test_what_is_no_candidate_is_not_put_there(init: str) -> None:
    assert candidate_of(init) is None
