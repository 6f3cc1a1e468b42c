"""The cheap client of the signaling socket, against a whole implementation and against nonsense."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedOK

from sfu.bench.websocket import MAX_FRAME_BYTES, MAX_HEAD_BYTES, SUBPROTOCOL, WebSocket

TIMEOUT_S = 10.0
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n"


class Client:
    """A socket, and what came of it."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def connect(self, port: int) -> WebSocket:
        url = f"ws://127.0.0.1:{port}/x?y=z"
        return await WebSocket.connect(url, self._take, TIMEOUT_S, self.lost.set_result)

    def _take(self, frame: bytes, _read_s: float) -> None:
        self.texts.put_nowait(frame)


@asynccontextmanager
async def serving(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[int]:
    """The port of a server that follows RFC 6455."""
    async with serve(handle, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], max_size=2 * MAX_FRAME_BYTES) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """The port of a server that says this to everybody, and goes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("size", [0, 100, 125, 126, 1_000, 65_535, 65_536, 200_000])
async def test_messages_of_every_length_come_and_go(size: int) -> None:
    async def echo(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert (socket.subprotocol, socket.request.path) == (SUBPROTOCOL, "/x?y=z")
        await socket.ping()
        await socket.send(await socket.recv())
        await socket.wait_closed()

    client = Client()
    async with serving(echo) as port:
        socket = await client.connect(port)
        message = {"text": "x" * max(0, size - len('{"text": ""}'))}
        socket.send(message)
        assert json.loads(await client.texts.get()) == message
        socket.close()


async def test_a_ping_is_answered() -> None:
    answered = asyncio.Event()

    async def ping(socket: ServerConnection) -> None:
        await (await socket.ping())
        answered.set()

    async with serving(ping) as port:
        await Client().connect(port)
        await asyncio.wait_for(answered.wait(), TIMEOUT_S)


async def test_who_closes_says_so_and_is_not_told_of_it() -> None:
    closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(socket: ServerConnection) -> None:
        try:
            await socket.recv()
        except ConnectionClosedOK:
            closed.set_result(socket.close_code or 0)

    client = Client()
    async with serving(wait) as port:
        socket = await client.connect(port)
        socket.close()
        socket.close()
        assert await asyncio.wait_for(closed, TIMEOUT_S) == 1000
    assert not client.lost.done()


async def test_why_the_server_closed_is_told_once() -> None:
    async def end(socket: ServerConnection) -> None:
        await socket.close(4003, "no")

    client = Client()
    async with serving(end) as port:
        socket = await client.connect(port)
        assert await asyncio.wait_for(client.lost, TIMEOUT_S) == "closed with 4003"
        assert socket.lost == "closed with 4003"


@pytest.mark.parametrize("lie", ["long", "split"])
async def test_a_frame_that_is_too_long_or_not_whole_ends_it(lie: str) -> None:
    async def send(socket: ServerConnection) -> None:
        await socket.send("x" * (MAX_FRAME_BYTES + 1) if lie == "long" else ["x", "y"])
        await socket.wait_closed()

    client = Client()
    async with serving(send) as port:
        await client.connect(port)
        assert "too long or not whole" in await asyncio.wait_for(client.lost, TIMEOUT_S)
    assert client.texts.empty()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
        (UPGRADE % b"c29tZXRoaW5nIGVsc2U=", "101"),
        (b"x" * (MAX_HEAD_BYTES + 1), "the server answered xx"),
    ],
)
async def test_a_server_that_does_not_take_it_is_a_failure(answer: bytes, complaint: str) -> None:
    client = Client()
    async with answering(answer) as port:
        with pytest.raises(ConnectionError, match=complaint):
            await client.connect(port)
    assert not client.lost.done()
