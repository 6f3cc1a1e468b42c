"""Where clients are whose meeting is elsewhere: their requests and sockets go to its home, and what it says to them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from sfu.clock import Clock
from sfu.cluster import bounds
from sfu.cluster.answers import Refusal, refuse
from sfu.cluster.heads import checked_headers, head_of
from sfu.cluster.post import Post
from sfu.errors import WireError

_TOLD = {
    "websocket.accept",
    "websocket.close",
    "websocket.http.response.start",
    "websocket.http.response.body",
}
"""What a home may tell a client's socket, besides messages."""
_LAST = {"websocket.close", "websocket.http.response.body"}


class Request:
    """One that waits for its answer."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.answered: asyncio.Future[tuple[int, list[Any], bytes]] = asyncio.get_running_loop().create_future()

    def fail(self) -> None:
        """No answer comes."""
        if not self.answered.done():
            self.answered.set_exception(Refusal(503, "cluster_unavailable", "the meeting's server went away"))

    def replied(self, status: int, headers: list[Any], body: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result((status, headers, body))


class Socket:
    """One client's: what waits to be sent to it, in order, within bounds."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.is_accepted = False
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._is_closing = False
        self._wake = asyncio.Event()
        self.overflowed = asyncio.Event()
        self.told = asyncio.Event()
        """Set with the first word of the home."""

    def put(self, frame: str | bytes) -> None:
        """A message to the client."""
        if self._is_closing:
            return
        kind = "text" if isinstance(frame, str) else "bytes"
        self._messages.append({"type": "websocket.send", kind: frame})
        self._bytes += len(frame)
        if len(self._messages) > bounds.MAX_FRAMES or self._bytes > bounds.MAX_FRAMES_BYTES:
            self._messages.clear()
            self._end_with(bounds.CLOSE_TOO_MUCH, "the client reads too slowly")
            self.overflowed.set()
        self._wake.set()

    def tell(self, message: Message) -> None:
        """Anything else of the home. Raises ``WireError`` for what a home has not got to say."""
        kind = message.get("type")
        if kind not in _TOLD:
            raise WireError("not a message for a socket")
        if "headers" in message:
            message["headers"] = checked_headers(message["headers"])
        if self._is_closing:
            return
        self.told.set()
        self.is_accepted = self.is_accepted or kind == "websocket.accept"
        if kind in _LAST:
            self._end(message)
        else:
            self._messages.append(message)
        self._wake.set()

    def fail(self) -> None:
        """The home is gone: the client is to come back."""
        if self._is_closing:
            return
        if self.is_accepted:
            self._end_with(bounds.CLOSE_RESTART, "the meeting's server went away")
        else:
            self._end({"type": "sfu.refuse"})
        self._wake.set()

    def _end_with(self, code: int, reason: str) -> None:
        self._end({"type": "websocket.close", "code": code, "reason": reason})

    def _end(self, message: Message) -> None:
        self._is_closing = True
        self._messages.append(message)

    async def drain(self, scope: Scope, send: Send) -> None:
        """Until the last message is sent."""
        while True:
            while self._messages:
                message = self._messages.popleft()
                self._bytes -= len(message.get("text") or message.get("bytes") or b"")
                if message["type"] == "sfu.refuse":
                    await refuse(scope, send, 503, "cluster_unavailable", "the meeting's server went away")
                    return
                await send(message)
            if self._is_closing:
                return
            self._wake.clear()
            await self._wake.wait()


