"""What every answer tells a browser, whoever made it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BROWSER_HEADERS = {
    # A page that may use camera and microphone must not lie invisibly in somebody else's (clickjacking). In a
    # header, because in a <meta> browsers leave it out of account.
    "Content-Security-Policy": "frame-ancestors 'none'",
    # Types are as they say: what a participant wrote is never run as a script.
    "X-Content-Type-Options": "nosniff",
    # The address of a meeting is what lets people in.
    "Referrer-Policy": "no-referrer",
}


class BrowserHeaders:
    """Adds ``BROWSER_HEADERS`` to each HTTP answer that does not have its own, so that a plugin may say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in BROWSER_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
