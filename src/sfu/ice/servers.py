"""STUN and TURN servers: what clients are told of them, and the one question this server asks them itself.

TURN credentials follow the shared-secret scheme of coturn's ``use-auth-secret`` (draft-uberti-behave-turn-rest):
nothing is stored, the TURN server checks them alone. ``discover_public_address`` is the only I/O of this
package; the runtime awaits it once at start.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Self, cast

from aioice import stun

from sfu.errors import EngineError

STUN_PORT = 3478
STUNS_PORT = 5349

_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True, slots=True)
class IceUrl:
    """``stun:`` and ``stuns:`` of RFC 7064, ``turn:`` and ``turns:`` of RFC 7065. ``host`` has no brackets."""

    scheme: str
    host: str
    port: int
    transport: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is accepted."""
        match = _URL.fullmatch(text)
        if match is None or (match["transport"] and match["scheme"].startswith("stun")):
            raise ValueError(f"{text!r} is not an ICE URL: stun:host[:port] or turn:host[:port][?transport=udp|tcp]")
        host = match["host"].strip("[]")
        if match["host"].startswith("["):
            ipaddress.IPv6Address(host)
        port = int(match["port"] or (STUNS_PORT if match["scheme"].endswith("s") else STUN_PORT))
        if not 1 <= port <= 65_535:
            raise ValueError(f"{text!r}: port {port} is not in 1..65535")
        return cls(match["scheme"], host, port, match["transport"])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?transport={self.transport}" if self.transport else ""
        return f"{self.scheme}:{host}:{self.port}{query}"


@dataclass(frozen=True, slots=True)
class IceServer:
    """What ``RTCPeerConnection`` takes as one of its ``iceServers``."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for url in self.urls:
            IceUrl.parse(url)

    @classmethod
    def turn(cls, urls: tuple[str, ...], secret: str, user: str, *, now_unix_s: float, ttl_s: int) -> Self:
        """A TURN server with credentials for ``user`` that expire ``ttl_s`` after ``now_unix_s``."""
        username, credential = turn_credentials(secret, user, expires_unix_s=int(now_unix_s) + ttl_s)
        return cls(urls, username, credential)

    def to_json(self) -> dict[str, Any]:
        """The dictionary of the W3C's RTCIceServer."""
        server: dict[str, Any] = {"urls": list(self.urls)}
        if self.username is not None and self.credential is not None:
            server |= {"username": self.username, "credential": self.credential}
        return server


def turn_credentials(secret: str, user: str, *, expires_unix_s: int) -> tuple[str, str]:
    """(username, credential): the expiry and the user, and their HMAC-SHA1 under the secret shared with coturn."""
    username = f"{expires_unix_s}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


class _BindingRequest(asyncio.DatagramProtocol):
    """Carries one STUN transaction of aioice over a connected UDP socket."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._transaction: stun.Transaction | None = None
        self._request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def send_stun(self, message: stun.Message, _addr: tuple[str, int]) -> None:
        """Called by the transaction, again and again until it is answered (RFC 8489 §6.2.1)."""
        if self._transport is not None:
            self._transport.sendto(bytes(message))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if self._transaction is not None and message.transaction_id == self._request.transaction_id:
            self._transaction.response_received(message, (addr[0], addr[1]))

    async def run(self, server: tuple[str, int]) -> tuple[str, int]:
        self._transaction = stun.Transaction(self._request, server, self)
        response, _ = await self._transaction.run()
        mapped = response.attributes.get("XOR-MAPPED-ADDRESS") or response.attributes.get("MAPPED-ADDRESS")
        if mapped is None:
            raise EngineError("the STUN server's answer has no mapped address")
        return mapped[0], mapped[1]


async def discover_public_address(
    stun_url: str, *, local_ip: str | None = None, family: int = 0, timeout_s: float = 5.0
) -> str:
    """The address that a STUN server sees us at (RFC 8489 §2). EngineError when it gives none in time.

    ``local_ip`` is the address to ask from, ``family`` (``socket.AF_INET``…) restricts the server's addresses.
    """
    url = IceUrl.parse(stun_url)
    if url.scheme != "stun":
        raise ValueError(f"{stun_url!r}: discovery asks plain STUN servers, stun:host[:port]")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            transport, protocol = await loop.create_datagram_endpoint(
                _BindingRequest,
                remote_addr=(url.host, url.port),
                local_addr=None if local_ip is None else (local_ip, 0),
                family=family,
            )
            try:
                address, _port = await protocol.run((url.host, url.port))
            finally:
                transport.close()
    except (OSError, TimeoutError, stun.TransactionError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        hint = "check the network, or advertise the public address itself"
        raise EngineError(f"{url} did not tell our public address: {reason}", hint) from error
    return str(ipaddress.ip_address(address))
