"""What the built-in HTTP plugins share: who asks, and where this server is for him."""

from __future__ import annotations

from fastapi import Request

from sfu.errors import RemoteError


def bearer_token(request: Request) -> str:
    """The token of the ``Authorization`` header (RFC 6750 section 2.1). Raises ``RemoteError`` ``unauthorized``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RemoteError(
            "unauthorized", "the request has no bearer token", "Authorization: Bearer <token>", status=401
        )
    return token.strip()


def base_url(request: Request, public_url: str) -> str:
    """Where this server is for the client, without a slash at the end: as configured, else as it was asked."""
    return public_url or str(request.base_url).rstrip("/")