class Carrier:
    """All of them, of one process."""

    def __init__(self, post: Post, clock: Clock) -> None:
        self._post = post
        self._clock = clock
        self._ids = count(1)
        self._requests: dict[int, Request] = {}
        self._sockets: dict[int, Socket] = {}
        self.requests = self.sockets = self.refused = 0
        """Since the start."""

    @property
    def open_sockets(self) -> int:
        """Now."""
        return len(self._sockets)

    def is_with(self, process_id: str) -> bool:
        """Whether anything goes on with that process."""
        return any(one.home == process_id for table in (self._sockets, self._requests) for one in table.values())

    # clients

    async def request(self, home: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Carries one, and its answer. Raises ``Refusal``."""
        if len(self._requests) >= bounds.MAX_REQUESTS:
            raise Refusal(503, "cluster_unavailable", "too many requests wait for other servers")
        body = await _body(receive)
        stream, request = next(self._ids), Request(home)
        self._requests[stream] = request
        self.requests += 1
        self._post.put(home, ["open", stream, head_of(scope), body], len(body))
        try:
            async with asyncio.timeout(bounds.ANSWER_S):
                status, headers, text = await request.answered
        except TimeoutError:
            self._post.put(home, ["gone", stream, 1006])
            raise Refusal(504, "cluster_unavailable", "the meeting's server does not answer") from None
        finally:
            del self._requests[stream]
        await send({"type": "http.response.start", "status": status, "headers": checked_headers(headers)})
        await send({"type": "http.response.body", "body": text})

    async def socket(self, home: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Carries one until either side ends it. Raises ``Refusal`` when it can not be."""
        if len(self._sockets) >= bounds.MAX_STREAMS:
            raise Refusal(503, "cluster_unavailable", "too many sockets of other servers' meetings are here")
        stream, socket = next(self._ids), Socket(home)
        self._sockets[stream] = socket
        self.sockets += 1
        await receive()  # websocket.connect
        self._post.put(home, ["open", stream, head_of(scope), None])
        reader = asyncio.create_task(self._read(stream, socket, receive))
        writer = asyncio.create_task(socket.drain(scope, send))
        stuck = asyncio.create_task(socket.overflowed.wait())
        code = 1006
        try:
            await asyncio.wait((reader, writer, stuck), return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not reader.cancelled() and reader.exception() is None:
                code = reader.result()
            elif not writer.done():
                await asyncio.wait((writer,), timeout=bounds.CLOSE_S)
        finally:
            for task in (reader, writer, stuck):
                task.cancel()
            await asyncio.gather(reader, writer, stuck, return_exceptions=True)
            del self._sockets[stream]
            self._post.put(home, ["gone", stream, code])

    async def _read(self, stream: int, socket: Socket, receive: Receive) -> int:
        """The client's messages; gives the code it closed with."""
        throttle = Throttled(self._clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(bounds.ACCEPT_S):
                await socket.told.wait()
        if not socket.told.is_set():
            socket.fail()
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return int(message.get("code") or 1005)
            frame = message.get("text")
            if frame is None:
                frame = message.get("bytes") or b""
            await throttle.pause(len(frame))
            self._post.put(socket.home, ["data", stream, frame], len(frame))

    # homes

    def take(self, home: str, step: list[Any]) -> None:
        """A step of a home. What is for nobody any more is passed over. Raises ``WireError``."""
        match step:
            case ["send", streams, frame]:
                for stream in streams:
                    socket = self._sockets.get(stream)
                    if socket is not None and socket.home == home:
                        socket.put(frame)
            case ["tell", stream, message]:
                socket = self._sockets.get(stream)
                if socket is not None and socket.home == home:
                    socket.tell(dict(message))
            case ["reply", stream, status, headers, body]:
                request = self._requests.get(stream)
                if request is not None and request.home == home:
                    request.replied(status, headers, body)
            case ["not_here", stream]:
                self.refused += 1
                found = self._sockets.get(stream) or self._requests.get(stream)
                if found is not None and found.home == home:
                    found.fail()

    def lose(self, home: str) -> None:
        """All that goes on with that process is over."""
        tables: tuple[Mapping[int, Socket | Request], ...] = (self._sockets, self._requests)
        for table in tables:
            for one in tuple(table.values()):
                if one.home == home:
                    one.fail()


class Throttled:
    """Waits as its throttle says."""

    def __init__(self, clock: Clock) -> None:
        self._throttle = bounds.Throttle(clock)

    async def pause(self, size: int) -> None:
        """Before the message of that size is carried: the client is not read meanwhile."""
        wait_s = self._throttle.wait_s(size)
        if wait_s > 0:
            await asyncio.sleep(wait_s)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(400, "bad_request", "the connection was closed before the body's end")
        part = message.get("body", b"")
        size += len(part)
        if size > bounds.MAX_BODY_BYTES:
            raise Refusal(413, "bad_request", f"the body has at most {bounds.MAX_BODY_BYTES // 1024} KiB")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
