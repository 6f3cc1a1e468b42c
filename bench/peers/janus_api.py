"""Janus's messages (https://janus.conf.meetecho.com/docs/rest.html, …/videoroom.html): JSON over one WebSocket.

A request is acknowledged first when the plugin works on it later; what it makes of it comes as an event with the same
transaction. Other events (``webrtcup``, ``media``, …) are not waited for and not looked at.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench.peers.adapter import PeerError

SUBPROTOCOL = Subprotocol("janus-protocol")
_ANSWER_TIMEOUT_S = 20.0
_MAX_MESSAGE_BYTES = 262_144


NO_SUCH_FEED = 428
"""JANUS_VIDEOROOM_ERROR_NO_SUCH_FEED."""


class RefusedError(PeerError):
    """The plugin says no; ``code`` is its own."""

    def __init__(self, reason: str, code: object) -> None:
        super().__init__(reason)
        self.code = code


def result_of(message: dict[str, Any]) -> dict[str, Any] | None:
    """What a message with our transaction says in the end; None: only that the request has come.

    PeerError when it, or the plugin, says no.
    """
    kind = message.get("janus")
    if kind == "ack":
        return None
    if kind == "error":
        raise PeerError(f"janus: {_reason(message.get('error'))}")
    plugin = message.get("plugindata")
    data = plugin.get("data") if isinstance(plugin, dict) else None
    if isinstance(data, dict) and "error" in data:
        raise RefusedError(f"janus: {data['error']}", data.get("error_code"))
    return message


def sdp_of(message: dict[str, Any]) -> str:
    """The session description in a result. PeerError when there is none."""
    jsep = message.get("jsep")
    sdp = jsep.get("sdp") if isinstance(jsep, dict) else None
    if not isinstance(sdp, str):
        raise PeerError("janus: an event without a session description")
    return sdp


def id_of(message: dict[str, Any]) -> int:
    """Of what was created. PeerError when there is none."""
    data = message.get("data")
    number = data.get("id") if isinstance(data, dict) else None
    if not isinstance(number, int):
        raise PeerError("janus: created something without an id")
    return number


def _reason(error: object) -> str:
    return str(error.get("reason")) if isinstance(error, dict) else str(error)


class Session:
    """A Janus session on a socket of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._requests = 0
        self._session_id: int | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str) -> Session:
        """PeerError when nobody answers there."""
        try:
            socket = await connect(url, subprotocols=[SUBPROTOCOL], max_size=_MAX_MESSAGE_BYTES, proxy=None)
        except (OSError, WebSocketException) as error:
            raise PeerError(f"janus: {url}: {error}") from error
        session = cls(socket)
        session._session_id = id_of(await session.request({"janus": "create"}))
        return session

    async def attach(self, plugin: str) -> int:
        """A handle."""
        return id_of(await self.request({"janus": "attach", "plugin": plugin}))

    async def message(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        """What the plugin makes of it."""
        message: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        return await self.request(message)

    async def request(self, message: dict[str, Any]) -> dict[str, Any]:
        """The result. PeerError when it is refused, or does not come in time."""
        self._requests += 1
        transaction = str(self._requests)
        message = message | {"transaction": transaction}
        if self._session_id is not None:
            message["session_id"] = self._session_id
        result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = result
        try:
            await self._socket.send(json.dumps(message))
            return await asyncio.wait_for(result, _ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise PeerError(f"janus: no answer to {message['janus']} within {_ANSWER_TIMEOUT_S:.0f} s") from None
        except WebSocketException as error:
            raise PeerError(f"janus: {error}") from error
        finally:
            del self._waiting[transaction]

    async def close(self) -> None:
        """Leaves without a word: the server goes too."""
        await self._socket.close()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        with suppress(WebSocketException):
            async for text in self._socket:
                self._take(json.loads(text))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(PeerError("janus: the connection is closed"))

    def _take(self, message: dict[str, Any]) -> None:
        waiting = self._waiting.get(str(message.get("transaction")))
        if waiting is None or waiting.done():
            return
        try:
            result = result_of(message)
        except PeerError as error:
            waiting.set_exception(error)
            return
        if result is not None:
            waiting.set_result(result)
