"""uvicorn's HTTP/1.1 by httptools, within bounds of time and size.

httptools (llhttp, in C) reads and writes a request in a quarter of the time that h11 takes, which was a fourteenth of a
join; but it bounds nothing, so that is done here. Without the bound of time connections on which nothing is said cost
their client nothing and the server its descriptors, until nobody else gets in.
"""

from __future__ import annotations

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

REQUEST_TIMEOUT_S = 20.0
"""From connecting, or from the answer before, to the last byte of the request: 256 KiB at 105 kbit/s."""
MAX_HEAD_BYTES = 64 * 1024
"""Of a request's first line and headers, besides what one read of the socket brings. A cookie has 4 KiB at most."""
MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""On the wire, also in chunks of few bytes, and with what follows them; what is in the chunks has its own bound."""
MAX_PIPELINED = 16
"""Requests that wait for the answers before theirs. Browsers wait themselves (RFC 9112 section 9.3.2)."""


class _Unacceptable(Exception):  # noqa: N818 - ends the parser's call, which makes it 400
    pass


class PunctualHttp(HttpToolsProtocol):
    """A connection whose client owes a request or the rest of one is closed in time; one whose request is too long, or
    not as HTTP/1.1 has it, gets 400 and is closed.

    A request that is there in whole has no deadline: its answer is ours to give.
    """

    _deadline: asyncio.TimerHandle | None = None
    _received_bytes = 0
    """Of the present request, but for the read that it began in."""
    _begins = False
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``. Requests that wait for their turn are done for nobody."""
        self._cancel_deadline()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self.transport.is_closing():
            return  # what comes behind what was wrong
        self._begins = False
        self._unset_keepalive_if_required()
        self._feed(data)
        if not self._begins and not self.transport.is_closing():
            self._received_bytes += len(data)
            if self._received_bytes > (MAX_HEAD_BYTES if self._in_head else MAX_REQUEST_BYTES):
                self.send_400_response("The request is too long.")

    def _feed(self, data: bytes) -> None:
        """As uvicorn has it, but that an upgrade to what is not known here is ignored (RFC 9110 section 7.8):
        Java's client asks for h2c, and goes on in HTTP/1.1. The parser ends with such a head; another one gets it
        without the wish.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                    return
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """The parser found the first byte of a request."""
        self._begins = self._in_head = True
        self._received_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser found the end of the headers. RFC 9112 section 3.2: one Host, where it is HTTP/1.1."""
        self._in_head = False
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise _Unacceptable("HTTP/1.1 asks for one Host header")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _Unacceptable("too many requests at once")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _Unacceptable("this is no proxy")
            if not self._should_upgrade():
                return
            if self._is_owed_an_answer():
                raise _Unacceptable("a WebSocket behind a request that has no answer yet")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser found the end of a request."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection is another protocol's from now on, which has bounds of its own."""
        self._cancel_deadline()
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """The next request may come."""
        self._set_deadline()
        super().on_response_complete()

    def _set_deadline(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(REQUEST_TIMEOUT_S, self._too_late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if not self._is_owed_an_answer() or self.cycle.more_body:
            self.transport.abort()

    def _is_owed_an_answer(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete
