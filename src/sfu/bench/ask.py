"""Requests of many clients at once: JSON by POST on a connection of its own each, without a thread for each."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from io import BytesIO
from typing import Any
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
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:  # a timeout is an OSError
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


async def _exchange(url: str, body: bytes) -> tuple[int, HTTPMessage, bytes]:
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(
        parts.hostname, port, ssl=parts.scheme == "https" or None, limit=_MAX_HEAD_BYTES
    )
    try:
        writer.write(head.encode() + body)
        received = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = received.partition(b"\r\n")
        version, status, *_ = line.split(b" ", 2)
        if not version.startswith(b"HTTP/1."):
            raise ValueError("not HTTP/1.1")
        headers = parse_headers(BytesIO(rest))
        length = int(headers["content-length"] or 0)
        if not 0 <= length <= MAX_ANSWER_BYTES:
            raise ValueError(f"an answer of {length} bytes")
        return int(status), headers, await reader.readexactly(length)
    finally:
        writer.close()
