"""Codecs, payload types and header extensions as values. Knows no SDP text and no packets.

These are the types that negotiation gives to the media layer, and the media layer to the shard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Media kind of an m-line, producer or consumer."""

    AUDIO = "audio"
    VIDEO = "video"


class CodecName(StrEnum):
    """Codecs the data plane understands; values are the words of ``sfu._native``."""

    OPUS = "opus"
    RED = "red"
    VP8 = "vp8"
    VP9 = "vp9"
    H264 = "h264"
    AV1 = "av1"


class ExtensionKind(StrEnum):
    """RTP header extensions the data plane reads or writes; values are the words of ``sfu._native``."""

    MID = "mid"
    RID = "rid"
    REPAIRED_RID = "repaired_rid"
    AUDIO_LEVEL = "audio_level"
    ABS_SEND_TIME = "abs_send_time"
    TRANSPORT_CC = "transport_cc"
    VIDEO_ORIENTATION = "video_orientation"
    PLAYOUT_DELAY = "playout_delay"
    DEPENDENCY_DESCRIPTOR = "dependency_descriptor"
    ABS_CAPTURE_TIME = "abs_capture_time"


@dataclass(frozen=True, slots=True)
class CodecId:
    """A codec and its format: equal ids mean that one decoder takes both.

    ``variant`` tells formats of one codec apart (H264: 0 constrained baseline, 1 high, which main is a
    subset of; VP9 and AV1: the profile; otherwise 0).
    """

    name: CodecName
    variant: int = 0


@dataclass(frozen=True, slots=True)
class PayloadType:
    """One negotiated payload type; ``rtx_pt`` is that of its retransmissions (RFC 4588) or None."""

    pt: int
    codec: CodecId
    clock_rate_hz: int
    rtx_pt: int | None = None


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What one direction of a BUNDLE group agreed on: payload types and extension ids."""

    payload_types: tuple[PayloadType, ...] = ()
    extensions: tuple[tuple[int, ExtensionKind], ...] = ()


@dataclass(frozen=True, slots=True)
class EncodingParameters:
    """One encoding of a source that a remote side will send (any of the three may be unknown)."""

    rid: str | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Certificate fingerprint of RFC 8122: algorithm in lower case, value as upper-case hex with colons."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class RemoteTransportParameters:
    """What the remote description says of its transport.

    ``dtls_role`` is the role the *server* takes: ``"server"`` when the remote answered ``active`` (or
    offers ``actpass``), ``"client"`` when it is ``passive``.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    dtls_role: str = "server"
    ice_options: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class LocalTransportParameters:
    """What our descriptions say of one transport.

    ``candidates`` are values of ``a=candidate`` (``"1 1 udp 2130706431 10.0.0.1 40000 typ host"``): text,
    so that ``sdp`` and ``ice`` need not know each other.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    candidates: tuple[str, ...] = ()
    ice_lite: bool = True
