"""The head of a request or a WebSocket handshake: from ASGI's scope to what is sent, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

from sfu.errors import WireError

_PLAIN = ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path")
_TYPES = {"http", "websocket"}


def head_of(scope: Scope) -> dict[str, Any]:
    """What the home has to know, the client's own address with it."""
    head = {name: scope[name] for name in _PLAIN if scope.get(name) is not None}
    head["headers"] = [[bytes(name), bytes(value)] for name, value in scope["headers"]]
    for name in ("client", "server"):
        address = scope.get(name)
        head[name] = list(address) if address else None
    if scope["type"] == "websocket":
        head["subprotocols"] = list(scope.get("subprotocols", ()))
    return head


def scope_of(head: Mapping[str, Any]) -> Scope:
    """For the application of the home. Raises ``WireError``."""
    kind, path, headers = head.get("type"), head.get("path"), head.get("headers")
    if kind not in _TYPES or not isinstance(path, str) or not isinstance(headers, list):
        raise WireError("not the head of a request")
    scope: dict[str, Any] = {"asgi": {"version": "3.0", "spec_version": "2.4"}, "extensions": {}}
    scope |= {name: head[name] for name in _PLAIN if name in head}
    scope["headers"] = [_header(header) for header in headers]
    for name in ("client", "server"):
        scope[name] = _address(head.get(name))
    if kind == "websocket":
        scope["subprotocols"] = [str(name) for name in head.get("subprotocols", ())]
        scope["extensions"] = {"websocket.http.response": {}}
    return scope


def headers_of(message: Mapping[str, Any]) -> list[list[bytes]]:
    """Of an answer, as they are sent."""
    return [[bytes(name), bytes(value)] for name, value in message.get("headers", ())]


def checked_headers(found: object) -> list[tuple[bytes, bytes]]:
    """Raises ``WireError``."""
    if not isinstance(found, list):
        raise WireError("headers that are none")
    return [_header(header) for header in found]


def _header(found: object) -> tuple[bytes, bytes]:
    match found:
        case [bytes(name), bytes(value)]:
            return name, value
    raise WireError("a header that is none")


def _address(found: object) -> tuple[str, int | None] | None:
    match found:
        case None:
            return None
        case [str(host), int() | None as port]:
            return host, port
    raise WireError("an address that is none")
