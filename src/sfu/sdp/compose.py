"""Writes our descriptions: the m-lines of offers and answers from what was decided. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sfu.rtp.codecs import CodecName, Kind, LocalTransportParameters
from sfu.sdp.attributes import (
    Attribute,
    Direction,
    ExtMap,
    Fingerprint,
    FormatParameters,
    Group,
    IceOptions,
    IcePwd,
    IceUfrag,
    Mid,
    Msid,
    Plain,
    Rid,
    RtcpFeedback,
    RtpMapping,
    Setup,
    SetupRole,
    Simulcast,
    SimulcastRid,
    Ssrc,
    SsrcGroup,
)
from sfu.sdp.description import Header, MediaDescription, Origin, SessionDescription, Shared, text_of
from sfu.sdp.formats import EXTENSION_IDS, EXTENSION_URIS, FEEDBACK, Format, extensions_for

_ANY_ADDRESS = Header("c", "IN IP4 0.0.0.0")
"""The address is in the candidates; port 9 and this are the placeholders of RFC 8839 §4.3.1."""


_ICE_OPTIONS = IceOptions(("ice2",))


@dataclass(frozen=True, slots=True)
class IngressSection:
    """An m-line on which the server receives; with ``rids``, lowest quality first, simulcast is offered."""

    mid: str
    kind: Kind
    rids: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True, slots=True)
class EgressSection:
    """An m-line on which the server sends one stream of its own."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    cname: str
    stream_id: str
    track_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An m-line of a client's offer that we accept; ``extensions`` and ``direction`` as we write them."""

    remote: MediaDescription
    direction: Direction
    formats: tuple[Format, ...]
    extensions: tuple[ExtMap, ...]
    rids: tuple[str, ...]
    egress: EgressSection | None


def session(
    local: LocalTransportParameters,
    media: Iterable[MediaDescription],
    mids: tuple[str, ...],
    *,
    session_id: int,
    version: int,
    allow_mixed: bool = True,
) -> SessionDescription:
    """The session part around finished m-lines; ``mids`` form the BUNDLE group."""
    attributes: list[Attribute] = [Group("BUNDLE", mids)] if mids else []
    if allow_mixed:
        attributes.append(Plain("extmap-allow-mixed"))
    attributes.append(Plain("msid-semantic", " WMS *"))
    if local.ice_lite:
        attributes.append(Plain("ice-lite"))
    return SessionDescription(tuple(attributes), Origin("-", session_id, version), media=tuple(media))


class OfferWriter:
    """Writes the m-lines of one offer, ``formats`` in them. What says whose an m-line is comes first, then what all
    offers have in common. What several of its m-lines say is worked out once.
    """

    def __init__(self, local: LocalTransportParameters, formats: Mapping[Kind, tuple[Format, ...]]) -> None:
        self._formats = formats
        self._transport = _transport(local, transport_details=False)
        self._transport_text = text_of(self._transport)
        self._details = _transport(local, transport_details=True)
        self._shared: dict[tuple[Kind, Direction, tuple[str, ...], str], Shared] = {}

    def media(self, section: IngressSection | EgressSection, *, transport_details: bool) -> MediaDescription:
        """An m-line. Candidates go only where ``transport_details``: the group has one transport."""
        own: list[Attribute] = [Mid(section.mid)]
        if isinstance(section, EgressSection):
            own += _stream(section)
            shared = self._in_common(section.kind, Direction.SENDONLY)
        else:
            shared = self._in_common(section.kind, Direction.RECVONLY, section.rids, section.content)
        if transport_details:
            return shared.led_by([*self._details, *own], text_of([*self._details, *own]))
        return shared.led_by([*self._transport, *own], self._transport_text + text_of(own))

    def _in_common(self, kind: Kind, direction: Direction, rids: tuple[str, ...] = (), content: str = "") -> Shared:
        key = kind, direction, rids, content
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _offered(kind, self._formats[kind], direction, rids, content)
        return shared


@lru_cache(maxsize=16)
def _offered(
    kind: Kind, formats: tuple[Format, ...], direction: Direction, rids: tuple[str, ...], content: str
) -> Shared:
    extensions = extensions_for(kind, simulcast=bool(rids))
    attributes = [
        _ICE_OPTIONS,
        Setup(SetupRole.ACTPASS),
        Plain(direction.value),
        Plain("rtcp-mux"),
        Plain("rtcp-rsize"),
        *(ExtMap(EXTENSION_IDS[extension], EXTENSION_URIS[extension]) for extension in extensions),
        *_formats((format_, format_.parameters, FEEDBACK[kind]) for format_ in formats),
        *([Plain("content", content)] if content else []),
        *_simulcast(rids),
    ]
    return Shared.of(_media(kind.value, "UDP/TLS/RTP/SAVPF", formats, attributes))


