"""Serves the meeting page and the JavaScript SDK: the files of ``sfu/web``, as they are."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sfu.plugins.api import PluginContext

WEB = Path(__file__).parents[1] / "web"

CONTENT_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""What a browser needs to run modules; not left to the machine's own table."""

NO_CACHE = {"Cache-Control": "no-cache"}
"""Ask again each time, by ETag: a new server never meets an old page."""

OPEN = '<html data-meetings="open"'
"""Of a server that lists its meetings to everybody: the page asks for them without a key there alone, as browsers show
each 401 as an error.
"""


class PagePlugin:
    """``/`` and ``/m/{id}`` are one page, which reads its own address; its files lie under ``/web``."""

    name = "page"

    def setup(self, context: PluginContext) -> None:
        """Adds the page and its files."""
        for suffix, content_type in CONTENT_TYPES.items():
            mimetypes.add_type(content_type, suffix)
        router = APIRouter(include_in_schema=False)

        markup = (WEB / "index.html").read_text()
        if context.options.dev:
            markup = markup.replace("<html", OPEN, 1)

        @router.get("/")
        @router.get("/m/{meeting_id}")
        async def page() -> HTMLResponse:
            return HTMLResponse(markup, headers=NO_CACHE)

        context.include_router(router)
        context.mount("/web", _Files(StaticFiles(directory=WEB)))


class _Files:
    """Static files with the headers that the page wants: asked for anew each time, SDK open to other origins."""

    def __init__(self, files: ASGIApp) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(NO_CACHE)
                if scope["path"].startswith("/web/sdk/"):
                    headers["Access-Control-Allow-Origin"] = "*"
            await send(message)

        await self._files(scope, receive, send_with_headers)
