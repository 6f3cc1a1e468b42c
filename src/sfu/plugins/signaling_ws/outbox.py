"""What waits to be sent to one socket: bounded, so that a client that reads too slowly costs itself its socket
and the server nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sfu.plugins.signaling_ws.wire import Frame

MAX_FRAMES = 1024
MAX_BYTES = 4 * 1024 * 1024
"""A welcome to a large meeting has some 30 kB, an offer with all slots some 100 kB."""
MAX_REASON_BYTES = 123
"""RFC 6455 section 5.5: a control frame has at most 125 bytes, two of them the code."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How the socket is to be closed."""

    code: int
    reason: str


class Outbox:
    """Frames in order, then at most one ``Closing``: frames put before or after ``close`` go out first.

    ``overflow`` gets the ``Closing`` when the bound is passed; nothing more is kept then.
    """

    def __init__(self, overflow: Closing) -> None:
        self._overflow = overflow
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self.overflowed = asyncio.Event()
        self.closing: Closing | None = None

    def put(self, frame: Frame) -> None:
        """Sends it when its turn comes."""
        if self.overflowed.is_set():
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) > MAX_FRAMES or self._bytes > MAX_BYTES:
            self._frames.clear()
            self.closing = self._overflow
            self.overflowed.set()
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Closes the socket when everything has been sent. The first call counts."""
        if self.closing is None:
            self.closing = Closing(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
            self._wake.set()

    async def drain(self, send: Callable[[Frame], Awaitable[None]]) -> None:
        """Sends until everything is sent and the outbox is closed."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                await send(frame)
            if self.closing is not None:
                return
            self._wake.clear()
            await self._wake.wait()
