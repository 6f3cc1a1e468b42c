"""HTTP rules that WHIP and WHEP share: content types, CORS, ``Link`` headers, the bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from sfu.errors import RemoteError
from sfu.ice.servers import IceServer
from sfu.plugins.http import bearer_token

SDP = "application/sdp"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, Link, ETag, Accept-Patch",
}
"""Any page may publish and play (RFC 9725 section 4.2): the rights are in the token, not in a cookie."""
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}


class SdpRoute(APIRoute):
    """A route usable from other origins: whatever it answers, errors too, may be read there."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``starlette.routing.Route``."""

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(CORS)
            await send(message)

        await super().handle(scope, receive, send_with_cors)


def preflight(methods: str, **headers: str) -> Response:
    """The answer to ``OPTIONS``."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status_code=204, headers={**_PREFLIGHT, "Access-Control-Allow-Methods": methods, **extra})


def require_token(request: Request, token: str) -> None:
    """Raises ``RemoteError`` ``unauthorized`` when a token is configured and the request has another or none."""
    if not token:
        return
    if not is_same(bearer_token(request), token):
        raise RemoteError("unauthorized", "the bearer token is wrong", status=401)


def is_same(given: str, token: str) -> bool:
    """Whether it is the token of the configuration; "" is none."""
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())


def optional_bearer_token(request: Request) -> str | None:
    """As ``bearer_token``; None: there is none."""
    return bearer_token(request) if "authorization" in request.headers else None


async def body_text(request: Request, content_type: str) -> str:
    """The body of a request that must have this content type. Raises ``RemoteError`` with status 415 or 400."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise RemoteError(
            "unsupported_media", f"the content type is {given[:64]!r}", f"Content-Type: {content_type}", status=415
        )
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise RemoteError("bad_sdp", "the body is not UTF-8") from error


def links(servers: Iterable[IceServer]) -> list[str]:
    """``Link`` headers that name ICE servers (RFC 9725 section 4.6)."""
    found = []
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username and server.credential:
                link += f'; username="{_quoted(server.username)}"; credential="{_quoted(server.credential)}"'
                link += '; credential-type="password"'
            found.append(link)
    return found


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
