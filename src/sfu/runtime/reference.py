"""The description of the API: ``/openapi.json`` (OpenAPI 3.1), and ``/docs``, a page of our own that shows it.

FastAPI says what it would answer to a wrong request by itself; here every error is a problem (RFC 9457), so the
description says that instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse

import sfu
from sfu.runtime.problem import MEDIA_TYPE

PAGE = Path(sfu.__file__).with_name("web") / "docs"
FILES = {"": "index.html", "docs.js": "docs.js", "docs.css": "docs.css"}
HEADERS = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "Cache-Control": "no-cache"}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `code` is stable and tells problems apart.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
}
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_UNUSED = ("HTTPValidationError", "ValidationError")
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "an API key, an access token, a host token or a participant's token (docs/auth.md)",
}


def serve_reference(app: FastAPI) -> None:
    """Adds the routes."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    async def page(request: Request) -> FileResponse:
        name = FILES.get(request.path_params.get("name", ""))
        if name is None:
            raise HTTPException(404)
        return FileResponse(PAGE / name, headers=HEADERS)

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it
    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/{name:path}", page, include_in_schema=False)


def describe(app: FastAPI) -> dict[str, Any]:
    """The document."""
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {})["bearer"] = BEARER
    document["security"] = [{}, {"bearer": []}]
    schemas = components.setdefault("schemas", {})
    for name in _UNUSED:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for path in document.get("paths", {}).values():
        for method in _METHODS & path.keys():
            _tell_problems(path[method])
    return document


def _tell_problems(operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(responses.get("422", {})):
        del responses["422"]
    for status, response in responses.items():
        if status[0] in "45" and not response.get("content", {}).keys() - {MEDIA_TYPE}:
            response["content"] = _CONTENT
    responses["default"] = {"description": "Any problem", "content": _CONTENT}
