"""RTP formats and header extensions in SDP: what this server offers, and what a remote's m-line means.

The two tables are the whole of the server's media capabilities. Their numbers are the same in every offer,
so that the maps of all participants are alike and a BUNDLE group never contradicts itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sfu.rtp.codecs import CodecId, CodecName, ExtensionKind, Kind, PayloadType
from sfu.sdp.attributes import ExtMap, FormatParameters, RtpMapping
from sfu.sdp.description import LONGEST_KEPT, READ_BEFORE, MediaDescription

RTCP_CONFLICT = range(64, 96)
"""Payload types that look like RTCP once RTP and RTCP share a port (RFC 5761 §4)."""
MAX_EXTENSION_ID = 14
"""Highest id of a one-byte header extension (RFC 8285 §4.2)."""


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of an m-line. ``rtx_pt`` is that of its retransmissions, if there is one."""

    pt: int
    codec: CodecId
    encoding: str
    clock_rate_hz: int
    channels: str | None = None
    parameters: str = ""
    rtx_pt: int | None = None

    @property
    def kind(self) -> Kind:
        return Kind.AUDIO if self.codec.name in (CodecName.OPUS, CodecName.RED) else Kind.VIDEO

    @property
    def payload_type(self) -> PayloadType:
        return PayloadType(self.pt, self.codec, self.clock_rate_hz, self.rtx_pt)


_H264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="

OFFERED: tuple[Format, ...] = (
    Format(111, CodecId(CodecName.OPUS), "opus", 48_000, "2", "minptime=10;useinbandfec=1"),
    Format(112, CodecId(CodecName.RED), "red", 48_000, "2", "111/111"),
    Format(96, CodecId(CodecName.VP8), "VP8", 90_000, rtx_pt=97),
    Format(98, CodecId(CodecName.VP9), "VP9", 90_000, parameters="profile-id=0", rtx_pt=99),
    Format(102, CodecId(CodecName.H264), "H264", 90_000, parameters=f"{_H264}42e01f", rtx_pt=103),
    # Safari calls its high profile constrained, others do not; both mean the same decoder here.
    Format(104, CodecId(CodecName.H264, 1), "H264", 90_000, parameters=f"{_H264}640c1f", rtx_pt=105),
    Format(106, CodecId(CodecName.H264, 1), "H264", 90_000, parameters=f"{_H264}64001f", rtx_pt=107),
    Format(108, CodecId(CodecName.AV1), "AV1", 90_000, rtx_pt=109),
)

FEEDBACK: Mapping[Kind, tuple[str, ...]] = {
    Kind.AUDIO: ("transport-cc",),
    Kind.VIDEO: ("transport-cc", "ccm fir", "nack", "nack pli"),
}

EXTENSION_URIS: Mapping[ExtensionKind, str] = {
    ExtensionKind.MID: "urn:ietf:params:rtp-hdrext:sdes:mid",
    ExtensionKind.RID: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    ExtensionKind.REPAIRED_RID: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    ExtensionKind.AUDIO_LEVEL: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    ExtensionKind.ABS_SEND_TIME: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    ExtensionKind.TRANSPORT_CC: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ExtensionKind.VIDEO_ORIENTATION: "urn:3gpp:video-orientation",
    ExtensionKind.PLAYOUT_DELAY: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    ExtensionKind.DEPENDENCY_DESCRIPTOR: (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
    ),
    ExtensionKind.ABS_CAPTURE_TIME: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
}
EXTENSION_IDS: Mapping[ExtensionKind, int] = {kind: id_ for id_, kind in enumerate(EXTENSION_URIS, start=1)}
_KIND_OF_URI = {uri: kind for kind, uri in EXTENSION_URIS.items()}

