"""Errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, title: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One problem. ``type`` is about:blank; the stable ``code`` tells problems apart (docs/signaling.md)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)
