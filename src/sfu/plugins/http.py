"""What the built-in HTTP plugins share: who asks, and where this server is for him."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from fastapi import Request
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from sfu.errors import RemoteError

Address = IPv4Address | IPv6Address

_HTTP = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def bearer_token(request: Request) -> str:
    """The token of the ``Authorization`` header (RFC 6750 section 2.1). Raises ``RemoteError`` ``unauthorized``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RemoteError(
            "unauthorized", "the request has no bearer token", "Authorization: Bearer <token>", status=401
        )
    return token.strip()


def base_url(request: HTTPConnection, public_url: str) -> str:
    """Where this server is for the client, without a slash at the end: as configured, else as it was asked."""
    if public_url:
        return public_url
    scope = request.scope
    host = next((value for name, value in scope["headers"] if name == b"host"), None)
    server = scope.get("server")
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return _url(_HTTP[scope.get("scheme", "http")], host, server and tuple(server), root).rstrip("/")


@lru_cache(maxsize=64)
def _url(scheme: str, host: bytes | None, server: tuple[str, int | None] | None, root: str) -> str:
    """Remembered, because to read it takes longer than the rest of what a request needs it for."""
    headers = [] if host is None else [(b"host", host)]
    return str(URL(scope={"scheme": scheme, "server": server, "headers": headers, "path": f"{root.rstrip('/')}/"}))


def address_text(request: HTTPConnection, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """As ``client_address``; "": not known."""
    address = client_address(request, proxies)
    return "" if address is None else str(address)


def client_address(request: HTTPConnection, proxies: Sequence[IPv4Network | IPv6Network]) -> Address | None:
    """Whose request it is, as far as it can be trusted; None: not known.

    X-Forwarded-For is what anybody may write; it counts only from proxies that the configuration names, and there only
    the last address that is none of theirs.
    """
    address = _parse(request.client.host) if request.client else None
    forwarded = [part for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
    while forwarded and address is not None and any(address in network for network in proxies):
        behind = _parse(forwarded.pop().strip())
        if behind is None:
            break
        address = behind
    return address


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
