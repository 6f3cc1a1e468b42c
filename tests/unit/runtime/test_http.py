"""The HTTP server on a loopback socket: clients that keep it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from fastapi import FastAPI, Request, WebSocket

from sfu.runtime import deadline, http
from sfu.runtime.http import HttpServer, listen_tcp

WAIT_S = 30.0
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
ASK_TO_UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Site:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.app = FastAPI()
        self.app.post("/echo")(self.echo)
        self.app.websocket("/socket")(self.socket)

    async def echo(self, request: Request) -> int:
        body = await request.body()
        await self.go_on.wait()
        return len(body)

    async def socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await self.go_on.wait()
        await websocket.send_text("still here")


@pytest.fixture
def site() -> Site:
    return Site()


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    started = asyncio.Event()
    with listen_tcp("127.0.0.1", 0) as listener:
        server = HttpServer(site.app, started.set)
        serving = asyncio.create_task(server.serve([listener]))
        await started.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        async with asyncio.timeout(WAIT_S):
            yield reader, writer
        writer.close()
        server.should_exit = True
        await serving


async def closed_by_server(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_the_wish_to_exit_does_not_wait_for_a_tick(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TICK_S", 1000 * WAIT_S)
    with listen_tcp("127.0.0.1", 0) as listener:
        started = asyncio.Event()
        server = HttpServer(site.app, started.set)
        serving = asyncio.create_task(server.serve([listener]))
        async with asyncio.timeout(WAIT_S):
            await started.wait()
            server.should_exit = True
            await serving


@pytest.mark.parametrize("said", [b"", b"GET / HT", HEAD, HEAD + b"abc"], ids=["nothing", "line", "head", "most"])
async def test_who_does_not_finish_a_request_loses_the_connection(
    site: Site, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "REQUEST_TIMEOUT_S", 0.05)
    async with connected(site) as (reader, writer):
        writer.write(said)
        assert await closed_by_server(reader)


async def test_each_request_on_a_connection_has_the_time_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.go_on.set()
    async with connected(site) as (reader, writer):
        writer.write(HEAD + b"abcd")
        assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(deadline, "REQUEST_TIMEOUT_S", 0.05)
        writer.write(HEAD + b"abcd" + HEAD)
        assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")
        assert await closed_by_server(reader)


@pytest.mark.parametrize("asked", [HEAD + b"abcd", ASK_TO_UPGRADE], ids=["answer", "WebSocket"])
async def test_who_waits_for_us_keeps_the_connection(site: Site, asked: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "REQUEST_TIMEOUT_S", 0.5)
    async with connected(site) as (reader, writer):
        writer.write(asked)
        asyncio.get_running_loop().call_later(1.0, site.go_on.set)
        assert await reader.readuntil(b"\r\n\r\n4" if asked.startswith(HEAD) else b"still here")


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nothing of the kind\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_ends_the_connection(site: Site, said: bytes) -> None:
    site.go_on.set()
    async with connected(site) as (reader, writer):
        writer.write(said)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"GET /", b"a" * 1024),
        (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: ", b"a" * 1024),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: 1\r\n" * 200),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;", b"a" * 1024),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: ", b"a" * 1024),
    ],
    ids=["address", "one header", "many headers", "extension of a chunk", "trailer"],
)
async def test_a_request_without_end_is_refused(
    site: Site, start: bytes, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "MAX_REQUEST_BYTES", 2 * deadline.MAX_HEAD_BYTES)
    most = deadline.MAX_REQUEST_BYTES + 1024 * 1024  # what the sockets hold
    async with connected(site) as (reader, writer):
        writer.write(start)
        answer = asyncio.create_task(reader.read(12))
        sent = 0
        while not answer.done():
            assert sent < most
            writer.write(part)
            sent += len(part)
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)  # the server reads on the same loop
        with suppress(ConnectionError):  # it was closed on what we still sent
            assert await answer == b"HTTP/1.1 400"


async def test_requests_that_come_at_once_are_answered_in_order(site: Site) -> None:
    async with connected(site) as (reader, writer):
        writer.write(b"".join(HEAD.replace(b"4", b"%d" % size) + b"a" * size for size in range(1, 8)))
        site.go_on.set()
        for size in range(1, 8):
            assert (await reader.readuntil(b"\r\n\r\n%d" % size)).startswith(b"HTTP/1.1 200")


async def test_too_many_requests_at_once_end_the_connection(site: Site) -> None:
    async with connected(site) as (reader, writer):
        writer.write((HEAD + b"abcd") * (deadline.MAX_PIPELINED + 2))
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        site.go_on.set()  # what was begun ends


async def test_an_upgrade_to_what_is_not_known_is_ignored(site: Site) -> None:
    site.go_on.set()
    asks = HEAD.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")
    async with connected(site) as (reader, writer):
        writer.write(asks + b"abcd" + HEAD + b"abcd")
        for _ in range(2):
            assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")
        writer.write(HEAD + b"abcd")
        assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")


async def test_a_socket_does_not_open_behind_a_request_that_waits(site: Site) -> None:
    async with connected(site) as (reader, writer):
        writer.write(HEAD + b"abcd" + ASK_TO_UPGRADE)
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        site.go_on.set()  # what was begun ends
