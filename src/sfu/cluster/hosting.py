"""At the home of a meeting: what other processes carry here is asked of this server's own application, as if the client
were here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from starlette.types import Message, Scope

from sfu.cluster import bounds
from sfu.cluster.heads import headers_of, scope_of
from sfu.cluster.post import Post
from sfu.errors import WireError

log = structlog.get_logger(__name__)


class HostedSocket:
    """A client's socket that is somewhere else, as ASGI's two ends."""

    def __init__(self, post: Post, peer: str, stream: int) -> None:
        self._post = post
        self._peer = peer
        self._stream = stream
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._bytes = 0
        self._wake = asyncio.Event()
        self._is_gone = False
        self.is_closed = False

    def put(self, frame: str | bytes) -> None:
        """The client said something."""
        if self._is_gone or self.is_closed:
            return
        kind = "text" if isinstance(frame, str) else "bytes"
        self._messages.append({"type": "websocket.receive", kind: frame})
        self._bytes += len(frame)
        if len(self._messages) > bounds.MAX_FRAMES or self._bytes > bounds.MAX_FRAMES_BYTES:
            self.close(bounds.CLOSE_TOO_MUCH, "too many messages")
            self.gone(bounds.CLOSE_TOO_MUCH)
        self._wake.set()

    def gone(self, code: int) -> None:
        """The client is there no longer. Idempotent."""
        if not self._is_gone:
            self._is_gone = True
            self._messages.append({"type": "websocket.disconnect", "code": code})
            self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Ends the client's socket, unless that is said already."""
        if not self.is_closed and not self._is_gone:
            self.is_closed = True
            message = {"type": "websocket.close", "code": code, "reason": reason}
            self._post.put(self._peer, ["tell", self._stream, message], len(reason))

    async def receive(self) -> Message:
        """ASGI's."""
        while not self._messages:
            self._wake.clear()
            await self._wake.wait()
        message = self._messages.popleft()
        self._bytes -= len(message.get("text") or message.get("bytes") or b"")
        return message

    async def send(self, message: Message) -> None:
        """ASGI's. Raises ``OSError`` when the client is gone, as servers do."""
        if self._is_gone:
            raise OSError("the client is gone")
        if message["type"] == "websocket.send":
            frame = message.get("text")
            self._post.send(self._peer, self._stream, frame if frame is not None else message.get("bytes") or b"")
            return
        plain = dict(message)
        if "headers" in plain:
            plain["headers"] = headers_of(message)
        self.is_closed = self.is_closed or message["type"] == "websocket.close"
        self._post.put(self._peer, ["tell", self._stream, plain], len(plain.get("body", b"")))


class _Answer:
    """What the application says to a request."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.status = 500
        self.headers: list[list[bytes]] = []
        self.parts: list[bytes] = []
        self._bytes = 0

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], headers_of(message)
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
            if self._bytes > bounds.MAX_ANSWER_BYTES:
                raise OSError("the answer is too long to be carried")
            self.parts.append(message.get("body", b""))


class Host:
    """Of one process. ``serve`` asks the application, unless the meeting is not here: then it gives False."""

    def __init__(self, post: Post, serve: Callable[[Scope, Any, Any], Awaitable[bool]]) -> None:
        self._post = post
        self._serve = serve
        self._sockets: dict[tuple[str, int], HostedSocket] = {}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.requests = self.sockets = 0
        """Since the start."""

    @property
    def open_sockets(self) -> int:
        """Now."""
        return len(self._sockets)

    def is_with(self, process_id: str) -> bool:
        """Whether anything goes on with that process."""
        return any(peer == process_id for peer, _ in self._tasks)

    def take(self, peer: str, step: list[Any]) -> None:
        """A step of who carries. Raises ``WireError``."""
        match step:
            case ["open", stream, head, body]:
                self._open(peer, stream, scope_of(head), body)
            case ["data", stream, frame]:
                socket = self._sockets.get((peer, stream))
                if socket is not None:
                    socket.put(frame)
                else:
                    close = {"type": "websocket.close", "code": bounds.CLOSE_RESTART, "reason": "come back"}
                    self._post.put(peer, ["tell", stream, close])
            case ["gone", stream, code]:
                socket = self._sockets.get((peer, stream))
                if socket is not None:
                    socket.gone(code)

    def lose(self, peer: str) -> None:
        """That process is gone, and its clients with it."""
        for (whose, _), socket in tuple(self._sockets.items()):
            if whose == peer:
                socket.gone(1006)

    async def close(self) -> None:
        """Ends what is under way."""
        for task in tuple(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _open(self, peer: str, stream: int, scope: Scope, body: bytes | None) -> None:
        key = peer, stream
        is_socket = scope["type"] == "websocket"
        if key in self._tasks or is_socket is not (body is None):
            raise WireError("a stream that is none")
        if len(self._tasks) >= bounds.MAX_STREAMS:
            self._post.put(peer, ["not_here", stream])
            return
        if is_socket:
            self._sockets[key] = HostedSocket(self._post, peer, stream)
            work = self._host_socket(key, scope)
        else:
            work = self._answer(key, scope, body or b"")
        self._tasks[key] = asyncio.create_task(work, name="hosted")

    async def _host_socket(self, key: tuple[str, int], scope: Scope) -> None:
        socket = self._sockets[key]
        self.sockets += 1
        try:
            if not await self._serve(scope, socket.receive, socket.send):
                self._post.put(key[0], ["not_here", key[1]])
                socket.is_closed = True
        except Exception:
            log.exception("hosted_socket_failed")
        finally:
            socket.close(bounds.CLOSE_BROKEN, "the server failed")
            socket.gone(1006)
            del self._sockets[key], self._tasks[key]

    async def _answer(self, key: tuple[str, int], scope: Scope, body: bytes) -> None:
        answer = _Answer(body)
        self.requests += 1
        try:
            is_here = await self._serve(scope, answer.receive, answer.send)
        except Exception:
            log.exception("hosted_request_failed")
            is_here = True
            # The server's own answer to its failure comes before the exception does.
        finally:
            del self._tasks[key]
        if is_here:
            text = b"".join(answer.parts)
            self._post.put(key[0], ["reply", key[1], answer.status, answer.headers, text], len(text))
        else:
            self._post.put(key[0], ["not_here", key[1]])
