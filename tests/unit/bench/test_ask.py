"""What the clients of a bench make of a server's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from sfu.bench.ask import MAX_ANSWER_BYTES, Refusal, RefusedError, ask
from sfu.bench.whip import SignalingError

TIMEOUT_S = 10.0


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Callable[[], str]]:
    """The address of a server that says this to everybody, and goes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /meetings/x/join HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"content-length: 12\r\n" in head.lower()
        assert await reader.readexactly(12) == b'{"name": ""}'
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield lambda: f"http://127.0.0.1:{port}/meetings/x/join"


def http(line: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {line}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


async def asked(answer: bytes) -> dict[str, object]:
    async with answering(answer) as url:
        return await ask(url(), {"name": ""}, timeout_s=TIMEOUT_S)


async def test_what_comes_back_is_read() -> None:
    assert await asked(http("200 OK", b'{"id": 1}')) == {"id": 1}


async def test_a_long_answer_is_read_to_its_end() -> None:
    text = "x" * (MAX_ANSWER_BYTES - 20)
    assert await asked(http("201 Created", b'{"text": "%s"}' % text.encode())) == {"text": text}


async def test_a_refusal_says_what_a_client_can_go_by() -> None:
    with pytest.raises(RefusedError, match="409") as caught:
        await asked(http("409 Conflict", b'{"code": "meeting_full"}', "Retry-After: 10"))
    assert caught.value.refusal == Refusal(409, "meeting_full", tells_when=True)


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"code": 5}'])
async def test_a_refusal_without_a_code_or_time_says_so(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        await asked(http("503 Service Unavailable", body))
    assert (caught.value.refusal.status, caught.value.refusal.tells_when) == (503, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"nonsense\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER_BYTES + 1),
        http("200 OK", b"[]"),
        http("200 OK", b"{"),
    ],
)
async def test_what_is_no_answer_is_a_failure_and_no_refusal(answer: bytes) -> None:
    with pytest.raises(SignalingError) as caught:
        await asked(answer)
    assert not isinstance(caught.value, RefusedError)


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    async with answering(b"") as url:
        address = url()
    with pytest.raises(SignalingError):
        await ask(address, {}, timeout_s=TIMEOUT_S)
