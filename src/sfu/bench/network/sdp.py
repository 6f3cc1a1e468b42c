"""The simulated client's answer to the server's offer, by text alone: everything offered is taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """An m-line of the offer, as far as a receiver needs it. ``rtx_ssrc`` is there for video."""

    mid: str
    ssrc: int
    rtx_ssrc: int | None


@dataclass(frozen=True, slots=True)
class ClientSide:
    """What a client says of its transport."""

    ufrag: str
    pwd: str
    fingerprint: str


_OURS = ("a=ice-", "a=fingerprint", "a=setup", "a=candidate", "a=end-of", "a=ssrc", "a=msid", "a=content")


def attribute(sdp: str, name: str) -> str:
    """The first value of an attribute. KeyError: there is none."""
    for line in sdp.splitlines():
        if line.startswith(f"a={name}:"):
            return line.partition(":")[2]
    raise KeyError(name)


def answer(offer: str, client: ClientSide, sending: Collection[str], *, simulcast: bool = True) -> str:
    """Sends on the mids of ``sending`` where the offer receives, in all encodings that it offers with ``simulcast``;
    receives wherever it sends.
    """
    head, *sections = _sections(offer)
    lines = [line for line in head if not line.startswith(("a=ice-", "a=fingerprint", "a=setup"))]
    for section in sections:
        mid = attribute("\n".join(section), "mid")
        sends = mid in sending
        lines.append(" ".join(["m=" + section[0].split(" ")[0].removeprefix("m="), "9", *section[0].split(" ")[2:]]))
        for line in section[1:]:
            if line.startswith(_OURS) or (line.startswith(("a=rid", "a=simulcast")) and not (sends and simulcast)):
                continue
            lines.append(_turned(line, sends=sends))
        lines += [
            f"a=ice-ufrag:{client.ufrag}",
            f"a=ice-pwd:{client.pwd}",
            f"a=fingerprint:sha-256 {client.fingerprint}",
            "a=setup:active",
        ]
    return "\r\n".join(lines) + "\r\n"


def receiving(offer: str) -> list[Line]:
    """The streams that the server may send."""
    lines = []
    for section in _sections(offer)[1:]:
        ssrcs = [int(line.split(":")[1].split(" ")[0]) for line in section if line.startswith("a=ssrc:")]
        if not ssrcs:
            continue
        mid = attribute("\n".join(section), "mid")
        group = [line.split(" ")[1:] for line in section if line.startswith("a=ssrc-group:FID")]
        ssrc, rtx_ssrc = (int(group[0][0]), int(group[0][1])) if group else (ssrcs[0], None)
        lines.append(Line(mid, ssrc, rtx_ssrc))
    return lines


def _turned(line: str, *, sends: bool) -> str:
    if line.startswith(("a=rid:", "a=simulcast:")):
        return line.replace(" recv", " send").replace(":recv", ":send")
    return {"a=recvonly": "a=sendonly" if sends else "a=inactive", "a=sendonly": "a=recvonly"}.get(line, line)


def _sections(sdp: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections
