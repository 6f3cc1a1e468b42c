"""A client of the signaling socket (RFC 6455) that costs next to nothing: a thousand of them must not be what is
measured.

It understands what our server sends to a client that offers no extension: whole text frames, pings, a close.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any, Self, cast
from urllib.parse import urlsplit

SUBPROTOCOL = "sfu.v1.json"
MAX_HEAD_BYTES = 16_384
MAX_FRAME_BYTES = 1 << 20
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_FINAL = 0x80
_MASKED = 0x80
_NORMAL = (1000).to_bytes(2)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What the server has to add to the key before it hashes it (section 1.3)."""
_PORTS = {"ws": 80, "wss": 443}

OnText = Callable[[bytes, float], None]
"""Called with a text frame and when it was read, on the clock of ``time.perf_counter``."""
OnLost = Callable[[str], None]
"""Called once, with why the socket closed, if it was open and ``close`` was not called."""


class WebSocket(asyncio.Protocol):
    """One socket. ``opened`` ends when the server has answered the handshake; ``lost`` says why it closed, if it
    did.
    """

    def __init__(self, url: str, on_text: OnText, on_lost: OnLost | None = None) -> None:
        self._url = urlsplit(url)
        self._on_text = on_text
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._key = base64.b64encode(os.urandom(16))
        self._buffer = bytearray()
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: str | None = None

    @classmethod
    async def connect(cls, url: str, on_text: OnText, timeout_s: float, on_lost: OnLost | None = None) -> Self:
        """Raises ``OSError`` or ``TimeoutError`` when the server does not take it."""
        parts = urlsplit(url)
        async with asyncio.timeout(timeout_s):
            _, socket = await asyncio.get_running_loop().create_connection(
                lambda: cls(url, on_text, on_lost),
                parts.hostname or "",
                parts.port or _PORTS[parts.scheme],
                ssl=parts.scheme == "wss" or None,
            )
            try:
                await socket.opened
            except BaseException:
                socket.close()
                raise
        return socket

    def send(self, message: dict[str, Any]) -> None:
        """A text frame, masked as a client's must be (section 5.3)."""
        self._send(_TEXT, json.dumps(message).encode())

    def close(self) -> None:
        """Says so and drops the connection. Idempotent."""
        self._on_lost = None
        self._send(_CLOSE, _NORMAL)
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the WebSocket."""
        self._transport = cast("asyncio.Transport", transport)
        url = self._url
        path = f"{url.path}?{url.query}" if url.query else url.path
        self._transport.write(
            f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
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
                self._on_text(payload, now)
            elif opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                self._send(_CLOSE, payload[:2])
                self._drop(f"closed with {int.from_bytes(payload[:2])}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.lost = self.lost or str(exc or "the connection was closed")
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.lost))
        elif self._on_lost is not None:
            self._on_lost(self.lost)
        self._on_lost = None

    # inner

    def _drop(self, reason: str) -> None:
        self.lost = self.lost or reason
        if self._transport is not None:
            self._transport.close()

    def _greeted(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 and len(self._buffer) < MAX_HEAD_BYTES:
            return False
        head = bytes(self._buffer[: max(end, 0)])
        status = bytes(self._buffer[:64]).split(b"\r\n")[0].decode(errors="replace")
        accepted = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest())
        if " 101 " not in status or accepted not in head:
            self._drop(f"the server answered {status}")
            return False
        del self._buffer[: end + 4]
        self._is_open = True
        if not self.opened.done():
            self.opened.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The first frame, taken away, if it is whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, size = 2, buffer[1] & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < 2 + width:
                return None
            start, size = 2 + width, int.from_bytes(buffer[2 : 2 + width])
        if size > MAX_FRAME_BYTES or not buffer[0] & _FINAL:
            buffer.clear()
            self._drop("a frame that is too long or not whole")
            return None
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        width = 0 if size < 126 else 2 if size < 1 << 16 else 8
        head = bytes([_FINAL | opcode, _MASKED | {0: size, 2: 126, 8: 127}[width]])
        length = size.to_bytes(width) if width else b""
        # A mask of zeros is a mask: the payload goes as it is.
        self._transport.write(head + length + bytes(4) + payload)
