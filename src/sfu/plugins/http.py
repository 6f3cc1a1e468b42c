"""What the built-in HTTP plugins share: bounded bodies, problem details (RFC 9457), bearer tokens, public URLs.

Not needed by a plugin of one's own: routes may raise ``SfuError`` and leave the rest to the server.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Message

from sfu.errors import RemoteError


def problem(error: RemoteError, headers: Mapping[str, str] | None = None) -> Response:
    """The error as ``application/problem+json``."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.hint:
        body["hint"] = error.hint
    challenge = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(body, error.status, {**challenge, **(headers or {})}, media_type="application/problem+json")


def bearer_token(authorization: str | None) -> str:
    """The token of an ``Authorization`` header (RFC 6750 section 2.1). Raises ``RemoteError`` ``unauthorized``."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RemoteError(
            "unauthorized", "the request has no bearer token", "Authorization: Bearer <token>", status=401
        )
    return token.strip()


def base_url(request: Request, public_url: str) -> str:
    """Where this server is for the client, without a slash at the end: as configured, else as it was asked."""
    return public_url or str(request.base_url).rstrip("/")


class BoundedRoute(APIRoute):
    """A route that reads at most ``max_body_bytes`` and answers every ``RemoteError`` and invalid field itself."""

    max_body_bytes: ClassVar[int] = 64 * 1024
    headers_of_problems: ClassVar[Mapping[str, str]] = {}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See ``APIRoute``."""
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            try:
                body = await _read(request, self.max_body_bytes)
                return await handler(Request(request.scope, _replay(body)))
            except RequestValidationError as error:
                return problem(_bad_request(error), self.headers_of_problems)
            except RemoteError as error:
                return problem(error, self.headers_of_problems)

        return bounded


async def _read(request: Request, limit: int) -> bytes:
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise RemoteError("bad_request", f"the body is longer than {limit} bytes", status=413)
    except ClientDisconnect as error:
        raise RemoteError("bad_request", "the request ended early") from error
    return b"".join(chunks)


def _replay(body: bytes) -> Callable[[], Coroutine[Any, Any, Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _bad_request(error: RequestValidationError) -> RemoteError:
    first = error.errors()[0]
    where = ".".join(str(part)[:64] for part in first["loc"])
    return RemoteError("bad_request", f"{where}: {first['msg']}")