_STREAM_NAMES = frozenset({ExtensionKind.RID, ExtensionKind.REPAIRED_RID})
_COMMON = frozenset(
    {ExtensionKind.MID, ExtensionKind.ABS_SEND_TIME, ExtensionKind.TRANSPORT_CC, ExtensionKind.ABS_CAPTURE_TIME}
)
_OF_KIND: Mapping[Kind, frozenset[ExtensionKind]] = {
    Kind.AUDIO: _COMMON | {ExtensionKind.AUDIO_LEVEL},
    Kind.VIDEO: _COMMON
    | {ExtensionKind.VIDEO_ORIENTATION, ExtensionKind.PLAYOUT_DELAY, ExtensionKind.DEPENDENCY_DESCRIPTOR},
}


def extensions_for(kind: Kind, *, simulcast: bool) -> tuple[ExtensionKind, ...]:
    """Extensions that an m-line of ours may carry, in the order of their ids."""
    wanted = _OF_KIND[kind] | (_STREAM_NAMES if simulcast else frozenset())
    return tuple(extension for extension in EXTENSION_URIS if extension in wanted)


def read_extensions(media: MediaDescription) -> tuple[tuple[ExtMap, ExtensionKind], ...]:
    """Header extensions of a remote m-line that we know, at ids that fit a one-byte header."""
    attributes = tuple(media.all(ExtMap))
    is_long = sum(len(item.uri) + len(item.attributes or "") for item in attributes) > LONGEST_KEPT
    return (_read_extensions.__wrapped__ if is_long else _read_extensions)(attributes)


@lru_cache(maxsize=READ_BEFORE)
def _read_extensions(attributes: tuple[ExtMap, ...]) -> tuple[tuple[ExtMap, ExtensionKind], ...]:
    found: dict[ExtensionKind, ExtMap] = {}
    for attribute in attributes:
        kind = _KIND_OF_URI.get(attribute.uri)
        if kind is not None and attribute.id <= MAX_EXTENSION_ID:
            found.setdefault(kind, attribute)
    return tuple((attribute, kind) for kind, attribute in found.items())


def read_formats(media: MediaDescription, *, sends: bool, receives: bool) -> tuple[Format, ...]:
    """Payload types of a remote m-line that we understand, in its order, each with its retransmissions.

    ``sends`` and ``receives`` say what the remote does on the m-line: an H264 profile means the decoder that
    its stream needs, or the one that it has.
    """
    attributes = tuple(item for item in media.attributes if isinstance(item, RtpMapping | FormatParameters))
    is_long = sum(len(item.text) for item in attributes if isinstance(item, FormatParameters)) > LONGEST_KEPT
    read = _read_formats.__wrapped__ if is_long else _read_formats
    return read(media.kind == Kind.AUDIO, media.payload_types, attributes, sends, receives)


@lru_cache(maxsize=READ_BEFORE)
def _read_formats(
    is_audio: bool,
    payload_types: tuple[int, ...],
    attributes: tuple[RtpMapping | FormatParameters, ...],
    sends: bool,
    receives: bool,
) -> tuple[Format, ...]:
    mappings = {mapping.pt: mapping for mapping in attributes if isinstance(mapping, RtpMapping)}
    parameters = {fmtp.pt: fmtp for fmtp in attributes if isinstance(fmtp, FormatParameters)}
    usable = [pt for pt in payload_types if pt not in RTCP_CONFLICT and pt in mappings]
    rtx_of: dict[int, int] = {}
    for pt in usable:
        apt = parameters[pt].values.get("apt", "") if pt in parameters else ""
        if mappings[pt].encoding.lower() == "rtx" and apt.isdecimal():
            rtx_of.setdefault(int(apt[:4]), pt)
    formats = []
    opus: set[int] = set()
    for pt in sorted(usable, key=lambda pt: mappings[pt].encoding.lower() == "red"):
        mapping, fmtp = mappings[pt], parameters.get(pt)
        codec = _codec(mapping, fmtp, opus, sends=sends, receives=receives)
        if codec is None or (codec.name in (CodecName.OPUS, CodecName.RED)) != is_audio:
            continue
        if codec.name is CodecName.OPUS:
            opus.add(pt)
        text = fmtp.text if fmtp else ""
        rtx_pt = None if is_audio else rtx_of.get(pt)
        formats.append(Format(pt, codec, mapping.encoding, mapping.clock_rate_hz, mapping.parameters, text, rtx_pt))
    order = {pt: index for index, pt in enumerate(payload_types)}
    return tuple(sorted(formats, key=lambda format_: order[format_.pt]))


