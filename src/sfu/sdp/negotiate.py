"""Offer and answer (RFC 3264, RFC 8829): descriptions in, transport and stream parameters out. Pure.

Three calls. Participants: ``build_offer`` writes our offer, ``apply_answer`` reads what came back. WHIP and
WHEP, where the client offers: ``answer_offer`` does both at once. One BUNDLE group, RTCP mux, DTLS-SRTP, and
we are ICE-lite; a remote that cannot do this gets ``RemoteError("unsupported_media")``, one that contradicts
itself or our offer ``RemoteError("bad_sdp")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sfu.errors import RemoteError
from sfu.rtp.codecs import (
    CodecId,
    CodecName,
    EncodingParameters,
    ExtensionKind,
    Kind,
    LocalTransportParameters,
    PayloadType,
    RemoteTransportParameters,
    RtpMap,
)
from sfu.sdp import compose
from sfu.sdp.attributes import Direction, ExtMap, SetupRole
from sfu.sdp.compose import EgressSection, IngressSection
from sfu.sdp.description import MediaDescription, SessionDescription
from sfu.sdp.encodings import MAX_RIDS, read_encodings, simulcast_rids
from sfu.sdp.formats import OFFERED, Format, extensions_for, read_extensions, read_formats

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
class CodecPolicy:
    """Codecs that we negotiate, most preferred first. What is not listed is neither offered nor accepted."""

    audio: tuple[CodecName, ...] = (CodecName.OPUS, CodecName.RED)
    video: tuple[CodecName, ...] = (CodecName.VP8, CodecName.VP9, CodecName.H264, CodecName.AV1)

    def of(self, kind: Kind) -> tuple[CodecName, ...]:
        return self.audio if kind is Kind.AUDIO else self.video


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """What both sides agreed for one m-line; ``receives`` and ``sends`` are the server's.

    ``encodings`` is what the remote will send, lowest quality first, empty when it sends nothing. ``codecs``
    are in order of preference. ``mid`` is the m-line's number when the remote gave none.
    """

    mid: str
    kind: Kind
    receives: bool = False
    sends: bool = False
    encodings: tuple[EncodingParameters, ...] = ()
    codecs: tuple[CodecId, ...] = ()
    rejected: bool = False


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
    media = [
        compose.offered_media(section, _offered_formats(section.kind, policy), local, transport_details=index == 0)
        for index, section in enumerate(sections)
    ]
    mids = tuple(section.mid for section in sections)
    return compose.session(local, media, mids, session_id=session_id, version=version)


def apply_answer(offer: SessionDescription, answer: SessionDescription) -> NegotiatedSession:
    """What a remote's answer to our offer agreed to. RemoteError when it does not fit the offer."""
    if len(answer.media) != len(offer.media):
        raise _bad(f"the answer has {len(answer.media)} m-lines, the offer {len(offer.media)}")
    accepted: list[_Agreement] = []
    media: list[NegotiatedMedia] = []
    for ours, theirs in zip(offer.media, answer.media, strict=True):
        mid = ours.mid or ""
        if theirs.kind != ours.kind or theirs.mid not in (mid, None):
            raise _bad(f"m-line {theirs.kind} {theirs.mid!r} of the answer stands for {ours.kind} {mid!r} of the offer")
        if theirs.port == 0:
            media.append(NegotiatedMedia(mid, Kind(ours.kind), rejected=True))
            continue
        agreement = _agree_on_answer(mid, ours, theirs)
        accepted.append(agreement)
        media.append(agreement.media())
    if not accepted:
        raise _unsupported("the answer rejects every m-line")
    _check_bundle(answer, accepted)
    remote = _remote_transport(answer, _transport_media(answer, accepted))
    if remote.setup not in (SetupRole.ACTIVE, SetupRole.PASSIVE):
        raise _bad("the answer's a=setup is neither active nor passive")
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
    accepted: list[_Agreement] = []
    rows: list[_Agreement | NegotiatedMedia] = []
    for index, theirs in enumerate(offer.media):
        mid = theirs.mid if theirs.mid is not None else _spare_mid(index, offer)
        agreement = None
        if index in bundle:
            agreement = _agree_on_offer(mid, theirs, policy, waiting, accept_ingress=accept_ingress)
        if agreement is None:
            rows.append(NegotiatedMedia(mid, Kind.AUDIO if theirs.kind == Kind.AUDIO else Kind.VIDEO, rejected=True))
        else:
            accepted.append(agreement)
            rows.append(agreement)
    if not accepted:
        raise _unsupported("no m-line of the offer can be accepted", "Opus audio; VP8, VP9, H264 or AV1 video")
    remote = _remote_transport(offer, _offered_transport_media(offer, accepted))
    if remote.setup is SetupRole.HOLDCONN:
        raise _bad("a=setup:holdconn cannot carry media")
    setup = SetupRole.ACTIVE if remote.setup is SetupRole.PASSIVE else SetupRole.PASSIVE
    sections = [
        compose.answered_media(row.answer(), local, setup, transport_details=row is accepted[0])
        if isinstance(row, _Agreement)
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
    media = [row.media() if isinstance(row, _Agreement) else row for row in rows]
    return answer, _session(remote, accepted, media)


@dataclass(frozen=True, slots=True)
class _Agreement:
    """One accepted m-line: formats as each side numbers them, matched by codec.

    ``inbound`` are payload types on what we receive, ``outbound`` on what we send; likewise extensions.
    """

    mid: str
    kind: Kind
    remote: MediaDescription
    receives: bool
    sends: bool
    inbound: tuple[Format, ...]
    outbound: tuple[Format, ...]
    inbound_extensions: tuple[tuple[int, ExtensionKind], ...]
    outbound_extensions: tuple[tuple[int, ExtensionKind], ...]
    rids: tuple[str, ...] = ()
    extmaps: tuple[ExtMap, ...] = ()
    egress: EgressSection | None = None

    def media(self) -> NegotiatedMedia:
        formats = self.outbound if self.sends and not self.receives else self.inbound
        return NegotiatedMedia(
            self.mid,
            self.kind,
            self.receives,
            self.sends,
            read_encodings(self.remote, self.rids) if self.receives else (),
            tuple(dict.fromkeys(format_.codec for format_ in formats)),
        )

    def answer(self) -> compose.Answered:
        """What our answer says of it; payload types and ids are the client's in both directions."""
        return compose.Answered(
            remote=self.remote,
            direction=Direction.of(sends=self.sends, receives=self.receives),
            formats=self.inbound,
            extensions=self.extmaps,
            rids=self.rids,
            egress=self.egress,
        )


def _agree_on_answer(mid: str, ours: MediaDescription, theirs: MediaDescription) -> _Agreement:
    _check_transport_protocol(theirs, f"m-line {mid!r}")
    offered, direction = ours.direction or Direction.SENDRECV, theirs.direction or Direction.SENDRECV
    receives = offered.receives and direction.sends
    sends = offered.sends and direction.receives
    if direction.sends > offered.receives or direction.receives > offered.sends:
        raise _bad(f"m-line {mid!r} is answered {direction}, which does not fit {offered}")
    # We offer each m-line in one direction only; what the other side needs is the same either way.
    own = read_formats(ours, sends=True, receives=True)
    chosen = read_formats(theirs, sends=direction.sends, receives=direction.receives)
    codecs = [format_.codec for format_ in chosen]
    inbound = sorted((f for f in own if f.codec in codecs), key=lambda format_: codecs.index(format_.codec))
    outbound = [format_ for format_ in chosen if any(format_.codec == other.codec for other in own)]
    if not outbound:
        raise _unsupported(f"m-line {mid!r} is accepted with no codec of the offer")
    own_ids = {kind: extmap.id for extmap, kind in read_extensions(ours)}
    extensions = [(extmap, kind) for extmap, kind in read_extensions(theirs) if kind in own_ids]
    rids = _answered_rids(ours, theirs, {kind for _, kind in extensions})
    return _Agreement(
        mid,
        Kind(ours.kind),
        theirs,
        receives,
        sends,
        inbound=tuple(replace(f, rtx_pt=_kept_rtx(f, chosen)) for f in inbound),
        outbound=tuple(outbound),
        inbound_extensions=tuple((own_ids[kind], kind) for extmap, kind in extensions if _active(extmap, sends=True)),
        outbound_extensions=tuple((extmap.id, kind) for extmap, kind in extensions if _active(extmap, sends=False)),
        rids=rids,
    )


def _agree_on_offer(
    mid: str,
    theirs: MediaDescription,
    policy: CodecPolicy,
    waiting: list[EgressSection],
    *,
    accept_ingress: bool,
) -> _Agreement | None:
    """None: the m-line is to be rejected. Takes its section out of ``waiting``."""
    if theirs.kind not in set(Kind) or not theirs.is_rtp:
        return None
    kind = Kind(theirs.kind)
    _check_transport_protocol(theirs, f"m-line {mid!r}")
    direction = theirs.direction or Direction.SENDRECV
    egress = next((section for section in waiting if section.kind is kind), None) if direction.receives else None
    receives, sends = direction.sends and accept_ingress, egress is not None
    formats = _preferred(read_formats(theirs, sends=receives, receives=sends), policy.of(kind))
    if not formats:
        return None
    if egress is not None:
        waiting.remove(egress)
    rids = simulcast_rids(theirs, "send")[:MAX_RIDS] if receives and kind is Kind.VIDEO else ()
    known = list(read_extensions(theirs))
    if ExtensionKind.RID not in {kind for _, kind in known} or theirs.mid is None:
        rids = ()
    wanted = extensions_for(kind, simulcast=bool(rids))
    usable = [
        (extmap, extension)
        for extmap, extension in known
        if extension in wanted and (extension is not ExtensionKind.MID or theirs.mid is not None)
    ]
    return _Agreement(
        mid,
        kind,
        theirs,
        receives,
        sends,
        inbound=formats,
        outbound=formats,
        inbound_extensions=tuple((extmap.id, kind) for extmap, kind in usable if _active(extmap, sends=True)),
        outbound_extensions=tuple((extmap.id, kind) for extmap, kind in usable if _active(extmap, sends=False)),
        rids=rids,
        extmaps=tuple(replace(e, direction=e.direction and e.direction.reversed()) for e, _ in usable),
        egress=replace(egress, mid=mid) if egress else None,
    )


def _offered_formats(kind: Kind, policy: CodecPolicy) -> tuple[Format, ...]:
    names = policy.of(kind)
    formats = (format_ for format_ in OFFERED if format_.kind is kind and format_.codec.name in names)
    return tuple(sorted(formats, key=lambda format_: names.index(format_.codec.name)))


def _preferred(formats: Iterable[Format], names: tuple[CodecName, ...]) -> tuple[Format, ...]:
    """One payload type for each codec, in our order; of several the remote's first that has retransmissions."""
    best: dict[CodecId, Format] = {}
    for format_ in formats:
        held = best.get(format_.codec)
        if format_.codec.name in names and (held is None or _rank(format_) > _rank(held)):
            best[format_.codec] = format_
    kept = sorted(best.values(), key=lambda format_: (names.index(format_.codec.name), format_.codec.variant))
    opus = {format_.pt for format_ in kept if format_.codec.name is CodecName.OPUS}
    return tuple(f for f in kept if f.codec.name is not CodecName.RED or _red_block(f) in opus)


def _rank(format_: Format) -> tuple[bool, bool]:
    return "packetization-mode=1" in format_.parameters, format_.rtx_pt is not None


def _red_block(format_: Format) -> int:
    return int(format_.parameters.partition("/")[0])


def _kept_rtx(own: Format, chosen: Sequence[Format]) -> int | None:
    kept = any(format_.codec == own.codec and format_.rtx_pt is not None for format_ in chosen)
    return own.rtx_pt if kept else None


def _answered_rids(ours: MediaDescription, theirs: MediaDescription, known: set[ExtensionKind]) -> tuple[str, ...]:
    """rids that the remote will send, in the order we offered: that is lowest quality first."""
    offered, answered = simulcast_rids(ours, "recv"), set(simulcast_rids(theirs, "send"))
    if not answered or ExtensionKind.RID not in known:
        return ()
    if not answered <= set(offered):
        raise _bad(f"the answer sends rids that were not offered: {', '.join(sorted(answered - set(offered)))}")
    return tuple(rid for rid in offered if rid in answered)


def _active(extmap: ExtMap, *, sends: bool) -> bool:
    """Whether the writer of ``extmap`` puts it into what it sends (or wants it in what it receives)."""
    direction = extmap.direction or Direction.SENDRECV
    return direction.sends if sends else direction.receives


def _session(remote: _Transport, accepted: Sequence[_Agreement], media: Sequence[NegotiatedMedia]) -> NegotiatedSession:
    receiving = [agreement for agreement in accepted if agreement.receives]
    sending = [agreement for agreement in accepted if agreement.sends]
    return NegotiatedSession(
        remote=remote.parameters,
        receive=_rtp_map(
            [f.payload_type for agreement in receiving for f in agreement.inbound],
            [extension for agreement in receiving for extension in agreement.inbound_extensions],
        ),
        send=_rtp_map(
            [f.payload_type for agreement in sending for f in _one_each(agreement.outbound)],
            [extension for agreement in sending for extension in agreement.outbound_extensions],
        ),
        rtcp_reduced_size=all(agreement.remote.has("rtcp-rsize") for agreement in accepted),
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
            raise _bad(f"payload type {entry.pt} means two codecs in one BUNDLE group")
    by_id: dict[int, ExtensionKind] = {}
    for id_, kind in extensions:
        if by_id.setdefault(id_, kind) is not kind:
            raise _bad(f"extension id {id_} means two extensions in one BUNDLE group")
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
        raise _bad("a=ice-ufrag or a=ice-pwd is missing")
    if not fingerprints:
        raise _bad("a=fingerprint is missing")
    if session.has("ice-lite"):
        raise _unsupported("the remote is ICE-lite, and so is this server", "one side must be a full ICE agent")
    setup = media.setup or session.setup
    parameters = RemoteTransportParameters(
        ufrag,
        pwd,
        fingerprints,
        "client" if setup is SetupRole.PASSIVE else "server",
        media.ice_options or session.ice_options,
    )
    return _Transport(parameters, setup)


def _check_transport_protocol(media: MediaDescription, what: str) -> None:
    if media.protocol not in ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"):
        raise _unsupported(f"{what} uses {media.protocol}", "UDP/TLS/RTP/SAVPF")
    if not media.has("rtcp-mux"):
        raise _unsupported(f"{what} does not multiplex RTCP", "a=rtcp-mux")


def _check_bundle(answer: SessionDescription, accepted: Sequence[_Agreement]) -> None:
    missing = [agreement.mid for agreement in accepted if agreement.mid not in answer.bundle]
    if missing and len(accepted) > 1:
        raise _unsupported(f"m-lines {', '.join(missing)} are not in the answer's BUNDLE group")


def _transport_media(answer: SessionDescription, accepted: Sequence[_Agreement]) -> MediaDescription:
    """The tagged m-line, whose transport holds for the group: the group's first (RFC 9143 §7.3)."""
    tag = answer.bundle[0] if answer.bundle else None
    return next((agreement.remote for agreement in accepted if agreement.mid == tag), accepted[0].remote)


def _offered_transport_media(offer: SessionDescription, accepted: Sequence[_Agreement]) -> MediaDescription:
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
        raise _unsupported("the offer has several m-lines and no BUNDLE group", "a=group:BUNDLE with all mids")
    return frozenset(rtp)


def _spare_mid(index: int, offer: SessionDescription) -> str:
    """A name for an m-line without mid, for use inside the server only."""
    taken = {media.mid for media in offer.media}
    return next(name for name in (f"{index}{'_' * n}" for n in range(len(taken) + 1)) if name not in taken)


def _bad(detail: str, hint: str = "") -> RemoteError:
    return RemoteError("bad_sdp", detail, hint, status=400)


def _unsupported(detail: str, hint: str = "") -> RemoteError:
    return RemoteError("unsupported_media", detail, hint, status=422)
