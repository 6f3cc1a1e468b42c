"""Somebody who is told of events by HTTP: a real server on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebhookReceiver:
    """``events``: those that were taken, as they came. ``answer`` gives the status for each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.events: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _event: 204
        self.headers: dict[str, str] = {}
        self.url = ""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((headers, body))
        event = json.loads(body)
        status = self.answer(event)
        if status < 300:
            self.events.append(event)
        return status

    def kinds(self, meeting_id: str | None = None) -> list[str]:
        """Types without the prefix, each event once, in the order in which they came first."""
        firsts = {one["id"]: one for one in reversed(self.events) if meeting_id in {None, one["subject"]}}
        return [one["type"].removeprefix("sfu.") for one in reversed(firsts.values())]


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A running one."""
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