def _codec(
    mapping: RtpMapping, fmtp: FormatParameters | None, opus: set[int], *, sends: bool, receives: bool
) -> CodecId | None:
    """The codec of one payload type; None when we do not know it, or only in other formats."""
    values = fmtp.values if fmtp else {}
    match mapping.encoding.lower(), mapping.clock_rate_hz:
        case "opus", 48_000:
            return CodecId(CodecName.OPUS)
        case "red", 48_000:
            blocks = re.fullmatch(r"(\d{1,3})(?:/\d{1,3})*", fmtp.text) if fmtp else None
            return CodecId(CodecName.RED) if blocks and int(blocks[1]) in opus else None
        case "vp8", 90_000:
            return CodecId(CodecName.VP8)
        case "vp9", 90_000:
            return CodecId(CodecName.VP9) if values.get("profile-id", "0") == "0" else None
        case "av1", 90_000:
            return CodecId(CodecName.AV1) if values.get("profile", "0") == "0" else None
        case "h264", 90_000:
            return _h264_codec(values, sends=sends, receives=receives)
    return None


def _h264_codec(values: Mapping[str, str], *, sends: bool, receives: bool) -> CodecId | None:
    """Packetization mode 0 is a subset of mode 1: good enough to receive, not to be sent to (RFC 6184 §6.2)."""
    mode = values.get("packetization-mode", "0")
    if mode != "1" and (receives or mode != "0"):
        return None
    needs, has = _H264_DECODERS.get(h264_profile(values.get("profile-level-id", "42000a")) or "", (None, None))
    variant = needs if sends else has
    if variant is None or (sends and receives and needs != has):
        return None
    return CodecId(CodecName.H264, variant)


_H264_PROFILES = (
    # RFC 6184 §8.1 table 5: profile_idc, mask of the constraint bits, their value, profile.
    (0x42, 0b0100_1111, 0b0100_0000, "constrained baseline"),
    (0x4D, 0b1000_1111, 0b1000_0000, "constrained baseline"),
    (0x58, 0b1100_1111, 0b1100_0000, "constrained baseline"),
    (0x42, 0b0100_1111, 0b0000_0000, "baseline"),
    (0x58, 0b1100_1111, 0b1000_0000, "baseline"),
    (0x4D, 0b1010_1111, 0b0000_0000, "main"),
    (0x64, 0b1111_1111, 0b0000_0000, "high"),
    (0x64, 0b1111_1111, 0b0000_1100, "constrained high"),
    (0xF4, 0b1111_1111, 0b0000_0000, "high 4:4:4 predictive"),
)

_H264_DECODERS: Mapping[str, tuple[int | None, int | None]] = {
    # Profile: (variant of the decoder that its streams need, variant that its decoders have).
    # No encoder for real time makes the slices in any order that set baseline apart.
    "constrained baseline": (0, 0),
    "baseline": (0, 0),
    "main": (1, 0),
    "constrained high": (1, 1),
    "high": (1, 1),
    "high 4:4:4 predictive": (None, 1),
}


def h264_profile(profile_level_id: str) -> str | None:
    """The profile's name, None when the text is malformed or the profile is not in the table."""
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", profile_level_id):
        return None
    idc, bits = int(profile_level_id[:2], 16), int(profile_level_id[2:4], 16)
    return next((name for i, mask, value, name in _H264_PROFILES if i == idc and bits & mask == value), None)
