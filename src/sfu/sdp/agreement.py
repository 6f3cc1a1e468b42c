"""What two m-lines, an offered and an answering one, have in common: formats, extensions, encodings, direction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sfu.errors import RemoteError
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, ExtensionKind, Kind
from sfu.sdp import compose
from sfu.sdp.attributes import Direction, ExtMap
from sfu.sdp.compose import EgressSection
from sfu.sdp.description import READ_BEFORE, MediaDescription, Shared
from sfu.sdp.encodings import MAX_RIDS, read_encodings, simulcast_rids
from sfu.sdp.formats import Format, extensions_for, read_extensions, read_formats


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


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What two m-lines have in common, whoever they belong to: formats as each side numbers them, matched by codec.
    Many m-lines have the same ones; compared by identity.

    ``inbound`` are payload types on what we receive, ``outbound`` on what we send; likewise extensions. ``codecs`` are
    in order of preference.
    """

    kind: Kind
    receives: bool
    sends: bool
    inbound: tuple[Format, ...]
    outbound: tuple[Format, ...]
    inbound_extensions: tuple[tuple[int, ExtensionKind], ...]
    outbound_extensions: tuple[tuple[int, ExtensionKind], ...]
    rtcp_reduced_size: bool
    rids: tuple[str, ...]
    codecs: tuple[CodecId, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One accepted m-line."""

    mid: str
    remote: MediaDescription
    terms: Terms
    extmaps: tuple[ExtMap, ...] = ()
    egress: EgressSection | None = None

    def media(self) -> NegotiatedMedia:
        terms = self.terms
        encodings = read_encodings(self.remote, terms.rids) if terms.receives else ()
        return NegotiatedMedia(self.mid, terms.kind, terms.receives, terms.sends, encodings, terms.codecs)

    def answer(self) -> compose.Answered:
        """What our answer says of it; payload types and ids are the client's in both directions."""
        return compose.Answered(
            remote=self.remote,
            direction=Direction.of(sends=self.terms.sends, receives=self.terms.receives),
            formats=self.terms.inbound,
            extensions=self.extmaps,
            rids=self.terms.rids,
            egress=self.egress,
        )


def agree_on_answer(mid: str, ours: MediaDescription, theirs: MediaDescription) -> Agreement:
    try:
        if ours.shared is not None and theirs.shared is not None:
            return Agreement(mid, theirs, _agree_again(ours.shared, theirs.shared))
        return Agreement(mid, theirs, _agree(ours, theirs))
    except RemoteError as error:
        raise RemoteError(error.code, f"m-line {mid!r} {error.detail}", error.hint, status=error.status) from error


@lru_cache(maxsize=READ_BEFORE)
def _agree_again(ours: Shared, theirs: Shared) -> Terms:
    return _agree(ours.media, theirs.media)


def _agree(ours: MediaDescription, theirs: MediaDescription) -> Terms:
    _check_transport_protocol(theirs)
    offered, direction = ours.direction or Direction.SENDRECV, theirs.direction or Direction.SENDRECV
    if direction.sends > offered.receives or direction.receives > offered.sends:
        raise bad_sdp(f"is answered {direction}, which does not fit {offered}")
    # We offer each m-line in one direction only; what the other side needs is the same either way.
    own = read_formats(ours, sends=True, receives=True)
    chosen = read_formats(theirs, sends=direction.sends, receives=direction.receives)
    inbound, outbound = _in_common(own, chosen)
    if not outbound:
        raise unsupported_media("is accepted with no codec of the offer")
    own_ids = {kind: extmap.id for extmap, kind in read_extensions(ours)}
    extensions = [(extmap, kind) for extmap, kind in read_extensions(theirs) if kind in own_ids]
    receives, sends = offered.receives and direction.sends, offered.sends and direction.receives
    return Terms(
        Kind(ours.kind),
        receives=receives,
        sends=sends,
        inbound=inbound,
        outbound=outbound,
        inbound_extensions=tuple((own_ids[kind], kind) for extmap, kind in extensions if _active(extmap, sends=True)),
        outbound_extensions=tuple((extmap.id, kind) for extmap, kind in extensions if _active(extmap, sends=False)),
        rtcp_reduced_size=theirs.has("rtcp-rsize"),
        rids=_answered_rids(ours, theirs, {kind for _, kind in extensions}),
        codecs=_codecs(outbound if sends and not receives else inbound),
    )


def agree_on_offer(
    mid: str,
    theirs: MediaDescription,
    policy: CodecPolicy,
    waiting: list[EgressSection],
    *,
    accept_ingress: bool,
) -> Agreement | None:
    """None: the m-line is to be rejected. Takes its section out of ``waiting``."""
    if theirs.kind not in set(Kind) or not theirs.is_rtp:
        return None
    kind = Kind(theirs.kind)
    try:
        _check_transport_protocol(theirs)
    except RemoteError as error:
        raise RemoteError(error.code, f"m-line {mid!r} {error.detail}", error.hint, status=error.status) from error
    direction = theirs.direction or Direction.SENDRECV
    egress = next((section for section in waiting if section.kind is kind), None) if direction.receives else None
    receives, sends = direction.sends and accept_ingress, egress is not None
    formats = _preferred(read_formats(theirs, sends=receives, receives=sends), policy.of(kind))
    if not formats:
        return None
    if egress is not None:
        waiting.remove(egress)
    rids = simulcast_rids(theirs, "send")[:MAX_RIDS] if receives and kind is Kind.VIDEO else ()
    known = read_extensions(theirs)
    if ExtensionKind.RID not in {kind for _, kind in known} or theirs.mid is None:
        rids = ()
    wanted = extensions_for(kind, simulcast=bool(rids))
    usable = [
        (extmap, extension)
        for extmap, extension in known
        if extension in wanted and (extension is not ExtensionKind.MID or theirs.mid is not None)
    ]
    terms = Terms(
        kind,
        receives=receives,
        sends=sends,
        inbound=formats,
        outbound=formats,
        inbound_extensions=tuple((extmap.id, kind) for extmap, kind in usable if _active(extmap, sends=True)),
        outbound_extensions=tuple((extmap.id, kind) for extmap, kind in usable if _active(extmap, sends=False)),
        rtcp_reduced_size=theirs.has("rtcp-rsize"),
        rids=rids,
        codecs=_codecs(formats),
    )
    extmaps = tuple(replace(e, direction=e.direction and e.direction.reversed()) for e, _ in usable)
    return Agreement(mid, theirs, terms, extmaps, replace(egress, mid=mid) if egress else None)


def _in_common(own: tuple[Format, ...], chosen: tuple[Format, ...]) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
    """What both know, in the order of ``chosen``: as we number it, and as they do."""
    codecs = [format_.codec for format_ in chosen]
    inbound = sorted((f for f in own if f.codec in codecs), key=lambda format_: codecs.index(format_.codec))
    outbound = (format_ for format_ in chosen if any(format_.codec == other.codec for other in own))
    return tuple(replace(f, rtx_pt=_kept_rtx(f, chosen)) for f in inbound), tuple(outbound)


def _codecs(formats: Iterable[Format]) -> tuple[CodecId, ...]:
    return tuple(dict.fromkeys(format_.codec for format_ in formats))


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
        raise bad_sdp(f"sends rids that were not offered: {', '.join(sorted(answered - set(offered)))}")
    return tuple(rid for rid in offered if rid in answered)


def _active(extmap: ExtMap, *, sends: bool) -> bool:
    """Whether the writer of ``extmap`` puts it into what it sends (or wants it in what it receives)."""
    direction = extmap.direction or Direction.SENDRECV
    return direction.sends if sends else direction.receives


def _check_transport_protocol(media: MediaDescription) -> None:
    if media.protocol not in ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"):
        raise unsupported_media(f"uses {media.protocol}", "UDP/TLS/RTP/SAVPF")
    if not media.has("rtcp-mux"):
        raise unsupported_media("does not multiplex RTCP", "a=rtcp-mux")


def bad_sdp(detail: str, hint: str = "") -> RemoteError:
    return RemoteError("bad_sdp", detail, hint, status=400)


def unsupported_media(detail: str, hint: str = "") -> RemoteError:
    return RemoteError("unsupported_media", detail, hint, status=422)
