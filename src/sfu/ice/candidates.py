"""ICE candidates (RFC 8445 §5.1, RFC 8839 §5.1): values, their text, and which ones this server has.

A lite agent has host candidates only. Behind a one-to-one NAT the advertised addresses take the place of
the bound ones: to the client they are host candidates just the same, so it sees no private address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import ifaddr

from sfu.errors import WireError

MAX_CANDIDATE_CHARS = 1024
RTP_COMPONENT = 1
"""RTCP shares it (RFC 8445 §5.1.1.1)."""

_FOUNDATION = re.compile(r"[0-9A-Za-z+/]{1,32}")
_DIGITS = re.compile(r"[0-9]{1,10}")
_WORD = re.compile(r"[!-~]{1,256}")


class CandidateType(StrEnum):
    HOST = "host"
    SERVER_REFLEXIVE = "srflx"
    PEER_REFLEXIVE = "prflx"
    RELAYED = "relay"


_TYPE_PREFERENCE = {
    # RFC 8445 §5.1.2.2: recommended values.
    CandidateType.HOST: 126,
    CandidateType.PEER_REFLEXIVE: 110,
    CandidateType.SERVER_REFLEXIVE: 100,
    CandidateType.RELAYED: 0,
}


def candidate_priority(type_: CandidateType, local_preference: int, component: int = RTP_COMPONENT) -> int:
    """RFC 8445 §5.1.2.1. ``local_preference`` is 0..65535, higher is better, distinct for each candidate."""
    if not 0 <= local_preference <= 65_535:
        raise ValueError(f"local preference {local_preference} is not in 0..65535")
    return (_TYPE_PREFERENCE[type_] << 24) | (local_preference << 8) | (256 - component)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ``a=candidate``. ``ip`` may be a host name in a remote's (mDNS); ``extensions`` keep their order."""

    foundation: str
    component: int
    transport: str
    priority: int
    ip: str
    port: int
    type: str
    related_ip: str | None = None
    related_port: int | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the value of the attribute, with or without ``candidate:`` in front (browsers' JSON has it)."""
        if len(text) > MAX_CANDIDATE_CHARS:
            raise WireError(f"candidate has {len(text)} characters", f"at most {MAX_CANDIDATE_CHARS}")
        words = text.removeprefix("candidate:").split(" ")
        if len(words) < 8 or words[6] != "typ":
            raise WireError("candidate is malformed", "foundation component transport priority address port typ type …")
        foundation, component, transport, priority, ip, port, _, type_, *rest = words
        if not _FOUNDATION.fullmatch(foundation):
            raise WireError(f"candidate foundation {foundation!r} is malformed", "1 to 32 of 0-9 A-Z a-z + /")
        if not all(_WORD.fullmatch(word) for word in (transport, ip, type_, *rest)) or len(rest) % 2:
            raise WireError("candidate extensions are malformed", "pairs of name and value, one space between words")
        pairs = list(zip(rest[::2], rest[1::2], strict=True))
        related_ip = related_port = None
        if pairs and pairs[0][0] == "raddr":
            related_ip = pairs.pop(0)[1]
            if pairs and pairs[0][0] == "rport":
                related_port = _number(pairs.pop(0)[1], "rport", 0, 65_535)
        return cls(
            foundation,
            _number(component, "component", 1, 256),
            transport.lower(),
            _number(priority, "priority", 1, 2**31 - 1),
            ip,
            _number(port, "port", 0, 65_535),
            type_,
            related_ip,
            related_port,
            tuple(pairs),
        )

    def __str__(self) -> str:
        words = [self.foundation, self.component, self.transport, self.priority, self.ip, self.port, "typ", self.type]
        if self.related_ip is not None:
            words += ["raddr", self.related_ip]
            if self.related_port is not None:
                words += ["rport", self.related_port]
        for name, value in self.extensions:
            words += [name, value]
        return " ".join(map(str, words))


def _number(text: str, what: str, low: int, high: int) -> int:
    if not _DIGITS.fullmatch(text) or not low <= int(text) <= high:
        raise WireError(f"candidate {what} {text[:16]!r} is not a number in {low}..{high}")
    return int(text)


def local_addresses() -> list[str]:
    """Addresses of this machine's interfaces that a client could reach, IPv6 first; loopback if there is no other."""
    found = [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    return usable_addresses(found)


def usable_addresses(found: Iterable[str]) -> list[str]:
    """``local_addresses`` of these interface addresses.

    Link-local ones need a scope that means nothing to a remote; IPv6 goes first as RFC 8421 §4 asks.
    """
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(found)]
    usable = [address for address in addresses if not (address.is_link_local or address.is_multicast)]
    routable = [address for address in usable if not (address.is_loopback or address.is_unspecified)]
    chosen = routable or [address for address in usable if address.is_loopback]
    return [str(address) for address in sorted(chosen, key=lambda address: -address.version)]


def bind_addresses(listen: Sequence[str], *, interfaces: Sequence[str] | None = None) -> list[str]:
    """One address a socket: wildcards become all ``interfaces`` (default: ``local_addresses()``) of their family.

    A socket that is bound to a wildcard answers from the address that the kernel routes by; on a host with several
    addresses that need not be the one that the client sent its check to, and the client would drop the answer
    (RFC 8445 §7.2.5.2.1). A family without an interface address is left as it is, for the kernel to judge.
    """
    return list(dict.fromkeys(each for ip in listen for each in _expand(ip, interfaces) or [ip]))


def host_candidates(
    addresses: Sequence[tuple[str, int]],
    advertised: Sequence[str] = (),
    *,
    interfaces: Sequence[str] | None = None,
) -> tuple[Candidate, ...]:
    """Candidates for bound ``addresses``, best first.

    Wildcards stand for all ``interfaces`` (default: ``local_addresses()``) of their family. ``advertised`` IP
    literals replace the addresses: each goes with the ports bound in its family, or with all when there is
    none of its family (a NAT that translates between them).
    """
    endpoints: list[tuple[str, int]] = []
    if advertised:
        for text in advertised:
            public = ipaddress.ip_address(text)
            ports = [port for ip, port in addresses if ipaddress.ip_address(ip).version == public.version]
            endpoints += [(str(public), port) for port in ports or [port for _, port in addresses]]
    else:
        for ip, port in addresses:
            endpoints += [(each, port) for each in _expand(ip, interfaces)]
    endpoints = list(dict.fromkeys(endpoints))
    # RFC 8445 §5.1.1.3: same type, base and protocol, same foundation.
    foundations = {ip: str(number) for number, ip in enumerate(dict.fromkeys(ip for ip, _ in endpoints), start=1)}
    return tuple(
        Candidate(
            foundations[ip],
            RTP_COMPONENT,
            "udp",
            candidate_priority(CandidateType.HOST, 65_535 - index),
            ip,
            port,
            CandidateType.HOST.value,
        )
        for index, (ip, port) in enumerate(endpoints)
    )


def _expand(ip: str, interfaces: Sequence[str] | None) -> list[str]:
    bound = ipaddress.ip_address(ip.partition("%")[0])
    if not bound.is_unspecified:
        return [str(bound)]
    known = local_addresses() if interfaces is None else usable_addresses(interfaces)
    return [each for each in known if ipaddress.ip_address(each).version == bound.version]
