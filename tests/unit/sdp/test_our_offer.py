"""Our offers, and what a participant's answer makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.sdp.conftest import CANDIDATE, SECTIONS, slot

from sfu.errors import RemoteError
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, ExtensionKind, Kind, LocalTransportParameters
from sfu.sdp.attributes import (
    Attribute,
    Direction,
    ExtMap,
    FormatParameters,
    Group,
    IceUfrag,
    Mid,
    Plain,
    Rid,
    RtpMapping,
    Setup,
    SetupRole,
    Simulcast,
    SimulcastRid,
    Ssrc,
    SsrcGroup,
)
from sfu.sdp.description import MediaDescription, SessionDescription
from sfu.sdp.formats import OFFERED
from sfu.sdp.negotiate import CodecPolicy, EgressSection, NegotiatedSession, apply_answer, build_offer

OPUS, RED = CodecId(CodecName.OPUS), CodecId(CodecName.RED)
VP8, VP9, AV1 = CodecId(CodecName.VP8), CodecId(CodecName.VP9), CodecId(CodecName.AV1)
H264_BASE, H264_HIGH = CodecId(CodecName.H264), CodecId(CodecName.H264, 1)


def answer_to(offer: SessionDescription, **changes: list[Attribute]) -> SessionDescription:
    """An answer that takes all of the offer; ``m1=[...]`` adds attributes to the second m-line."""
    media = []
    for index, ours in enumerate(offer.media):
        direction = (ours.direction or Direction.SENDRECV).reversed()
        kept = [
            attribute
            for attribute in ours.attributes
            if not isinstance(attribute, (Setup, Rid, Simulcast, Ssrc, SsrcGroup))
            and not (isinstance(attribute, Plain) and attribute.name in {ours.direction, "candidate"})
        ]
        extra = changes.get(f"m{index}", [])
        attributes = (*kept, Setup(SetupRole.ACTIVE), Plain(direction.value), *extra)
        media.append(replace(ours, attributes=attributes))
    return SessionDescription((Group("BUNDLE", offer.bundle),), media=tuple(media))


def edited(description: SessionDescription, index: int, **changes: object) -> SessionDescription:
    media = list(description.media)
    media[index] = replace(media[index], **changes)
    return replace(description, media=tuple(media))


def without(media: MediaDescription, *kinds: type[Attribute]) -> tuple[Attribute, ...]:
    return tuple(attribute for attribute in media.attributes if not isinstance(attribute, kinds))


def test_an_offer_says_one_bundle_of_slots_in_order(offer: SessionDescription) -> None:
    assert offer.bundle == tuple("012345678")
    assert offer.has("ice-lite")
    assert offer.has("extmap-allow-mixed")
    directions = [media.direction for media in offer.media]
    assert directions == [Direction.RECVONLY] * 4 + [Direction.SENDONLY] * 5
    assert [media.kind for media in offer.media] == ["audio", "video", "video", "audio"] + ["audio"] * 3 + ["video"] * 2
    assert all(media.setup is SetupRole.ACTPASS and media.has("rtcp-mux") and media.ufrag for media in offer.media)
    assert [media.candidates for media in offer.media] == [(CANDIDATE,)] + [()] * 8
    assert offer.media[0].has("end-of-candidates")


def test_only_the_camera_is_offered_simulcast(offer: SessionDescription) -> None:
    simulcast = [media.first(Simulcast) for media in offer.media]
    assert [str(found) for found in simulcast if found] == ["recv q;h;f"]
    assert simulcast[1] is not None
    assert [str(rid) for rid in offer.media[1].all(Rid)] == ["q recv", "h recv", "f recv"]


def test_a_slot_announces_its_stream_and_its_retransmissions(offer: SessionDescription) -> None:
    video, audio = offer.media[7], offer.media[4]
    assert [group.ssrcs for group in video.all(SsrcGroup)] == [(1007, 2007)]
    assert {row.ssrc for row in video.all(Ssrc)} == {1007, 2007}
    assert {row.ssrc for row in audio.all(Ssrc)} == {1004}


def test_payload_types_and_extension_ids_are_unique_fit_and_never_change(offer: SessionDescription) -> None:
    numbers = [pt for format_ in OFFERED for pt in (format_.pt, format_.rtx_pt) if pt is not None]
    assert len(set(numbers)) == len(numbers)
    assert all(96 <= pt <= 127 for pt in numbers)
    meanings = {(extmap.id, extmap.uri) for media in offer.media for extmap in media.all(ExtMap)}
    assert len({id_ for id_, _ in meanings}) == len({uri for _, uri in meanings}) == len(meanings)
    assert all(1 <= id_ <= 14 for id_, _ in meanings)


def test_the_policy_orders_and_restricts_codecs(local: LocalTransportParameters) -> None:
    policy = CodecPolicy(audio=(CodecName.OPUS,), video=(CodecName.H264, CodecName.VP8))
    offer = build_offer(local, SECTIONS, policy, session_id=1, version=1)
    assert [row.encoding for row in offer.media[0].all(RtpMapping)] == ["opus"]
    assert [row.encoding for row in offer.media[1].all(RtpMapping) if row.encoding != "rtx"] == ["H264"] * 3 + ["VP8"]


def test_a_longer_offer_repeats_the_shorter_one(local: LocalTransportParameters, offer: SessionDescription) -> None:
    longer = build_offer(local, [*SECTIONS, slot(9, Kind.VIDEO)], CodecPolicy(), session_id=7, version=2)
    assert longer.media[:-1] == offer.media
    assert (longer.origin.session_id, longer.origin.version) == (7, 2)


def test_an_offer_goes_through_text_unharmed(offer: SessionDescription) -> None:
    assert SessionDescription.parse(str(offer)) == offer


def check_all_media(session: NegotiatedSession) -> None:
    assert [media.mid for media in session.media] == list("012345678")
    assert [(media.receives, media.sends) for media in session.media] == [(True, False)] * 4 + [(False, True)] * 5


def test_chromiums_answer(offer: SessionDescription, vector: Callable[[str], str]) -> None:
    session = apply_answer(offer, SessionDescription.parse(vector("chromium-156-participant-answer")))
    check_all_media(session)
    camera, screen = session.media[1], session.media[2]
    assert camera.encodings == tuple(EncodingParameters(rid=rid) for rid in "qhf")
    assert [encoding.rtx_ssrc is not None for encoding in screen.encodings] == [True]
    assert camera.codecs == (VP8, VP9, H264_BASE, AV1)
    assert session.media[0].codecs == (OPUS, RED)
    assert session.remote.dtls_role == "server"
    assert session.rtcp_reduced_size
    assert {kind for _, kind in session.receive.extensions} == set(ExtensionKind)
    assert ExtensionKind.RID not in {kind for _, kind in session.send.extensions}
    assert {(entry.pt, entry.rtx_pt) for entry in session.receive.payload_types} == {
        (111, None),
        (112, None),
        (96, 97),
        (98, 99),
        (102, 103),
        (108, 109),
    }


def test_an_answer_without_simulcast_gives_one_encoding_by_ssrc(offer: SessionDescription) -> None:
    rows: list[Attribute] = [SsrcGroup("FID", (77, 78)), Ssrc(77, "cname", "x"), Ssrc(78, "cname", "x")]
    session = apply_answer(offer, answer_to(offer, m1=rows))
    check_all_media(session)
    assert session.media[1].encodings == (EncodingParameters(ssrc=77, rtx_ssrc=78),)
    assert session.media[2].encodings == (EncodingParameters(),)


def test_an_old_sim_group_gives_an_encoding_for_each_ssrc(offer: SessionDescription) -> None:
    rows: list[Attribute] = [SsrcGroup("SIM", (1, 2, 3))]
    rows += [SsrcGroup("FID", (ssrc, ssrc + 10)) for ssrc in (1, 2, 3)]
    rows += [Ssrc(ssrc, "cname", "x") for ssrc in (1, 2, 3, 11, 12, 13)]
    encodings = apply_answer(offer, answer_to(offer, m1=rows)).media[1].encodings
    assert [(e.ssrc, e.rtx_ssrc) for e in encodings] == [(1, 11), (2, 12), (3, 13)]


def test_a_client_may_send_some_of_the_encodings_and_start_with_one_paused(offer: SessionDescription) -> None:
    rows: list[Attribute] = [Rid("f", "send"), Rid("q", "send")]
    rows.append(Simulcast(send=((SimulcastRid("f"),), (SimulcastRid("q", paused=True),))))
    encodings = apply_answer(offer, answer_to(offer, m1=rows)).media[1].encodings
    assert [encoding.rid for encoding in encodings] == ["q", "f"]


def test_a_client_that_numbers_payload_types_its_own_way_is_sent_its_numbers(offer: SessionDescription) -> None:
    answer = answer_to(offer)
    slot_media = answer.media[7]
    attributes = (*without(slot_media, RtpMapping, FormatParameters), RtpMapping(120, "VP8", 90_000))
    answer = edited(answer, 7, formats=("120",), attributes=attributes)
    answer = edited(answer, 8, formats=("120",), attributes=(*attributes[:1], *attributes[1:]))
    answer = edited(answer, 8, attributes=(*(a for a in attributes if not isinstance(a, Mid)), Mid("8")))
    session = apply_answer(offer, answer)
    assert [(p.pt, p.codec, p.rtx_pt) for p in session.send.payload_types if p.codec.name is CodecName.VP8] == [
        (120, VP8, None)
    ]
    assert any(p.pt == 96 for p in session.receive.payload_types)


def test_rejected_and_inactive_m_lines_are_told_apart(offer: SessionDescription) -> None:
    answer = edited(answer_to(offer), 2, port=0)
    kept = tuple(a for a in answer.media[3].attributes if a != Plain("sendonly"))
    answer = edited(answer, 3, attributes=(*kept, Plain("inactive")))
    media = apply_answer(offer, answer).media
    assert (media[2].rejected, media[2].codecs) == (True, ())
    assert (media[3].rejected, media[3].receives, media[3].encodings) == (False, False, ())


def test_a_passive_client_makes_us_the_dtls_client(offer: SessionDescription) -> None:
    text = str(answer_to(offer)).replace("setup:active", "setup:passive")
    assert apply_answer(offer, SessionDescription.parse(text)).remote.dtls_role == "client"


def test_transport_parameters_may_stand_in_the_session_part(offer: SessionDescription) -> None:
    answer = answer_to(offer)
    session_part = (*answer.attributes, IceUfrag("zzzz"))
    media = tuple(replace(m, attributes=without(m, IceUfrag)) for m in answer.media)
    assert apply_answer(offer, replace(answer, attributes=session_part, media=media)).remote.ufrag == "zzzz"


@pytest.mark.parametrize(
    ("change", "code", "error"),
    [
        (lambda a: replace(a, media=a.media[:-1]), "bad_sdp", "the answer has 8 m-lines, the offer 9"),
        (lambda a: edited(a, 1, kind="audio"), "bad_sdp", "m-line audio '1' of the answer stands for video '1'"),
        (lambda a: SessionDescription.parse(str(a).replace("mid:8", "mid:x")), "bad_sdp", "m-line video 'x'"),
        (
            lambda a: replace(a, media=tuple(replace(m, port=0) for m in a.media)),
            "unsupported_media",
            "the answer rejects every m-line",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("setup:active", "setup:actpass")),
            "bad_sdp",
            "the answer's a=setup is neither active nor passive",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("a=rtcp-mux\r\n", "")),
            "unsupported_media",
            "m-line '0' does not multiplex RTCP (a=rtcp-mux)",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")),
            "unsupported_media",
            "m-line '0' uses RTP/AVP (UDP/TLS/RTP/SAVPF)",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("a=ice-ufrag:abcdEFGH\r\n", "")),
            "bad_sdp",
            "a=ice-ufrag or a=ice-pwd is missing",
        ),
        (
            lambda a: SessionDescription.parse("\r\n".join(r for r in str(a).split("\r\n") if "fingerprint" not in r)),
            "bad_sdp",
            "a=fingerprint is missing",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("a=group:BUNDLE 0 1 2 3 4 5 6 7 8", "a=group:BUNDLE 0")),
            "unsupported_media",
            "m-lines 1, 2, 3, 4, 5, 6, 7, 8 are not in the answer's BUNDLE group",
        ),
        (
            lambda a: replace(a, attributes=(*a.attributes, Plain("ice-lite"))),
            "unsupported_media",
            "the remote is ICE-lite, and so is this server",
        ),
        (
            lambda a: edited(a, 0, formats=("0",)),
            "unsupported_media",
            "m-line '0' is accepted with no codec of the offer",
        ),
        (
            lambda a: SessionDescription.parse(str(a).replace("a=recvonly", "a=sendrecv")),
            "bad_sdp",
            "m-line '4' is answered sendrecv, which does not fit sendonly",
        ),
        (
            lambda a: edited(
                a,
                1,
                attributes=(*a.media[1].attributes, Rid("z", "send"), Simulcast(send=((SimulcastRid("z"),),))),
            ),
            "bad_sdp",
            "m-line '1' sends rids that were not offered: z",
        ),
        (
            lambda a: edited(a, 7, attributes=(*without(a.media[7], ExtMap), ExtMap(5, "urn:3gpp:video-orientation"))),
            "bad_sdp",
            "extension id 5 means two extensions in one BUNDLE group",
        ),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(
    offer: SessionDescription,
    change: Callable[[SessionDescription], SessionDescription],
    code: str,
    error: str,
) -> None:
    with pytest.raises(RemoteError) as raised:
        apply_answer(offer, change(answer_to(offer)))
    assert raised.value.code == code
    assert raised.value.status == {"bad_sdp": 400, "unsupported_media": 422}[code]
    assert str(raised.value).startswith(error)


@pytest.mark.parametrize("section", [section for section in SECTIONS if isinstance(section, EgressSection)])
def test_every_slot_keeps_its_ssrc_in_the_text(section: EgressSection, offer: SessionDescription) -> None:
    media = next(media for media in offer.media if media.mid == section.mid)
    assert f"a=ssrc:{section.ssrc} cname:{section.cname}\r\n" in str(media)
