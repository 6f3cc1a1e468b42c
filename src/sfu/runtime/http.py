"""uvicorn as part of this server: our sockets, our signals, and a word when it listens."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from sfu.errors import EngineError
from sfu.media.shard import address_text
from sfu.runtime.deadline import PunctualHttp

BACKLOG = 1024

MAX_MESSAGE_BYTES = 256 * 1024
"""WebSocket messages and request bodies. A description with 49 video slots has some 60 KiB."""

KEEP_ALIVE_S = 5
PING_INTERVAL_S = 15.0
PING_TIMEOUT_S = 15.0
"""A socket whose other end went without a word is noticed within 30 s, the resume window."""
TICK_S = 1.0
"""The Date header counts seconds."""
FAREWELL_S = 0.1
"""Sockets whose owners said goodbye close by themselves, with the owners' reasons; uvicorn then closes the rest."""


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``EngineError`` that says what to do when the address can not be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        hint = "choose another with --host or [server] host"
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            hint = "stop what uses the port, or choose another with --port or [server] port"
        number = error.errno or 0  # negative ones are getaddrinfo's
        why = os.strerror(number) if number > 0 else error.strerror
        raise EngineError(f"HTTP can not listen on {address_text((host, port))}: {why}", hint) from error
    listener.setblocking(False)
    return listener


class HttpServer(uvicorn.Server):
    """Serves ``app`` on sockets that somebody else opened and closes."""

    def __init__(self, app: ASGIApp, on_started: Callable[[], None]) -> None:
        self._exit = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http=PunctualHttp,
                server_header=False,
                ws="websockets-sansio",
                ws_max_size=MAX_MESSAGE_BYTES,
                ws_ping_interval=PING_INTERVAL_S,
                ws_ping_timeout=PING_TIMEOUT_S,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the composition's."""
        yield

    @property
    def should_exit(self) -> bool:
        """Set to end the server."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._exit.set()
        else:
            self._exit.clear()

    async def main_loop(self) -> None:
        """As uvicorn has it, which looks ten times a second whether to exit: here the wish to exit wakes it."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._exit.wait()
        await asyncio.sleep(FAREWELL_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn has it, then tells that it is done."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def stop_accepting(self) -> None:
        """Closes the listening sockets; connections go on."""
        for server in getattr(self, "servers", ()):
            server.close()
