"""Requests that come in storms, on a short way past the layers of FastAPI and Starlette to a plugin's endpoint.

In a storm of joins these layers (two routers, eight wrappers of ``send`` and ``receive``, dependencies, models of
answers) took a sixth of the control plane. A ``DirectRoute`` is an addition to a route and no replacement: whatever is
not plainly right, an unusual body or one that its model does not take, goes the long way, which says what is wrong.
What is the same on both ways: the bound of the body, the headers for browsers, errors as problems.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from sfu.errors import RemoteError
from sfu.plugins.api import DirectRequest, DirectSocket
from sfu.runtime.headers import BROWSER_HEADERS
from sfu.runtime.http import MAX_MESSAGE_BYTES

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]

_BROWSER_HEADERS = [(name.lower().encode(), value.encode()) for name, value in BROWSER_HEADERS.items()]
_MAX_LENGTH_CHARS = 9


class DirectApp(FastAPI):
    """A FastAPI application with direct routes beside its own."""

    def __init__(self, *, on_refusal: ErrorHandler, on_failure: ErrorHandler, **settings: Any) -> None:
        """``on_refusal`` answers a ``RemoteError``, ``on_failure`` every other exception."""
        super().__init__(**settings)
        self._on_refusal = on_refusal
        self._on_failure = on_failure
        self._requests: list[DirectRequest] = []
        self._sockets: list[DirectSocket] = []

    def add_direct(self, routes: Iterable[DirectRequest | DirectSocket]) -> None:
        """First come, first served, and before all other routes."""
        for route in routes:
            if isinstance(route, DirectRequest):
                self._requests.append(route)
            else:
                self._sockets.append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        kind = scope["type"]
        if kind == "http" and scope["method"] == "POST":
            for route in self._requests:
                if (parameters := route.match(scope["path"])) is not None:
                    if not _is_plain_json(scope):
                        break
                    await self._request(route, {**scope, "path_params": parameters, "app": self}, receive, send)
                    return
        elif kind == "websocket":
            for socket in self._sockets:
                if (parameters := socket.match(scope["path"])) is not None:
                    await socket.endpoint(WebSocket({**scope, "path_params": parameters, "app": self}, receive, send))
                    return
        await super().__call__(scope, receive, send)

    async def _request(self, route: DirectRequest, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = route
        body = await _read(receive)
        if body is None:
            return  # its client left
        request = Request(scope, receive)
        try:
            wish = route.model.model_validate_json(body)
        except ValidationError:
            await super().__call__(scope, _again(body, receive), send)
            return
        try:
            response = await route.endpoint(request, wish)
        except RemoteError as error:
            response = await self._on_refusal(request, error)
        except Exception as error:  # noqa: BLE001 - as on the long way: told in the log, and not to clients
            response = await self._on_failure(request, error)
        given = {name for name, _ in response.raw_headers}
        response.raw_headers.extend(header for header in _BROWSER_HEADERS if header[0] not in given)
        await response(scope, receive, send)


def _is_plain_json(scope: Scope) -> bool:
    """Whether it says how long its body is, within the bound, and that it is JSON. Who does not say so may be a form of
    another site, which browsers send without asking (RFC 9110 names no default).
    """
    length = content_type = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name == b"content-type":
            content_type = value
    is_bounded = length.isdigit() and len(length) <= _MAX_LENGTH_CHARS and int(length) <= MAX_MESSAGE_BYTES
    return is_bounded and content_type == b"application/json"


async def _read(receive: Receive) -> bytes | None:
    """The whole body, no longer than the HTTP server lets its Content-Length be; None: the connection ended."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then what comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
