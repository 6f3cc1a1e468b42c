"""A participant of a meeting of our own server, by its signaling (docs/signaling.md): joins, answers, publishes, asks
for as many video slots as it wants to see cameras, and says how large it shows them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from sfu.bench import whip
from sfu.bench.answer import Offer
from sfu.bench.ask import Refusal, RefusedError, ask
from sfu.bench.load import Encoding, JoinError, Load, Microphone
from sfu.bench.told import Told, kind_of
from sfu.bench.websocket import WebSocket

REQUEST_TIMEOUT_S = 20.0
MEDIA_TIMEOUT_S = 30.0
"""The server gives a transport up that has no keys by then."""
GOODBYE_S = 2.0
_MAX_JOIN_BYTES = 1 << 20
_READ = frozenset({"offer", "slots", "encodings", "meeting_ended", "transport"})
"""Notifications that are acted upon; the others are counted, and it costs too much to read all of a thousand."""
_SOURCES = ("microphone", "camera")
INSIDE_S = 3.0
"""So long after its layout nothing more comes of a participant's own joining: transport, slots, qualities."""


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


class JoinRefusedError(JoinError):
    """The server said no."""

    def __init__(self, text: str, refusal: Refusal) -> None:
        super().__init__(text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Sends:
    """What a participant sends. ``encodings``: a browser's, from the smallest; without them a camera sends one
    stream of whole packets.
    """

    camera: bool = False
    microphone: bool = False
    encodings: tuple[Encoding, ...] = ()


@dataclass(slots=True)
class Shown:
    """What a slot was last said to show."""

    kind: str
    participant_id: str | None = None
    source: str | None = None
    state: str = "idle"
    since_s: float = field(default_factory=time.monotonic)
    """On the monotonic clock."""


class Participant:
    """Use it in one event loop: ``join``, ``publish`` or ``publish_as_browser``, ``see``, ``lay_out``; in the end
    ``close``.
    """

    def __init__(
        self,
        load: Load,
        name: str,
        on_change: Callable[[], None],
        sends: Sends = Sends(),
        group: int = 0,
    ) -> None:
        """``on_change`` is called when a slot changed or the meeting is over for this participant. What it gets counts
        for its ``group``, 0 or 1.
        """
        self._load = load
        self._name = name
        self._on_change = on_change
        self._sends = sends
        self._group = group
        self._local = load.new_client()
        self._sending: frozenset[str] = frozenset()
        self._ingress: dict[str, str] = {}
        self._mids: dict[int, str] = {}
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: WebSocket | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._offer_answered = asyncio.Event()
        self.id = ""
        """As the server names it."""
        self.peer = -1
        """The generator's number."""
        self.slots: dict[str, Shown] = {}
        """By mid."""
        self.told = Told()
        self.told_later = Told()
        """From ``INSIDE_S`` after it had come in: what comes of the others, and not of its own coming."""
        self._inside_s: float | None = None
        self.follows = False
        """Whether it sends only those encodings that the server asks for."""
        self.failure: str | None = None
        """Why the participant is no longer in the meeting."""

    @property
    def has_camera(self) -> bool:
        """Whether it sends one."""
        return self._sends.camera

    def showing(self, kind: str) -> int:
        """How many slots of a kind ("audio", "video") somebody feeds at the moment."""
        return sum(slot.kind == kind and slot.state == "active" for slot in self.slots.values())

    def count(self, kind: str) -> int:
        """How many slots of a kind there are."""
        return sum(slot.kind == kind for slot in self.slots.values())

    def incoming(self) -> dict[str, tuple[int, int, int]]:
        """What really comes on each m-line: of the last packet that was decrypted, the peer that sent it, which of its
        streams it was (255: the microphone), and how many microseconds ago it came.
        """
        streams = ((self._mids.get(ssrc), last) for ssrc, _, _, last in self._load.incoming(self.peer))
        return {mid: last for mid, last in streams if mid is not None and last is not None}

    async def join(
        self,
        meeting_url: str,
        video: int | None = None,
        join_token: str | None = None,
        *,
        turn: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        """From the request to the keys; its time counts. ``video``: how many cameras it is going to see;
        ``join_token``: of the link, where nobody comes in without; ``turn``: what it waits for between its request and
        the rest. JoinError when it does not come about, JoinRefusedError when the request is refused.
        """
        start = time.monotonic()
        wishes = {"name": self._name, "video": video, "join_token": join_token}
        wish = {name: value for name, value in wishes.items() if value is not None}
        try:
            joined = await ask(f"{meeting_url}/join", wish, timeout_s=REQUEST_TIMEOUT_S)
        except RefusedError as error:
            raise JoinRefusedError(f"{self._name}: {error}", error.refusal) from error
        except whip.SignalingError as error:
            raise JoinError(f"{self._name}: {error}") from error
        async with turn or nullcontext():
            await self._come_in(joined)
        self._load.join_times_s.append(time.monotonic() - start)

    async def _come_in(self, joined: dict[str, Any]) -> None:
        try:
            self.id = joined["participant_id"]
            self._ingress = joined["ingress"]
            sources = [source for source in _SOURCES if getattr(self._sends, source)]
            self._sending = frozenset(self._ingress[source] for source in sources)
            self._take_slots(joined["slots"])
            remote = whip.parse_answer(joined["offer"]["sdp"])
            self._socket = await WebSocket.connect(
                joined["signaling_url"], self._handle_frame, REQUEST_TIMEOUT_S, self._fail
            )
            welcome = await self._request("hello", token=joined["token"], offer=joined["offer"]["version"])
            self._take_slots(welcome["slots"])
            await self._answer(joined["offer"])
        except (whip.SignalingError, OSError, TimeoutError, KeyError) as error:
            raise JoinError(f"{self._name}: {type(error).__name__}: {error}") from error
        try:
            self.peer = await self._load.connect(self._local, remote, self._group, timeout_s=MEDIA_TIMEOUT_S)
        except JoinError as error:
            raise JoinError(f"{self._name}: {error}") from error

    async def publish(self, video_kbps: int) -> None:
        """Starts to send the camera in whole packets and, if it sends one, the microphone, and says so."""
        audio_mid = self._ingress["microphone"] if self._sends.microphone else None
        self._load.send(self.peer, self._local, (self._ingress["camera"], audio_mid), video_kbps)
        await self._publish()

    async def publish_as_browser(self, microphone: Microphone | None) -> None:
        """Starts to send all that it sends, as a browser does, and says so."""
        mids = (self._ingress["camera"], self._ingress["microphone"])
        encodings = self._sends.encodings if self._sends.camera else ()
        self._load.send_as_browser(self.peer, self._local, mids, encodings, microphone)
        await self._publish()

    async def _publish(self) -> None:
        for source in _SOURCES:
            if getattr(self._sends, source):
                await self._request_or_fail("publish", source=source)

    async def see(self, cameras: int) -> None:
        """Asks for so many video slots, and answers the offer that comes where the first one has fewer."""
        places = self.count("video")
        if cameras == places:
            return
        self._offer_answered.clear()
        await self._request_or_fail("slots", video=cameras)
        if cameras < places:
            return
        try:
            await asyncio.wait_for(self._offer_answered.wait(), REQUEST_TIMEOUT_S)
        except TimeoutError:
            raise JoinError(f"{self._name}: no offer with {cameras} video slots") from None

    async def lay_out(
        self, size: tuple[int, int], fps: float, *, large: tuple[int, int] | None = None, page: int = 0
    ) -> None:
        """Says that it looks at this page of the gallery, every video slot in this size, the first one ``large``."""
        mids = [mid for mid, slot in self.slots.items() if slot.kind == "video"]
        sizes = [size if index or large is None else large for index in range(len(mids))]
        tiles = [
            {"mid": mid, "width": width, "height": height, "fps": fps}
            for mid, (width, height) in zip(mids, sizes, strict=True)
        ]
        await self._request_or_fail("layout", tiles=tiles, page=page)
        self._inside_s = time.monotonic() + INSIDE_S

    async def give_up(self) -> None:
        """Leaves before it is in, so that its place is free at once. Idempotent."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._request("leave")
        except (whip.SignalingError, TimeoutError):
            pass  # the server finds out when its resume window is over
        if self.peer >= 0:
            self._load.forget(self.peer)
        await self.close()

    async def close(self) -> None:
        """Leaves without a word, as a tab that is closed. Idempotent."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _request_or_fail(self, kind: str, **fields: Any) -> None:
        try:
            await self._request(kind, **fields)
        except (whip.SignalingError, TimeoutError) as error:
            raise JoinError(f"{self._name}: {kind}: {error}") from error

    async def _request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The reply. SignalingError: the server refused."""
        if self._socket is None or self.failure is not None:
            raise whip.SignalingError(self.failure or "not joined")
        number = next(self._ids)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        self._socket.send({"type": kind, "id": number, **fields})
        message: dict[str, Any] = await asyncio.wait_for(reply, REQUEST_TIMEOUT_S)
        if message["type"] == "error":
            raise whip.SignalingError(f"{kind}: {message.get('code')}: {message.get('detail')}")
        return message

    def _handle_frame(self, frame: bytes, _read_s: float) -> None:
        """A request waits for none of it, so that the answer to an offer may be one."""
        try:
            text = frame.decode()
            kind = kind_of(text)
            if kind is not None and kind not in {"reply", "error", "welcome"}:
                now = time.monotonic()
                self.told.add(now, kind, len(text))
                if self._inside_s is not None and now >= self._inside_s:
                    self.told_later.add(now, kind, len(text))
                if kind not in _READ:
                    return
            self._handle_message(json.loads(text))
        except (ValueError, KeyError) as error:
            self._fail(f"{type(error).__name__}: {error}")

    def _handle_message(self, message: dict[str, Any]) -> None:
        if "reply" in message:
            waiting = self._replies.pop(message["reply"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif message["type"] == "offer":
            task = asyncio.create_task(self._answer_later(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        else:
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "encodings":
                self._follow(message["active"])
            case "slots":
                self._take_slots(message["slots"])
            case "meeting_ended":
                self._fail(f"the meeting ended: {message.get('reason')}")
            case "transport" if message.get("state") == "closed":
                self._fail(f"the transport closed: {message.get('detail')}")

    def _take_slots(self, slots: Sequence[dict[str, Any]]) -> None:
        """Slots with what they show, or but their places."""
        for slot in slots:
            shown = self.slots.setdefault(slot["mid"], Shown(slot.get("kind", "")))
            if "state" in slot:
                shown.participant_id, shown.source = slot["participant_id"], slot["source"]
                shown.state, shown.since_s = slot["state"], time.monotonic()
        self._on_change()

    def _follow(self, active: dict[str, bool]) -> None:
        """Sends what is wanted, if it follows."""
        if self.follows and self.peer >= 0 and self._sends.encodings:
            mask = sum(active.get(encoding.rid, True) << bit for bit, encoding in enumerate(self._sends.encodings))
            self._load.set_active(self.peer, mask)

    async def _answer_later(self, offer: dict[str, Any]) -> None:
        try:
            self._take_slots(offer["slots"])
            await self._answer(offer)
        except (whip.SignalingError, TimeoutError, KeyError) as error:
            self._fail(f"{type(error).__name__}: {error}")
            return
        self._offer_answered.set()

    async def _answer(self, offer: dict[str, Any]) -> None:
        read = Offer(offer["sdp"])
        self._mids |= read.mids_of_streams()
        sdp = read.answer(self._local, self._sending, [encoding.rid for encoding in self._sends.encodings])
        await self._request("answer", version=offer["version"], sdp=sdp)

    def _fail(self, reason: str) -> None:
        """It is out, or as good as that."""
        self.failure = reason
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(whip.SignalingError(reason))
        self._replies.clear()
        self._on_change()
