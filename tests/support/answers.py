"""SDP as a client would write it, by text alone: independent of ``sfu.sdp``, which the tests are about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

FINGERPRINT = ":".join(["AB"] * 32)


@dataclass(frozen=True)
class ClientSide:
    """A client's transport."""

    ufrag: str = "clnt"
    pwd: str = "client-password-000000000".replace("-", "x")
    fingerprint: str = FINGERPRINT


def answer_to(
    offer: str,
    *,
    send: Collection[str] = ("0", "1", "2", "3"),
    refuse: Collection[str] = (),
    codecs: Collection[str] | None = None,
    client: ClientSide = ClientSide(),
) -> str:
    """An answer: sends on the mids of ``send`` where the offer receives, receives where it sends.

    ``refuse``: mids answered with port 0. ``codecs``: encoding names to keep (lower case), all by default;
    retransmissions of those that go, go as well.
    """
    head, *sections = _sections(offer)
    kept = [line for line in head if not line.startswith(("a=ice-", "a=fingerprint", "a=setup"))]
    lines = list(kept)
    for section in sections:
        lines += _answer_section(section, send, refuse, codecs, client)
    mids = [_value(section, "a=mid:") for section in sections if _value(section, "a=mid:") not in refuse]
    lines = [f"a=group:BUNDLE {' '.join(mids)}" if line.startswith("a=group:BUNDLE") else line for line in lines]
    return "\r\n".join(lines) + "\r\n"


def mids_of(sdp: str, kind: str | None = None) -> list[str]:
    """The mids of the m-lines, of one kind if given."""
    _, *sections = _sections(sdp)
    return [_value(section, "a=mid:") for section in sections if kind is None or section[0].startswith(f"m={kind} ")]


def attribute(sdp: str, name: str) -> str:
    """The first value of an attribute."""
    return _value(sdp.splitlines(), f"a={name}:")


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _value(lines: list[str], prefix: str) -> str:
    return next(line[len(prefix) :] for line in lines if line.startswith(prefix))


_OURS = ("a=ice-", "a=fingerprint", "a=setup", "a=candidate", "a=end-of", "a=ssrc", "a=msid", "a=content")


def _answer_section(
    section: list[str],
    send: Collection[str],
    refuse: Collection[str],
    codecs: Collection[str] | None,
    client: ClientSide,
) -> list[str]:
    mid = _value(section, "a=mid:")
    kind, _port, profile, *pts = section[0].removeprefix("m=").split(" ")
    gone = _dropped_payload_types(section, codecs)
    port = "0" if mid in refuse else "9"
    lines = [f"m={kind} {port} {profile} {' '.join(pt for pt in pts if pt not in gone)}"]
    for line in section[1:]:
        name, _, rest = line.partition(":")
        if line.startswith(_OURS):
            continue
        if name in ("a=rtpmap", "a=fmtp", "a=rtcp-fb") and rest.split(" ")[0] in gone:
            continue
        if name in ("a=rid", "a=simulcast") and mid not in send:
            continue
        lines.append(_turned(line, sends=mid in send))
    lines += [
        f"a=ice-ufrag:{client.ufrag}",
        f"a=ice-pwd:{client.pwd}",
        f"a=fingerprint:sha-256 {client.fingerprint}",
        "a=setup:active",
    ]
    return lines


def _turned(line: str, *, sends: bool) -> str:
    """A line of the offer seen from the other side."""
    if line.startswith(("a=rid:", "a=simulcast:")):
        return line.replace(" recv", " send").replace(":recv", ":send")
    return {"a=recvonly": "a=sendonly" if sends else "a=inactive", "a=sendonly": "a=recvonly"}.get(line, line)


def _dropped_payload_types(section: list[str], codecs: Collection[str] | None) -> set[str]:
    if codecs is None:
        return set()
    names = {}
    for line in section:
        if line.startswith("a=rtpmap:"):
            pt, _, encoding = line.removeprefix("a=rtpmap:").partition(" ")
            names[pt] = encoding.split("/")[0].lower()
    gone = {pt for pt, name in names.items() if name not in codecs and name != "rtx"}
    for line in section:
        if line.startswith("a=fmtp:") and "apt=" in line:
            pt, _, parameters = line.removeprefix("a=fmtp:").partition(" ")
            if parameters.partition("apt=")[2].split(";")[0] in gone:
                gone.add(pt)
    return gone
