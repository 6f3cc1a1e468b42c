"""A participant's answer to the server's offer (docs/signaling.md), written by text alone and apart from ``sfu.sdp``.

Opus and VP8. Retransmission is taken, as browsers do, and never asked for: what is lost stays lost and is counted, but
the server may probe by it. A camera sends one encoding, or those named by ``rids`` (RFC 8853).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sfu.bench import whip

_EXTENSIONS = (*whip.EXTENSIONS, whip.AUDIO_LEVEL)
_FORMATS = {
    "audio": (str(whip.AUDIO_PT), f"a=rtpmap:{whip.AUDIO_PT} opus/48000/2"),
    "video": (str(whip.VIDEO_PT), f"a=rtpmap:{whip.VIDEO_PT} VP8/90000"),
}
_SSRC = re.compile(r"a=ssrc:(\d{1,10}) ")
_KEPT_FEEDBACK = ("transport-cc", "nack pli", "ccm fir")


def answer(offer: str, local: whip.Local, sending: Collection[str], rids: Sequence[str] = ()) -> str:
    """Receives wherever the server sends; sends on the mids of ``sending``, video in encodings of these ``rids`` if
    there are any. SignalingError: it cannot be answered.
    """
    head, *sections = _sections(offer)
    group = next((line for line in head if line.startswith("a=group:BUNDLE")), None)
    if group is None:
        raise whip.SignalingError("the offer has no BUNDLE group")
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", group]
    for section in sections:
        lines += _section(section, local, sending, rids)
    return "\r\n".join(lines) + "\r\n"


def mids_of_streams(offer: str) -> dict[int, str]:
    """Which m-line each stream that the server sends belongs to, by SSRC; retransmissions too."""
    found: dict[int, str] = {}
    for section in _sections(offer)[1:]:
        mid = next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), None)
        if mid is not None:
            ssrcs = (_SSRC.match(line) for line in section if line.startswith("a=ssrc:"))
            found |= {int(ssrc[1]): mid for ssrc in ssrcs if ssrc is not None}
    return found


def _section(section: list[str], local: whip.Local, sending: Collection[str], rids: Sequence[str]) -> list[str]:
    kind = section[0].removeprefix("m=").split(" ")[0]
    mid = next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), None)
    if kind not in _FORMATS or mid is None:
        raise whip.SignalingError(f"the offer has {section[0]}, mid {mid}")
    pt, mapping = _FORMATS[kind]
    if mapping not in section:
        raise whip.SignalingError(f"m-line {mid} of the offer has no {mapping}")
    extensions = [line for line in _EXTENSIONS if line in section]
    if not set(whip.EXTENSIONS) <= set(extensions):
        raise whip.SignalingError(f"m-line {mid} of the offer numbers its extensions otherwise than the generator")
    rtx = _retransmission(section, pt) if kind == "video" else []
    payload_types = " ".join([pt, *(line.removeprefix("a=rtpmap:").split(" ")[0] for line in rtx[:1])])
    feedback = [f"a=rtcp-fb:{pt} {what}" for what in _KEPT_FEEDBACK]
    return [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload_types}",
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=mid:{mid}",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        "a=setup:active",
        *extensions,
        mapping,
        *(line for line in feedback if line in section),
        *rtx,
        *_direction(section, kind, local, rids if mid in sending else None),
    ]


def _retransmission(section: list[str], pt: str) -> list[str]:
    """The offer's lines of it, that with its payload type first; none when there is no retransmission of ``pt``."""
    for line in section:
        rtx_pt, _, parameters = line.removeprefix("a=fmtp:").partition(" ")
        if line.startswith("a=fmtp:") and parameters == f"apt={pt}":
            return [f"a=rtpmap:{rtx_pt} rtx/90000", line]
    return []


def _direction(section: list[str], kind: str, local: whip.Local, rids: Sequence[str] | None) -> list[str]:
    """``rids`` is None when nothing is sent."""
    if "a=sendonly" in section:
        return ["a=recvonly"]
    if rids is None:
        return ["a=inactive"]
    if kind == "video" and rids:
        offered = next((line for line in section if line.startswith("a=simulcast:recv ")), "")
        if not set(rids) <= set(re.split("[ ;,]", offered)) or whip.RID not in section:
            raise whip.SignalingError(f"the offer takes no encodings {', '.join(rids)}")
        named = [f"a=rid:{rid} send" for rid in rids]
        return [whip.RID, "a=sendonly", *named, f"a=simulcast:send {';'.join(rids)}"]
    ssrc = local.audio_ssrc if kind == "audio" else local.video_ssrc
    return ["a=sendonly", f"a=ssrc:{ssrc} cname:bench"]


def _sections(sdp: str) -> list[list[str]]:
    """What comes before the first m-line, then each m-line with what belongs to it."""
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections
