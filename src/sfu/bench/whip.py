"""Signaling of the clients: offers by WHIP and WHEP over HTTP, and what an answer says that a client needs.

Written for this purpose and apart from ``sfu.sdp``, so that a fault there is not met by the same fault here.
"""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

VIDEO_PT, AUDIO_PT = 96, 111
_RTX_PT = 97
VIDEO_MID, AUDIO_MID = "1", "0"
_TRANSPORT_CC_ID = 6
_TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
RID = "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
EXTENSIONS = ("a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid", f"a=extmap:{_TRANSPORT_CC_ID} {_TRANSPORT_CC_URI}")
AUDIO_LEVEL = "a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""The numbers are those of ``crates/loadgen/src/stream.rs``."""
_TIMEOUT_S = 20.0
_MAX_ANSWER_BYTES = 262_144
# Each begins with letters that can be looked for, where "^" would be tried at each character of twenty thousand. The
# first line is never one of these.
_CANDIDATE = re.compile(r"\na=candidate:\S+ 1 [Uu][Dd][Pp] \d+ (\S+) (\d+) typ host")
_REFUSED = re.compile(r"\n(m=\S+ 0 [^\r\n]*)")
# One byte of header has room for the ids 1 to 14 (RFC 8285 §4.2).
_TRANSPORT_CC = re.compile(rf"\na=extmap:([1-9]|1[0-4])(?:/\w+)? {re.escape(_TRANSPORT_CC_URI)}(?=\s|\Z)")
_VP8 = re.compile(r"\na=rtpmap:(\d+) [Vv][Pp]8/90000")


Exchange = Callable[[str], Awaitable[str]]
"""The server's answer to an offer, both SDP. SignalingError when there is none."""


class SignalingError(Exception):
    """The server refused, or its answer cannot be used. The text is for people."""


@dataclass(frozen=True, slots=True)
class Local:
    """What an offer says of a client."""

    ufrag: str
    pwd: str
    fingerprint: str
    """As in ``a=fingerprint``."""
    audio_ssrc: int
    video_ssrc: int
    """Of a camera's first encoding; the others have the numbers after it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the server is and how it shows who it is."""

    address: tuple[str, int]
    ufrag: str
    pwd: str
    fingerprint: tuple[str, str]
    transport_cc_id: int = _TRANSPORT_CC_ID
    """Under which the server writes transport-wide sequence numbers; as offered, or as it insists."""
    rtx_pt: int | None = None
    """Payload type of VP8's retransmissions; None: there are none."""


def offer(local: Local, direction: Literal["sendonly", "recvonly"], *, audio: bool) -> str:
    """Opus and VP8; a subscriber takes retransmissions (RFC 4588), as browsers do.

    It never asks for one, so that what is lost stays lost and is counted, but a server may send some by itself to
    learn what the path carries. A publisher repeats nothing.
    """
    receives = direction == "recvonly"
    payload_types = f"{VIDEO_PT} {_RTX_PT}" if receives else f"{VIDEO_PT}"
    transport = [
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        "a=setup:active",
        f"a={direction}",
        *EXTENSIONS,
    ]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines.append(f"a=group:BUNDLE {AUDIO_MID} {VIDEO_MID}" if audio else f"a=group:BUNDLE {VIDEO_MID}")
    if audio:
        lines += [f"m=audio 9 UDP/TLS/RTP/SAVPF {AUDIO_PT}", *transport, AUDIO_LEVEL, f"a=mid:{AUDIO_MID}"]
        lines += [f"a=rtpmap:{AUDIO_PT} opus/48000/2", f"a=rtcp-fb:{AUDIO_PT} transport-cc"]
        lines += [f"a=ssrc:{local.audio_ssrc} cname:bench"] if direction == "sendonly" else []
    lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {payload_types}", *transport, f"a=mid:{VIDEO_MID}"]
    lines += [f"a=rtpmap:{VIDEO_PT} VP8/90000", f"a=rtcp-fb:{VIDEO_PT} transport-cc"]
    lines += [f"a=rtcp-fb:{VIDEO_PT} nack pli", f"a=rtcp-fb:{VIDEO_PT} ccm fir"]
    lines += [f"a=rtpmap:{_RTX_PT} rtx/90000", f"a=fmtp:{_RTX_PT} apt={VIDEO_PT}"] if receives else []
    lines += [f"a=ssrc:{local.video_ssrc} cname:bench"] if direction == "sendonly" else []
    return "\r\n".join(lines) + "\r\n"


def parse_answer(sdp: str) -> Answer:
    """SignalingError that names what is missing."""
    candidate = _CANDIDATE.search(sdp)
    if candidate is None:
        raise SignalingError("the answer has no UDP host candidate")
    refused = _REFUSED.search(sdp)
    if refused is not None:
        raise SignalingError(f"the server refuses {refused[1]}")
    algorithm, _, value = _attribute(sdp, "fingerprint").partition(" ")
    if algorithm not in {"sha-256", "sha-384", "sha-512"}:
        raise SignalingError(f"the answer has a fingerprint of {algorithm}")
    extension = _TRANSPORT_CC.search(sdp)
    # mediasoup chooses payload types of its own.
    video = _VP8.search(sdp)
    pt = VIDEO_PT if video is None else video[1]
    rtx = re.search(rf"\na=fmtp:(\d{{1,2}}|1[01]\d|12[0-7]) apt={pt}\b", sdp)
    return Answer(
        (candidate[1], int(candidate[2])),
        _attribute(sdp, "ice-ufrag"),
        _attribute(sdp, "ice-pwd"),
        (algorithm, value),
        _TRANSPORT_CC_ID if extension is None else int(extension[1]),
        None if rtx is None else int(rtx[1]),
    )


def exchange_at(url: str) -> Exchange:
    """By WHIP or WHEP."""

    async def exchange(sdp: str) -> str:
        return await asyncio.to_thread(post, url, sdp)

    return exchange


def post(url: str, sdp: str) -> str:
    """The answer to an offer. Blocks: call it in a thread. SignalingError when there is none."""
    headers = {"Content-Type": "application/sdp"}
    request = urllib.request.Request(url, sdp.encode(), headers)  # noqa: S310 - checked by `fanout`
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            body: bytes = response.read(_MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        detail = error.read(1_000).decode(errors="replace")
        raise SignalingError(f"POST {url}: {error.code} {detail}") from error
    except OSError as error:
        raise SignalingError(f"POST {url}: {error}") from error
    return body.decode(errors="replace")


def _attribute(sdp: str, name: str) -> str:
    """Of the first m-line that has it."""
    begin = f"\na={name}:"
    found = sdp.find(begin)
    if found < 0:
        raise SignalingError(f"the answer has no a={name}")
    return sdp[found + len(begin) :].partition("\n")[0].strip()
