"""A participant's answer to the server's offer (docs/signaling.md), written by text alone and apart from ``sfu.sdp``.

Opus and VP8. Retransmission is taken, as browsers do, and never asked for: what is lost stays lost and is counted, but
the server may probe by it. A camera sends one encoding, or those named by ``rids`` (RFC 8853).

An offer has some 500 lines: it is cut at its m-lines, once, and what is needed is looked for in each piece.
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
_FEEDBACK = {
    kind: tuple(f"a=rtcp-fb:{pt} {what}" for what in ("transport-cc", "nack pli", "ccm fir"))
    for kind, (pt, _) in _FORMATS.items()
}
"""That is kept where it is offered."""
# They begin with letters that the engine of regular expressions can look for: with "^" it tries at every character.
_SSRC = re.compile(r"\na=ssrc:(\d{1,10}) ")
_RTX = re.compile(rf"\na=fmtp:(\d+) apt={whip.VIDEO_PT}\n")


class Offer:
    """The server's. It may be anything: what cannot be followed is told when it is to be answered."""

    def __init__(self, sdp: str) -> None:
        head, *sections = sdp.replace("\r\n", "\n").split("\nm=")
        self._head = _Section(head)
        self._sections = [_Section(f"m={section}") for section in sections]

    def answer(self, local: whip.Local, sending: Collection[str], rids: Sequence[str] = ()) -> str:
        """Receives wherever the server sends; sends on the mids of ``sending``, video in encodings of these ``rids``
        if there are any. SignalingError: it cannot be answered.
        """
        group = self._head.attribute("group:BUNDLE")
        if group is None:
            raise whip.SignalingError("the offer has no BUNDLE group")
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE{group}"]
        for section in self._sections:
            lines += _answered(section, local, rids if section.mid in sending else None)
        return "\r\n".join(lines) + "\r\n"

    def mids_of_streams(self) -> dict[int, str]:
        """Which m-line each stream that the server sends belongs to, by SSRC; retransmissions too."""
        return {ssrc: section.mid for section in self._sections if section.mid is not None for ssrc in section.ssrcs()}


class _Section:
    """An m-line with what belongs to it, or what comes before the first."""

    def __init__(self, text: str) -> None:
        self._text = f"\n{text}\n"
        self.mid = self.attribute("mid:")

    @property
    def media(self) -> str:
        """The m-line."""
        return self._text[1 : self._text.index("\n", 1)]

    def has(self, line: str) -> bool:
        """Whether it is among them."""
        return f"\n{line}\n" in self._text

    def attribute(self, name: str) -> str | None:
        """What follows the ``name``, of the first of its kind."""
        begin = f"\na={name}"
        found = self._text.find(begin)
        if found < 0:
            return None
        start = found + len(begin)
        return self._text[start : self._text.index("\n", start)]

    def ssrcs(self) -> list[int]:
        """Of its streams, each as often as something is said of it."""
        return [int(ssrc) for ssrc in _SSRC.findall(self._text)]

    def rtx_pt(self) -> str | None:
        """Of VP8's retransmissions; None: there are none."""
        found = _RTX.search(self._text)
        return None if found is None else found[1]


def _answered(section: _Section, local: whip.Local, rids: Sequence[str] | None) -> list[str]:
    """``rids`` is None when nothing is sent."""
    kind, mid = section.media.removeprefix("m=").split(" ")[0], section.mid
    if kind not in _FORMATS or mid is None:
        raise whip.SignalingError(f"the offer has {section.media}, mid {mid}")
    pt, mapping = _FORMATS[kind]
    if not section.has(mapping):
        raise whip.SignalingError(f"m-line {mid} of the offer has no {mapping}")
    extensions = [line for line in _EXTENSIONS if section.has(line)]
    if not set(whip.EXTENSIONS) <= set(extensions):
        raise whip.SignalingError(f"m-line {mid} of the offer numbers its extensions otherwise than the generator")
    rtx_pt = section.rtx_pt() if kind == "video" else None
    rtx = [] if rtx_pt is None else [f"a=rtpmap:{rtx_pt} rtx/90000", f"a=fmtp:{rtx_pt} apt={pt}"]
    return [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {pt}{'' if rtx_pt is None else f' {rtx_pt}'}",
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
        *(line for line in _FEEDBACK[kind] if section.has(line)),
        *rtx,
        *_direction(section, kind, local, rids),
    ]


def _direction(section: _Section, kind: str, local: whip.Local, rids: Sequence[str] | None) -> list[str]:
    """``rids`` is None when nothing is sent."""
    if section.has("a=sendonly"):
        return ["a=recvonly"]
    if rids is None:
        return ["a=inactive"]
    if kind == "video" and rids:
        offered = section.attribute("simulcast:recv ") or ""
        if not set(rids) <= set(re.split("[;,]", offered)) or not section.has(whip.RID):
            raise whip.SignalingError(f"the offer takes no encodings {', '.join(rids)}")
        named = [f"a=rid:{rid} send" for rid in rids]
        return [whip.RID, "a=sendonly", *named, f"a=simulcast:send {';'.join(rids)}"]
    ssrc = local.audio_ssrc if kind == "audio" else local.video_ssrc
    return ["a=sendonly", f"a=ssrc:{ssrc} cname:bench"]
