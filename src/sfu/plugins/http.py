"""What the built-in HTTP plugins share: who asks, and where this server is for him."""

from __future__ import annotations

from fastapi import Request
from starlette.requests import HTTPConnection

from sfu.errors import RemoteError

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
    return public_url or str(request.base_url.replace(scheme=_HTTP.get(request.base_url.scheme))).rstrip("/")
