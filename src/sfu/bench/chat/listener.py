"""A client of the signaling socket (RFC 6455) that costs next to nothing: a thousand of them must not be what is
measured.

It understands what our server sends to a client that offers no extension: whole text frames, pings, a close.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

SUBPROTOCOL = "sfu.v1.json"
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_FINAL = 0x80
_MASKED = 0x80
MAX_HEAD_BYTES = 16_384

OnText = Callable[["Listener", bytes, float], None]
"""Called with a text frame and when it was read, on the clock of ``time.perf_counter``."""


class Listener(asyncio.Protocol):
    """One socket. ``opened`` ends when the server has answered the handshake; ``lost`` says why it closed, if it
    did.
    """

    def __init__(self, url: str, on_text: OnText) -> None:
        self._url = urlsplit(url)
        self._on_text = on_text
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: str | None = None

    @classmethod
    async def connect(cls, url: str, on_text: OnText, timeout_s: float) -> Listener:
        """Raises ``OSError`` or ``TimeoutError`` when the server does not take it."""
        parts = urlsplit(url)
        async with asyncio.timeout(timeout_s):
            _, listener = await asyncio.get_running_loop().create_connection(
                lambda: cls(url, on_text), parts.hostname or "", parts.port or 80
            )
            await listener.opened
        return listener

    def send(self, message: dict[str, Any]) -> None:
        """A text frame, masked as a client's must be (section 5.3)."""
        self._send(_TEXT, json.dumps(message).encode())

    def close(self) -> None:
        """Drops the connection. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the WebSocket."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        host = f"{self._url.hostname}:{self._url.port}"
        self._transport.write(
            f"GET {self._url.path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"
            "\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Reads what is whole."""
        now = time.perf_counter()
        self._buffer += data
        if not self._is_open and not self._greeted():
            return
        while (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode == _TEXT:
                self._on_text(self, payload, now)
            elif opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                self.lost = self.lost or f"closed with {int.from_bytes(payload[:2])}"

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.lost = self.lost or str(exc or "the connection was closed")
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.lost))

    # inner

    def _greeted(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 and len(self._buffer) < MAX_HEAD_BYTES:
            return False
        status = bytes(self._buffer[:64]).split(b"\r\n")[0].decode(errors="replace")
        if end < 0 or " 101 " not in status:
            self.lost = f"the server answered {status}"
            self.close()
            return False
        del self._buffer[: end + 4]
        self._is_open = True
        if not self.opened.done():
            self.opened.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, size = 2, buffer[1] & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            start, size = 2 + width, int.from_bytes(buffer[2 : 2 + width])
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        head = bytes([_FINAL | opcode, _MASKED | (min(126, size))])
        length = b"" if size < 126 else size.to_bytes(2)
        # A mask of zeros is a mask: the payload goes as it is.
        self._transport.write(head + length + bytes(4) + payload)