def answered_media(
    answered: Answered, local: LocalTransportParameters, setup: SetupRole, *, transport_details: bool
) -> MediaDescription:
    """An m-line of our answer: the client's mid, payload types and extension ids."""
    remote = answered.remote
    offered = {(row.pt, row.feedback) for row in remote.all(RtcpFeedback)}
    attributes = [
        *_transport(local, transport_details=transport_details),
        _ICE_OPTIONS,
        Setup(setup),
        *([Mid(remote.mid)] if remote.mid is not None else []),
        Plain(answered.direction.value),
        Plain("rtcp-mux"),
        *([Plain("rtcp-rsize")] if remote.has("rtcp-rsize") else []),
        *answered.extensions,
        *_formats(
            (f, _answered_parameters(f), [word for word in FEEDBACK[f.kind] if offered & {(f.pt, word), (None, word)}])
            for f in answered.formats
        ),
    ]
    if answered.egress is not None:
        attributes += _stream(answered.egress)
    return _media(remote.kind, remote.protocol, answered.formats, [*attributes, *_simulcast(answered.rids)])


def rejected_media(offered: MediaDescription) -> MediaDescription:
    """Port 0 (RFC 3264 §6); the rest of the m-line must look like the offer's."""
    mid = [Mid(offered.mid)] if offered.mid is not None else []
    return MediaDescription(
        (*mid, Plain(Direction.INACTIVE.value)),
        kind=offered.kind,
        port=0,
        protocol=offered.protocol,
        formats=offered.formats,
        headers=(_ANY_ADDRESS,),
    )


def _media(kind: str, protocol: str, formats: Iterable[Format], attributes: Sequence[Attribute]) -> MediaDescription:
    payload_types = [pt for format_ in formats for pt in (format_.pt, format_.rtx_pt) if pt is not None]
    return MediaDescription(
        tuple(attributes),
        kind=kind,
        protocol=protocol,
        formats=tuple(map(str, payload_types)),
        headers=(_ANY_ADDRESS,),
    )


def _transport(local: LocalTransportParameters, *, transport_details: bool) -> list[Attribute]:
    """ICE and DTLS. We never trickle: all candidates are here (RFC 8838 §4.1 asks to say so)."""
    attributes: list[Attribute] = [IceUfrag(local.ufrag), IcePwd(local.pwd)]
    attributes += [Fingerprint(fingerprint) for fingerprint in local.fingerprints]
    if transport_details:
        attributes += [Plain("candidate", candidate) for candidate in local.candidates]
        attributes.append(Plain("end-of-candidates"))
    return attributes


def _formats(rows: Iterable[tuple[Format, str, Sequence[str]]]) -> list[Attribute]:
    """rtpmap, fmtp and feedback of each (format, its parameters, its feedback), with its retransmissions."""
    attributes: list[Attribute] = []
    for format_, parameters, feedback in rows:
        attributes.append(RtpMapping(format_.pt, format_.encoding, format_.clock_rate_hz, format_.channels))
        if parameters:
            attributes.append(FormatParameters(format_.pt, parameters))
        if format_.codec.name is not CodecName.RED:
            attributes += [RtcpFeedback(format_.pt, word) for word in feedback]
        if format_.rtx_pt is not None:
            attributes.append(RtpMapping(format_.rtx_pt, "rtx", format_.clock_rate_hz))
            attributes.append(FormatParameters(format_.rtx_pt, f"apt={format_.pt}"))
    return attributes


def _answered_parameters(format_: Format) -> str:
    """The client's own parameters back, which all codecs but Opus ask for or allow.

    Opus parameters say what their writer receives (RFC 7587 §7): stereo and DTX pass when the client has them.
    """
    if format_.codec.name is not CodecName.OPUS:
        return format_.parameters
    offered = FormatParameters(format_.pt, format_.parameters).values
    words = ["minptime=10", "useinbandfec=1"]
    if "1" in (offered.get("stereo"), offered.get("sprop-stereo")):
        words.append("stereo=1")
    if offered.get("usedtx") == "1":
        words.append("usedtx=1")
    return ";".join(words)


def _stream(section: EgressSection) -> list[Attribute]:
    attributes: list[Attribute] = [Msid(section.stream_id, section.track_id)]
    if section.rtx_ssrc is not None:
        attributes.append(SsrcGroup("FID", (section.ssrc, section.rtx_ssrc)))
    for ssrc in (section.ssrc, section.rtx_ssrc):
        if ssrc is not None:
            attributes.append(Ssrc(ssrc, "cname", section.cname))
            attributes.append(Ssrc(ssrc, "msid", f"{section.stream_id} {section.track_id}"))
    return attributes


def _simulcast(rids: tuple[str, ...]) -> list[Attribute]:
    if not rids:
        return []
    return [*(Rid(rid, "recv") for rid in rids), Simulcast(recv=tuple((SimulcastRid(rid),) for rid in rids))]
