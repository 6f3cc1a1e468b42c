"""A participant of a meeting of our own server, by its signaling (docs/signaling.md): joins, answers, publishes, and
asks for as many video slots as it wants to see cameras.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from sfu.bench import whip
from sfu.bench.answer import answer
from sfu.bench.load import JoinError, Load

REQUEST_TIMEOUT_S = 20.0
_MAX_JOIN_BYTES = 1 << 20
_SUBPROTOCOL = "sfu.v1.json"


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """POSTs JSON and returns what comes back. Blocks: call it in a thread. SignalingError when nothing usable does."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - checked by the options
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:  # noqa: S310
            reply = json.loads(response.read(_MAX_JOIN_BYTES))
    except urllib.error.HTTPError as error:
        detail = error.read(1_000).decode(errors="replace")
        raise whip.SignalingError(f"POST {url}: {error.code} {detail}") from error
    except (OSError, ValueError) as error:
        raise whip.SignalingError(f"POST {url}: {error}") from error
    if not isinstance(reply, dict):
        raise whip.SignalingError(f"POST {url}: not a JSON object")
    return reply


class Participant:
    """Use it in one event loop: ``join``, ``publish``, ``see``, and ``close`` in the end."""

    def __init__(self, load: Load, name: str, on_change: Callable[[], None]) -> None:
        """``on_change`` is called when a slot changed or the meeting is over for this participant."""
        self._load = load
        self._name = name
        self._on_change = on_change
        self._local = load.new_client()
        self._peer = -1
        self._sending: frozenset[str] = frozenset()
        self._ingress: dict[str, str] = {}
        self._slots: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._offer_answered = asyncio.Event()
        self.failure: str | None = None
        """Why the participant is no longer in the meeting."""

    def showing(self, kind: str) -> int:
        """How many slots of a kind ("audio", "video") somebody feeds at the moment."""
        return sum(slot["kind"] == kind and slot.get("state") == "active" for slot in self._slots.values())

    def slots(self, kind: str) -> int:
        """How many slots of a kind there are."""
        return sum(slot["kind"] == kind for slot in self._slots.values())

    async def join(self, meeting_url: str, *, publishes: bool, audio: bool) -> None:
        """From the request to the keys; its time counts. JoinError when it does not come about."""
        start = time.monotonic()
        try:
            joined = await asyncio.to_thread(post, f"{meeting_url}/join", {"name": self._name})
            self._ingress = joined["ingress"]
            if publishes:
                sources = ("camera", "microphone") if audio else ("camera",)
                self._sending = frozenset(self._ingress[source] for source in sources)
            self._slots = {slot["mid"]: dict(slot) for slot in joined["slots"]}
            remote = whip.parse_answer(joined["offer"]["sdp"])
            self._socket = await connect(
                joined["signaling_url"],
                subprotocols=[_SUBPROTOCOL],  # type: ignore[list-item]  # a NewType of str
                open_timeout=REQUEST_TIMEOUT_S,
                compression=None,
                max_size=_MAX_JOIN_BYTES,
            )
            self._reader = asyncio.create_task(self._read(self._socket))
            welcome = await self._request("hello", token=joined["token"])
            self._take_slots(welcome["slots"])
            await self._answer(joined["offer"])
        except (whip.SignalingError, WebSocketException, OSError, TimeoutError, KeyError) as error:
            raise JoinError(f"{self._name}: {type(error).__name__}: {error}") from error
        try:
            self._peer = await self._load.connect(self._local, remote)
        except JoinError as error:
            raise JoinError(f"{self._name}: {error}") from error
        self._load.join_times_s.append(time.monotonic() - start)

    async def publish(self, video_kbps: int) -> None:
        """Starts to send camera and microphone, and says so."""
        audio_mid = self._ingress["microphone"] if self._ingress["microphone"] in self._sending else None
        self._load.send(self._peer, self._local, (self._ingress["camera"], audio_mid), video_kbps)
        if audio_mid is not None:
            await self._request_or_fail("publish", source="microphone")
        await self._request_or_fail("publish", source="camera")

    async def see(self, cameras: int) -> None:
        """Asks for so many video slots, where the first offer has fewer, and answers the offer that comes then."""
        if cameras <= self.slots("video"):
            return
        self._offer_answered.clear()
        await self._request_or_fail("slots", video=cameras)
        try:
            await asyncio.wait_for(self._offer_answered.wait(), REQUEST_TIMEOUT_S)
        except TimeoutError:
            raise JoinError(f"{self._name}: no offer with {cameras} video slots") from None

    async def close(self) -> None:
        """Leaves without a word, as a tab that is closed. Idempotent."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def _request_or_fail(self, kind: str, **fields: Any) -> None:
        try:
            await self._request(kind, **fields)
        except (whip.SignalingError, WebSocketException, TimeoutError) as error:
            raise JoinError(f"{self._name}: {kind}: {error}") from error

    async def _request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The reply. SignalingError: the server refused."""
        if self._socket is None or self.failure is not None:
            raise whip.SignalingError(self.failure or "not joined")
        number = next(self._ids)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        await self._socket.send(json.dumps({"type": kind, "id": number, **fields}))
        message: dict[str, Any] = await asyncio.wait_for(reply, REQUEST_TIMEOUT_S)
        if message["type"] == "error":
            raise whip.SignalingError(f"{kind}: {message.get('code')}: {message.get('detail')}")
        return message

    async def _read(self, socket: ClientConnection) -> None:
        """Until the socket closes; a request waits for none of it, so that the answer to an offer may be one."""
        answering: set[asyncio.Task[None]] = set()
        try:
            async for frame in socket:
                message = json.loads(frame)
                if "reply" in message:
                    waiting = self._replies.pop(message["reply"], None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                elif message["type"] == "offer":
                    task = asyncio.create_task(self._answer_later(message))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
                else:
                    self._take(message)
            self._fail("the server closed the socket")
        except (WebSocketException, ValueError, KeyError) as error:
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            for task in answering:
                task.cancel()

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "slots":
                self._take_slots(message["slots"])
            case "meeting_ended":
                self._fail(f"the meeting ended: {message.get('reason')}")
            case "transport" if message.get("state") == "closed":
                self._fail(f"the transport closed: {message.get('detail')}")

    def _take_slots(self, slots: list[dict[str, Any]]) -> None:
        for slot in slots:
            self._slots.setdefault(slot["mid"], {}).update(slot)
        self._on_change()

    async def _answer_later(self, offer: dict[str, Any]) -> None:
        try:
            for slot in offer["slots"]:
                self._slots.setdefault(slot["mid"], {}).update(slot)
            await self._answer(offer)
        except (whip.SignalingError, WebSocketException, TimeoutError, KeyError) as error:
            self._fail(f"{type(error).__name__}: {error}")
            return
        self._offer_answered.set()

    async def _answer(self, offer: dict[str, Any]) -> None:
        sdp = answer(offer["sdp"], self._local, self._sending)
        await self._request("answer", version=offer["version"], sdp=sdp)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(whip.SignalingError(reason))
        self._replies.clear()
        self._on_change()
