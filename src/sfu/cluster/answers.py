"""What a process says itself to a client whose meeting is elsewhere, or nowhere: problems (RFC 9457)."""

from __future__ import annotations

import json

from starlette.types import Scope, Send

RETRY_AFTER_S = 2


class Refusal(Exception):  # noqa: N818 - what the client is told, not what went wrong here
    """A request or a socket that is not carried."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


async def refuse(scope: Scope, send: Send, status: int, code: str, detail: str) -> None:
    """As an answer, or instead of the WebSocket that is asked for."""
    body = {"type": "about:blank", "title": detail, "status": status, "detail": detail, "code": code}
    headers = [(b"content-type", b"application/problem+json"), (b"x-content-type-options", b"nosniff")]
    if status == 503:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    prefix = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1012, "reason": detail})
            return
        prefix = "websocket.http.response"
    text = json.dumps(body).encode()
    headers.append((b"content-length", b"%d" % len(text)))
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": text})
