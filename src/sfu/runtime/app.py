"""The HTTP application: what plugins brought, and errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sfu.errors import RemoteError, SfuError
from sfu.plugins.api import PluginContext
from sfu.runtime.direct import DirectApp
from sfu.runtime.headers import BrowserHeaders
from sfu.runtime.limits import BodyLimit
from sfu.runtime.log import logger
from sfu.runtime.problem import problem
from sfu.runtime.reference import serve_reference

log = logger(__name__)

HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "2"}}
CODES = {401: "unauthorized", 403: "unauthorized", 404: "not_found", 405: "method_not_allowed", 429: "rate_limited"}


def make_app(contexts: Iterable[PluginContext], version: str) -> FastAPI:
    """An application with the routes of all plugins, the direct ones first, then their mounts."""
    app = DirectApp(
        on_refusal=_remote_error,
        on_failure=_internal_error,
        title="sfu",
        version=version,
        summary="Video meetings through a selective forwarding unit",
        # FastAPI's page would load its script from elsewhere, into an origin that may use the camera.
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    contexts = tuple(contexts)
    serve_reference(app)
    for context in contexts:
        app.add_direct(context.directs)
        for router in context.routers:
            app.include_router(router)
    for context in contexts:
        for path, mounted in context.mounts:
            app.mount(path, mounted, name=context.name)
    app.add_middleware(BodyLimit)
    app.add_middleware(BrowserHeaders)  # the last one is the outermost
    app.add_exception_handler(RemoteError, _remote_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ClientDisconnect, _client_left)
    app.add_exception_handler(SfuError, _internal_error)
    app.add_exception_handler(Exception, _internal_error)
    return app


async def _remote_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RemoteError):
        raise error
    headers = dict(HEADERS.get(error.status, {}))
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return problem(error.status, error.code, error.detail, str(error), headers)


async def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """FastAPI answers 422 to these; here a wrong form is 400 and 422 is for media that cannot be agreed on."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(400, "bad_request", "The request has a wrong form", f"{where}: {first['msg']}")


async def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, code, str(error.detail), str(error.detail), headers)


async def _client_left(_request: Request, _error: Exception) -> JSONResponse:
    """In the middle of its body. Nobody reads this; what matters is that it is no failure of the server."""
    return problem(400, "bad_request", "The body ended early", "the connection was closed before its end")


async def _internal_error(request: Request, error: Exception) -> JSONResponse:
    # The route, not the address: that of a WHIP session is a secret.
    route = getattr(request.scope.get("route"), "path", "(none)")
    log.error("request_failed", method=request.method, route=route, exc_info=error)
    return problem(500, "internal", "The server failed", "the reason is in the server's log")
