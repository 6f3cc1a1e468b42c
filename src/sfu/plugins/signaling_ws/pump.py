"""Between a WebSocket and a session: reads, writes, closes; decides nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import WebSocket
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from sfu.plugins.signaling_ws.session import SignalingSession
from sfu.plugins.signaling_ws.wire import WIRES, Frame, Wire

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to read its own close frame."""


async def accept(websocket: WebSocket) -> Wire | None:
    """Accepts the handshake with the first subprotocol that both know; None: there is none, and it is refused."""
    for offered in websocket.scope["subprotocols"]:
        wire = WIRES.get(offered)
        if wire is not None:
            await websocket.accept(subprotocol=wire.subprotocol)
            return wire
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        known = ", ".join(WIRES)
        await websocket.send_denial_response(
            PlainTextResponse(f"Sec-WebSocket-Protocol must name one of: {known}\n", status_code=400)
        )
    else:
        await websocket.close()
    return None


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
