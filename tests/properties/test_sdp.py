"""SDP: what is serialized parses to the same value, and no text does worse than an error with a line."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sfu.errors import RemoteError
from sfu.rtp.codecs import Fingerprint as FingerprintValue
from sfu.rtp.codecs import Kind, LocalTransportParameters
from sfu.sdp import attributes as a
from sfu.sdp.description import Header, MediaDescription, Origin, SessionDescription
from sfu.sdp.grammar import SdpError
from sfu.sdp.negotiate import CodecPolicy, EgressSection, IngressSection, answer_offer, apply_answer, build_offer

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "sdp").glob("*.sdp"))
LOCAL = LocalTransportParameters("abcd", "p" * 24, (FingerprintValue("sha-256", ":".join(["AB"] * 32)),))

token = st.text(string.ascii_letters + string.digits + "-._+!", min_size=1, max_size=16)
ice_chars = st.text(string.ascii_letters + string.digits + "+/", min_size=22, max_size=64)
rid = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=16)
pt = st.integers(0, 127)
ssrc = st.integers(0, 2**32 - 1)
# What a line may hold: anything but line ends, NUL and halves of surrogate pairs; no space at its ends.
text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"), min_size=1).map(str.strip)
words = text.filter(bool)
direction = st.sampled_from(a.Direction)
digest = st.binary(min_size=32, max_size=32).map(lambda value: value.hex(":").upper())
simulcast_streams = st.lists(
    st.lists(st.builds(a.SimulcastRid, rid, st.booleans()), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4
).map(tuple)

attribute: st.SearchStrategy[a.Attribute] = st.one_of(
    st.builds(a.Plain, st.sampled_from(sorted(a.FLAGS))),
    st.builds(a.Plain, token.map("x-".__add__), st.none() | text),
    st.builds(a.IceUfrag, ice_chars),
    st.builds(a.IcePwd, ice_chars),
    st.builds(a.IceOptions, st.lists(token, min_size=1, max_size=4).map(tuple)),
    st.builds(a.Fingerprint, st.builds(FingerprintValue, st.just("sha-256"), digest)),
    st.builds(a.Setup, st.sampled_from(a.SetupRole)),
    st.builds(a.Group, token, st.lists(token, max_size=5).map(tuple)),
    st.builds(a.RtpMapping, pt, token, st.integers(1, 2**32 - 1), st.none() | token),
    st.builds(a.FormatParameters, pt, words.map(lambda value: value.strip(" ")).filter(bool)),
    st.builds(a.RtcpFeedback, st.none() | pt, token),
    st.builds(a.ExtMap, st.integers(1, 4351), token, st.none() | direction, st.none() | token),
    st.builds(a.Ssrc, ssrc, token, st.none() | text),
    st.builds(a.SsrcGroup, token, st.lists(ssrc, min_size=1, max_size=8).map(tuple)),
    st.builds(a.Msid, token, st.none() | token),
    st.builds(a.Rid, rid, st.sampled_from(["send", "recv"]), st.none() | token),
    st.builds(a.Simulcast, simulcast_streams, st.just(()) | simulcast_streams),
)
attributes = st.lists(attribute, max_size=12).map(tuple)
media = st.builds(
    MediaDescription,
    attributes,
    st.sampled_from(["audio", "video", "text"]),
    st.integers(0, 65535),
    st.none() | st.integers(1, 9),
    st.sampled_from(["UDP/TLS/RTP/SAVPF", "RTP/AVP"]),
    st.lists(pt, min_size=1, max_size=8, unique=True).map(lambda pts: tuple(map(str, pts))),
    st.lists(st.builds(Header, st.sampled_from("icbk"), text), max_size=3).map(tuple),
)
description = st.builds(
    SessionDescription,
    attributes,
    st.builds(Origin, token, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    text,
    st.lists(st.builds(Header, st.sampled_from("iuepcbtrzk"), text), max_size=4).map(tuple),
    st.lists(media, max_size=4).map(tuple),
)


@given(description)
def test_what_is_serialized_parses_to_the_same_value(value: SessionDescription) -> None:
    assert SessionDescription.parse(str(value)) == value


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A real client's description with some lines lost, doubled, moved, cut or overwritten."""
    lines = draw(st.sampled_from(VECTORS)).read_bytes().decode().split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        index = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                lines.pop(index)
                lines = lines or ["v=0"]
            case 1:
                lines.insert(draw(st.integers(0, len(lines))), lines[index])
            case 2:
                lines[index] = lines[index][: draw(st.integers(0, len(lines[index])))]
            case 3:
                lines[index] = draw(st.text(max_size=40))
            case 4:
                digits = re.sub(
                    r"\d+", draw(st.sampled_from(["0", "-1", "99999999999999999999", "x", ""])), lines[index]
                )
                lines[index] = digits
            case 5:
                lines[index] = draw(
                    st.sampled_from(["a=inactive", "a=setup:passive", "a=group:BUNDLE 0", "m=audio 0 x y"])
                )
    return "\r\n".join(lines)


def negotiate(value: SessionDescription) -> None:
    """Whatever the description says, as an offer and as an answer."""
    egress = [EgressSection("0", kind, 1, None, "c", "s", "t") for kind in Kind]
    try:
        ours, _ = answer_offer(value, LOCAL, CodecPolicy(), egress=egress, accept_ingress=True, session_id=1)
        assert SessionDescription.parse(str(ours)) == ours
    except RemoteError as error:
        assert error.code in ("bad_sdp", "unsupported_media")  # noqa: PT017
    sections = [
        IngressSection(
            section.mid or str(index), Kind.VIDEO if section.kind == "video" else Kind.AUDIO, ("q", "h", "f")
        )
        for index, section in enumerate(value.media)
    ]
    try:
        apply_answer(build_offer(LOCAL, sections, CodecPolicy(), session_id=1, version=1), value)
    except RemoteError as error:
        assert error.code in ("bad_sdp", "unsupported_media")  # noqa: PT017


@given(st.one_of(mutated(), st.text(), st.binary().map(lambda value: value.decode("latin-1"))))
@example("v=0\ro=- 1 1 IN IP4 x\rs=-")
@example("v=0\n\n\n")
def test_no_text_does_worse_than_an_error_with_a_line(value: str) -> None:
    try:
        parsed = SessionDescription.parse(value)
    except SdpError as error:
        assert 0 <= error.line <= value.count("\n") + 1  # noqa: PT017
        return
    assert SessionDescription.parse(str(parsed)) == parsed
    negotiate(parsed)


@given(description)
def test_no_description_does_worse_than_a_remote_error(value: SessionDescription) -> None:
    negotiate(value)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_real_descriptions_are_negotiated(path: Path) -> None:
    negotiate(SessionDescription.parse(path.read_bytes().decode()))
