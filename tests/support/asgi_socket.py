"""A signaling socket against an ASGI application: what a client would say and hear, without a network."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import ASGIApp
from tests.support.waiting import PATIENCE_S

HOST = b"sfu.test"
GONE = 1006
"""The code of a socket whose other end went without a word."""


class AsgiSocket:
    """Open until ``closed`` is a close code. What is no reply is in ``told``."""

    def __init__(self, app: ASGIApp, meeting_id: str) -> None:
        path = f"/meetings/{meeting_id}/signaling"
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", HOST)],
            "client": ("192.0.2.7", 4711),
            "server": ("sfu.test", 80),
            "subprotocols": ["sfu.v1.json"],
            "extensions": {"websocket.http.response": {}},
        }
        self.told: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.refused: int | None = None
        """The HTTP status, of a socket that was never accepted."""
        self._replies: dict[int, dict[str, Any]] = {}
        self._last_id = 0
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._heard = asyncio.Event()
        self._task = asyncio.create_task(app(scope, self._incoming.get, self._send))  # type: ignore[arg-type]
        self._task.add_done_callback(lambda _task: self._heard.set())

    async def request(self, name: str, **fields: Any) -> dict[str, Any]:
        """The reply; ``{"code": "closed"}`` where the socket was closed instead."""
        self._last_id += 1
        number = self._last_id
        text = json.dumps({"type": name, "id": number, **fields})
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})
        async with asyncio.timeout(PATIENCE_S):
            while number not in self._replies and not self.is_over:
                self._heard.clear()
                await self._heard.wait()
        return self._replies.pop(number, {"code": "closed"})

    @property
    def is_over(self) -> bool:
        return self.closed is not None or self.refused is not None or self._task.done()

    async def leave(self) -> None:
        """The client goes, as when its page is closed."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.cut()

    async def cut(self) -> None:
        """Its end of the connection is no more. Idempotent."""
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=0.05 if self.closed is None else 5.0)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.closed = self.closed or GONE

    async def _send(self, message: Any) -> None:
        self._heard.set()
        match message["type"]:
            case "websocket.send":
                said = json.loads(message["text"])
                if "reply" in said:
                    self._replies[said["reply"]] = said
                else:
                    self.told.append(said)
            case "websocket.close":
                self.closed = message.get("code", 1000)
            case "websocket.http.response.start":
                self.refused = message["status"]
