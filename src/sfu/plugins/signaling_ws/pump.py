"""Between a WebSocket and a session: reads, writes, closes; decides nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from fastapi import WebSocket
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from sfu.plugins.api import ServerOptions
from sfu.plugins.signaling_ws.session import SignalingSession
from sfu.plugins.signaling_ws.wire import WIRES, Frame, Wire

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to read its own close frame."""


async def accept(websocket: WebSocket, options: ServerOptions) -> Wire | None:
    """Accepts the handshake with the first subprotocol that both know; None: there is none, or the page that asks is of
    a site that may not, and it is refused.
    """
    if not is_own_origin(websocket, options):
        await _refuse(websocket, 403, "this site may not connect: [admission] origins must name it\n")
        return None
    for offered in websocket.scope["subprotocols"]:
        wire = WIRES.get(offered)
        if wire is not None:
            await websocket.accept(subprotocol=wire.subprotocol)
            return wire
    await _refuse(websocket, 400, f"Sec-WebSocket-Protocol must name one of: {', '.join(WIRES)}\n")
    return None


def is_own_origin(websocket: WebSocket, options: ServerOptions) -> bool:
    """RFC 6455 section 10.2: whether the page that asks is the server's own, or of a site that was named. What is no
    browser sends no Origin, and could write any. A proxy may have taken TLS off, so the host alone has to be the same.
    """
    origin = websocket.headers.get("origin")
    if origin is None or origin in options.origins:
        return True
    host = _host(origin)
    return bool(host) and host in {_host(options.public_url), websocket.headers.get("host", "").lower()}


def _host(url: str) -> str:
    """Host and port of a URL of the web, as they are in a Host header; "" when it is none."""
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in {"http", "https"} else ""


async def _refuse(websocket: WebSocket, status: int, text: str) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(PlainTextResponse(text, status_code=status))
    else:
        await websocket.close()


async def pump(websocket: WebSocket, session: SignalingSession) -> None:
    """Carries frames both ways until either side ends it."""

    async def send(frame: Frame) -> None:
        if isinstance(frame, str):
            await websocket.send_text(frame)
        else:
            await websocket.send_bytes(frame)

    reader = asyncio.create_task(_read(websocket, session))
    writer = asyncio.create_task(session.outbox.drain(send))
    stuck = asyncio.create_task(session.outbox.overflowed.wait())
    tasks = (reader, writer, stuck)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_gone = reader.done()
        for task in tasks:
            task.cancel()
        # A writer that fails has lost its socket, which the reader's end says as well.
        failure, *_ = await asyncio.gather(*tasks, return_exceptions=True)
        session.disconnected()
    if is_gone and isinstance(failure, Exception):
        raise failure
    closing = session.outbox.closing
    if closing is not None and not is_gone:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await websocket.close(closing.code, closing.reason)


async def _read(websocket: WebSocket, session: SignalingSession) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text, binary = message.get("text"), message.get("bytes")
        session.handle_frame(text if text is not None else binary or b"")
