"""Two offers that meet: the load generator's and that of a server that insists on offering.

Each side can be told that the other has answered. The server gets an answer to its offer in the name of the client; the
client takes the server's offer for an answer, because both say the same: address, credentials, fingerprint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.peers.adapter import PeerError

_MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
_COPIED = ("mid", "rtcp-mux", "rtcp-rsize", "sctp-port", "max-message-size")


@dataclass(frozen=True, slots=True)
class Section:
    """An m-line with what follows it."""

    kind: str
    protocol: str
    payload_types: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    """(name, value or ""), without ``a=``."""

    def first(self, name: str) -> str | None:
        """The value of the first such attribute."""
        return next((value for found, value in self.attributes if found == name), None)

    def all(self, name: str) -> list[str]:
        """The values of all such attributes."""
        return [value for found, value in self.attributes if found == name]


def parse(sdp: str) -> tuple[Section, list[Section]]:
    """(session level, m-lines). PeerError when an m-line makes no sense."""
    blocks = re.split(r"^(?=m=)", sdp.replace("\r\n", "\n"), flags=re.MULTILINE)
    session = Section("", "", (), _attributes(blocks[0]))
    sections = []
    for block in blocks[1:]:
        words = block.partition("\n")[0].removeprefix("m=").split()
        if len(words) < 4:
            raise PeerError(f"an m-line that makes no sense: {block[:80]!r}")
        sections.append(Section(words[0], words[2], tuple(words[3:]), _attributes(block)))
    return session, sections


def attribute(sdp: str, name: str) -> str:
    """At session level or else in the first m-line that has it. PeerError when there is none."""
    session, sections = parse(sdp)
    for section in (session, *sections):
        value = section.first(name)
        if value is not None:
            return value
    raise PeerError(f"no a={name}")


def answer_to(server_offer: str, client_offer: str) -> str:
    """What the client that made ``client_offer`` answers to ``server_offer``: all of it, to receive, as DTLS client.

    Each m-line is taken with its first payload type. Retransmission is not taken: what is lost stays lost and is
    counted. Data channels are taken and nothing is ever said on them, because some servers offer them first and alone.
    PeerError when an offer cannot be read.
    """
    session, sections = parse(server_offer)
    transport = [f"a={name}:{attribute(client_offer, name)}" for name in ("ice-ufrag", "ice-pwd", "fingerprint")]
    extensions = (value.partition(" ") for section in parse(client_offer)[1] for value in section.all("extmap"))
    known = {number: uri for number, _, uri in extensions}
    taken = [section.first("mid") or "0" for section in sections]
    lines = ["v=0", "o=- 2 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if session.first("group") is not None:
        lines.append("a=group:BUNDLE " + " ".join(taken))
    for section in sections:
        lines += _answered(section, transport, known)
    return "\r\n".join(lines) + "\r\n"


def _answered(section: Section, transport: list[str], known: dict[str, str]) -> list[str]:
    """``known``: the client's header extensions, number to name."""
    pt = section.payload_types[0]
    lines = [f"m={section.kind} 9 {section.protocol} {pt}", "c=IN IP4 0.0.0.0", *transport, "a=setup:active"]
    lines += [f"a={name}:{value}" if value else f"a={name}" for name, value in section.attributes if name in _COPIED]
    if section.kind == "application":
        return lines
    lines.append("a=recvonly")
    lines += [f"a=extmap:{value}" for value in section.all("extmap") if _is_known(value, known)]
    for name in ("rtpmap", "fmtp", "rtcp-fb"):
        lines += [f"a={name}:{value}" for value in section.all(name) if _is_for(value, pt)]
    return lines


def _is_known(value: str, known: dict[str, str]) -> bool:
    """The load generator knows extensions by the numbers of its own offers; a mid under another one does no harm."""
    number, _, uri = value.partition(" ")
    return known.get(number, _MID_URI) == uri


def _is_for(value: str, pt: str) -> bool:
    """Whether an attribute that begins with a payload type is this one's; requests for retransmission are left out."""
    head, _, rest = value.partition(" ")
    return head in {pt, "*"} and rest != "nack"


def _attributes(block: str) -> tuple[tuple[str, str], ...]:
    found = re.findall(r"^a=([^:\s]+):?(.*?)\s*$", block, re.MULTILINE)
    return tuple((str(name), str(value)) for name, value in found)
