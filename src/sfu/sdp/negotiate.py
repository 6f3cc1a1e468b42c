"""Offer and answer (RFC 3264, RFC 8829): descriptions in, transport and stream parameters out. Pure.

Three calls. Participants: ``build_offer`` writes our offer, ``apply_answer`` reads what came back. WHIP and
WHEP, where the client offers: ``answer_offer`` does both at once. One BUNDLE group, RTCP mux, DTLS-SRTP, and
we are ICE-lite; a remote that cannot do this gets ``RemoteError("unsupported_media")``, one that contradicts
itself or our offer ``RemoteError("bad_sdp")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sfu.rtp.codecs import (
    CodecId,
    ExtensionKind,
    Kind,
    LocalTransportParameters,
    PayloadType,
    RemoteTransportParameters,
    RtpMap,
)
from sfu.sdp import compose
from sfu.sdp.agreement import (
    Agreement,
    CodecPolicy,
    NegotiatedMedia,
    agree_on_answer,
    agree_on_offer,
    bad_sdp,
    unsupported_media,
)
from sfu.sdp.attributes import SetupRole
from sfu.sdp.compose import EgressSection, IngressSection
from sfu.sdp.description import MediaDescription, SessionDescription
from sfu.sdp.formats import OFFERED, Format

__all__ = [
    "CodecPolicy",
    "EgressSection",
    "IngressSection",
    "LocalTransportParameters",
    "NegotiatedMedia",
    "NegotiatedSession",
    "answer_offer",
    "apply_answer",
    "build_offer",
]


@dataclass(frozen=True, slots=True)
class NegotiatedSession:
    """The whole agreement. ``receive`` and ``send`` hold for every m-line: BUNDLE has one RTP session."""

    remote: RemoteTransportParameters
    receive: RtpMap
    send: RtpMap
    rtcp_reduced_size: bool
    media: tuple[NegotiatedMedia, ...]


def build_offer(
    local: LocalTransportParameters,
    sections: Sequence[IngressSection | EgressSection],
    policy: CodecPolicy,
    *,
    session_id: int,
    version: int,
) -> SessionDescription:
    """Our offer: one m-line a section, in order. A later version may append sections, never drop one."""
    writer = compose.OfferWriter(local, {kind: _offered_formats(kind, policy) for kind in Kind})
    media = [writer.media(section, transport_details=index == 0) for index, section in enumerate(sections)]
    mids = tuple(section.mid for section in sections)
    return compose.session(local, media, mids, session_id=session_id, version=version)


def apply_answer(offer: SessionDescription, answer: SessionDescription) -> NegotiatedSession:
    """What a remote's answer to our offer agreed to. RemoteError when it does not fit the offer."""
    if len(answer.media) != len(offer.media):
        raise bad_sdp(f"the answer has {len(answer.media)} m-lines, the offer {len(offer.media)}")
    accepted: list[Agreement] = []
    media: list[NegotiatedMedia] = []
    for ours, theirs in zip(offer.media, answer.media, strict=True):
        mid = ours.mid or ""
        if theirs.kind != ours.kind or theirs.mid not in (mid, None):
            raise bad_sdp(
                f"m-line {theirs.kind} {theirs.mid!r} of the answer stands for {ours.kind} {mid!r} of the offer"
            )
        if theirs.port == 0:
            media.append(NegotiatedMedia(mid, Kind(ours.kind), rejected=True))
            continue
        agreement = agree_on_answer(mid, ours, theirs)
        accepted.append(agreement)
        media.append(agreement.media())
    if not accepted:
        raise unsupported_media("the answer rejects every m-line")
    _check_bundle(answer, accepted)
    remote = _remote_transport(answer, _transport_media(answer, accepted))
    if remote.setup not in (SetupRole.ACTIVE, SetupRole.PASSIVE):
        raise bad_sdp("the answer's a=setup is neither active nor passive")
    return _session(remote, accepted, media)


def answer_offer(
    offer: SessionDescription,
    local: LocalTransportParameters,
    policy: CodecPolicy,
    *,
    egress: Sequence[EgressSection] = (),
    accept_ingress: bool,
    session_id: int,
) -> tuple[SessionDescription, NegotiatedSession]:
    """Our answer to a client's offer, and what it agrees to.

    ``egress`` says what we send: the next section of its kind goes to each m-line that the client can
    receive on; its mid gives way to the client's. Media we cannot take is rejected m-line by m-line.
    """
    bundle = _offered_bundle(offer)
    waiting = list(egress)
    accepted: list[Agreement] = []
    rows: list[Agreement | NegotiatedMedia] = []
    for index, theirs in enumerate(offer.media):
        mid = theirs.mid if theirs.mid is not None else _spare_mid(index, offer)
        agreement = None
        if index in bundle:
            agreement = agree_on_offer(mid, theirs, policy, waiting, accept_ingress=accept_ingress)
        if agreement is None:
            rows.append(NegotiatedMedia(mid, Kind.AUDIO if theirs.kind == Kind.AUDIO else Kind.VIDEO, rejected=True))
        else:
            accepted.append(agreement)
            rows.append(agreement)
    if not accepted:
        raise unsupported_media("no m-line of the offer can be accepted", "Opus audio; VP8, VP9, H264 or AV1 video")
    remote = _remote_transport(offer, _offered_transport_media(offer, accepted))
    if remote.setup is SetupRole.HOLDCONN:
        raise bad_sdp("a=setup:holdconn cannot carry media")
    setup = SetupRole.ACTIVE if remote.setup is SetupRole.PASSIVE else SetupRole.PASSIVE
    sections = [
        compose.answered_media(row.answer(), local, setup, transport_details=row is accepted[0])
        if isinstance(row, Agreement)
        else compose.rejected_media(offer.media[index])
        for index, row in enumerate(rows)
    ]
    mids = tuple(agreement.mid for agreement in accepted if agreement.remote.mid is not None)
    answer = compose.session(
        local,
        sections,
        mids if offer.bundle else (),
        session_id=session_id,
        version=1,
        allow_mixed=offer.has("extmap-allow-mixed"),
    )
    media = [row.media() if isinstance(row, Agreement) else row for row in rows]
    return answer, _session(remote, accepted, media)


@lru_cache(maxsize=16)
def _offered_formats(kind: Kind, policy: CodecPolicy) -> tuple[Format, ...]:
    names = policy.of(kind)
    formats = (format_ for format_ in OFFERED if format_.kind is kind and format_.codec.name in names)
    return tuple(sorted(formats, key=lambda format_: names.index(format_.codec.name)))


def _session(remote: _Transport, accepted: Sequence[Agreement], media: Sequence[NegotiatedMedia]) -> NegotiatedSession:
    terms = list(dict.fromkeys(agreement.terms for agreement in accepted))
    receiving = [each for each in terms if each.receives]
    sending = [each for each in terms if each.sends]
    return NegotiatedSession(
        remote=remote.parameters,
        receive=_rtp_map(
            [f.payload_type for each in receiving for f in each.inbound],
            [extension for each in receiving for extension in each.inbound_extensions],
        ),
        send=_rtp_map(
            [f.payload_type for each in sending for f in _one_each(each.outbound)],
            [extension for each in sending for extension in each.outbound_extensions],
        ),
        rtcp_reduced_size=all(each.rtcp_reduced_size for each in terms),
        media=tuple(media),
    )


def _one_each(formats: Iterable[Format]) -> list[Format]:
    """The first payload type of each codec: what we send has one."""
    first: dict[CodecId, Format] = {}
    for format_ in formats:
        first.setdefault(format_.codec, format_)
    return list(first.values())


def _rtp_map(payload_types: Iterable[PayloadType], extensions: Iterable[tuple[int, ExtensionKind]]) -> RtpMap:
    """One map for the BUNDLE group. RFC 9143 §9.1, RFC 8285 §6: a number means the same in every m-line."""
    by_pt: dict[int, PayloadType] = {}
    for entry in payload_types:
        if by_pt.setdefault(entry.pt, entry).codec != entry.codec:
            raise bad_sdp(f"payload type {entry.pt} means two codecs in one BUNDLE group")
    by_id: dict[int, ExtensionKind] = {}
    for id_, kind in extensions:
        if by_id.setdefault(id_, kind) is not kind:
            raise bad_sdp(f"extension id {id_} means two extensions in one BUNDLE group")
    return RtpMap(tuple(by_pt.values()), tuple(sorted(by_id.items())))


@dataclass(frozen=True, slots=True)
class _Transport:
    parameters: RemoteTransportParameters
    setup: SetupRole | None


def _remote_transport(session: SessionDescription, media: MediaDescription) -> _Transport:
    """ICE and DTLS parameters of an m-line, each from the session part when the m-line has none."""
    ufrag, pwd = media.ufrag or session.ufrag, media.pwd or session.pwd
    fingerprints = media.fingerprints or session.fingerprints
    if ufrag is None or pwd is None:
        raise bad_sdp("a=ice-ufrag or a=ice-pwd is missing")
    if not fingerprints:
        raise bad_sdp("a=fingerprint is missing")
    if session.has("ice-lite"):
        raise unsupported_media("the remote is ICE-lite, and so is this server", "one side must be a full ICE agent")
    setup = media.setup or session.setup
    parameters = RemoteTransportParameters(
        ufrag,
        pwd,
        fingerprints,
        "client" if setup is SetupRole.PASSIVE else "server",
        media.ice_options or session.ice_options,
    )
    return _Transport(parameters, setup)


def _check_bundle(answer: SessionDescription, accepted: Sequence[Agreement]) -> None:
    bundle = answer.bundle
    missing = [agreement.mid for agreement in accepted if agreement.mid not in bundle]
    if missing and len(accepted) > 1:
        raise unsupported_media(f"m-lines {', '.join(missing)} are not in the answer's BUNDLE group")


def _transport_media(answer: SessionDescription, accepted: Sequence[Agreement]) -> MediaDescription:
    """The tagged m-line, whose transport holds for the group: the group's first (RFC 9143 §7.3)."""
    tag = next(iter(answer.bundle), None)
    return next((agreement.remote for agreement in accepted if agreement.mid == tag), accepted[0].remote)


def _offered_transport_media(offer: SessionDescription, accepted: Sequence[Agreement]) -> MediaDescription:
    """The first m-line that we accept, or the tagged one when that is bundle-only and has no transport itself."""
    first = accepted[0].remote
    tagged = (media for media in offer.media if first.ufrag is None and media.mid in offer.bundle[:1])
    return next(tagged, first)


def _offered_bundle(offer: SessionDescription) -> frozenset[int]:
    """Indices of m-lines that may share our one transport: those in the BUNDLE group, or the only one."""
    live = [index for index, media in enumerate(offer.media) if media.port != 0 or media.has("bundle-only")]
    if offer.bundle:
        return frozenset(index for index in live if offer.media[index].mid in offer.bundle)
    rtp = [index for index in live if offer.media[index].is_rtp]
    if len(rtp) > 1:
        raise unsupported_media("the offer has several m-lines and no BUNDLE group", "a=group:BUNDLE with all mids")
    return frozenset(rtp)


def _spare_mid(index: int, offer: SessionDescription) -> str:
    """A name for an m-line without mid, for use inside the server only."""
    taken = {media.mid for media in offer.media}
    return next(name for name in (f"{index}{'_' * n}" for n in range(len(taken) + 1)) if name not in taken)
