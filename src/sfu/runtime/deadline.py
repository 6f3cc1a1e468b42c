"""A bound for the time in which a request must have come. Without it, connections on which nothing is said cost their
client nothing and the server its descriptors, until nobody else gets in.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_TIMEOUT_S = 20.0
"""From connecting, or from the answer before, to the last byte of the request: 256 KiB at 105 kbit/s."""


class PunctualHttp(H11Protocol):
    """uvicorn's HTTP/1.1, but a connection whose client owes a request or the rest of one is closed in time.

    A request that is there in whole has no deadline: its answer is ours to give.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The connection is another protocol's from now on, which has bounds of its own."""
        self._cancel_deadline()
        super().handle_websocket_upgrade(event)

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
        cycle: Any = self.cycle
        is_answering = cycle is not None and not cycle.more_body and not cycle.response_complete
        if not is_answering:
            self.transport.abort()
