"""Requests of many clients at once: JSON by POST on a connection of its own each, without a thread for each."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from sfu.bench.whip import SignalingError

MAX_ANSWER_BYTES = 1 << 20
LOOK_UP_TIMEOUT_S = 20.0
_MAX_HEAD_BYTES = 1 << 16
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A clear no: what a client that is refused can go by."""

    status: int
    code: str
    """"": it is no problem (RFC 9457) of ours."""
    tells_when: bool
    """Whether it has a Retry-After."""


class RefusedError(SignalingError):
    """The server answered, and not with what was asked for."""

    def __init__(self, text: str, refusal: Refusal) -> None:
        super().__init__(text)
        self.refusal = refusal


async def ask(url: str, body: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """POSTs JSON and returns what comes back. ``SignalingError`` when nothing usable does, ``RefusedError`` when it is
    another status than 200 or 201.
    """
    try:
        async with asyncio.timeout(timeout_s):
            status, headers, answer = await _exchange(url, json.dumps(body).encode())
        parsed = json.loads(answer) if answer else None
    except (OSError, EOFError, ValueError) as error:  # a timeout is an OSError
        raise SignalingError(f"POST {url}: {type(error).__name__} {error}") from error
    if status not in {200, 201}:
        code = str(parsed.get("code", "")) if isinstance(parsed, dict) else ""
        text = f"POST {url}: {status} {answer[:1_000].decode(errors='replace')}"
        raise RefusedError(text, Refusal(status, code, "retry-after" in headers))
    if not isinstance(parsed, dict):
        raise SignalingError(f"POST {url}: not a JSON object")
    return parsed


def look_up(url: str) -> dict[str, Any]:
    """GETs JSON. Blocks: call it in a thread. ``SignalingError`` when nothing usable comes."""
    try:
        with urllib.request.urlopen(url, timeout=LOOK_UP_TIMEOUT_S) as response:  # noqa: S310 - checked by the options
            found = json.loads(response.read(MAX_ANSWER_BYTES))
    except (OSError, ValueError) as error:
        raise SignalingError(f"GET {url}: {error}") from error
    if not isinstance(found, dict):
        raise SignalingError(f"GET {url}: not a JSON object")
    return found


class _Exchange(asyncio.Protocol):
    """One request and its answer, which has a Content-Length or is empty."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._expected = 0
        """Bytes, head and body; 0: the head is not whole."""
        self._status, self._headers = 0, dict[str, str]()
        self.answered: asyncio.Future[tuple[int, dict[str, str], bytes]] = asyncio.get_running_loop().create_future()
        """Status, headers and body. ValueError: it is no answer; EOFError: it is not all there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Reads what is whole."""
        self._received += data
        if self.answered.done():
            return
        try:
            self._expected = self._expected or self._read_head()
        except ValueError as error:
            self.answered.set_exception(error)
            return
        if 0 < self._expected <= len(self._received):
            length = int(self._headers.get("content-length", 0))
            body = self._received[self._expected - length : self._expected]
            self.answered.set_result((self._status, self._headers, body))

    def connection_lost(self, exc: Exception | None) -> None:
        """There comes no more."""
        if not self.answered.done():
            self.answered.set_exception(exc or EOFError(f"{len(self._received)} bytes"))

    def _read_head(self) -> int:
        """Where the answer ends; 0: it is not known yet. ValueError."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > _MAX_HEAD_BYTES:
                raise ValueError("a head without an end")
            return 0
        line, *fields = self._received[:end].decode("latin-1").split("\r\n")
        version, status, *_ = line.split(" ", 2)
        if not version.startswith("HTTP/1."):
            raise ValueError("not HTTP/1.1")
        self._status = int(status)
        for field in fields:
            name, _, value = field.partition(":")
            self._headers[name.lower()] = value.strip()
        length = int(self._headers.get("content-length", 0))
        if not 0 <= length <= MAX_ANSWER_BYTES:
            raise ValueError(f"an answer of {length} bytes")
        return end + len(b"\r\n\r\n") + length


async def _exchange(url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    transport, exchange = await asyncio.get_running_loop().create_connection(
        lambda: _Exchange(head.encode() + body),
        parts.hostname or "",
        parts.port or _PORTS[parts.scheme],
        ssl=parts.scheme == "https" or None,
    )
    try:
        return await exchange.answered
    finally:
        transport.close()
