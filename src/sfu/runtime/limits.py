"""An upper bound for request bodies, before anything reads them."""

from __future__ import annotations

from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sfu.runtime.http import MAX_MESSAGE_BYTES
from sfu.runtime.problem import problem


class _TooLong(Exception):  # noqa: N818 - a signal inside this module
    pass


class BodyLimit:
    """Answers 413 to a body that says it is too long, or turns out to be."""

    def __init__(self, app: ASGIApp, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or int(length) > self._limit_bytes:
            await self._answer()(scope, receive, send)
            return
        received_bytes = 0
        answered = False

        async def counted_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit_bytes:
                raise _TooLong
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            if received_bytes > self._limit_bytes and not answered:
                return  # FastAPI turns every failure to read a body into an answer of its own: 400
            answered = True
            await send(message)

        with suppress(_TooLong):
            await self._app(scope, counted_receive, watched_send)
        if received_bytes > self._limit_bytes and not answered:
            await self._answer()(scope, receive, send)

    def _answer(self) -> Response:
        limit = f"at most {self._limit_bytes // 1024} KiB"
        return problem(413, "bad_request", "The body is too long", limit, {"Connection": "close"})
