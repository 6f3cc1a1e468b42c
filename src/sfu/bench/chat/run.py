"""Everybody in one meeting listens, some write, at a steady rate: what came, in which order, and how late.

Nobody has media: what is measured is the control plane's fan-out. Open-loop: a line is sent when its time has come.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sfu.bench.chat.orders import mute_all
from sfu.bench.load import JoinError
from sfu.bench.meter import quantile
from sfu.bench.participant import post
from sfu.bench.session import JOINS_AT_ONCE, Progress, processors
from sfu.bench.target import Target, own_server
from sfu.bench.told import Told
from sfu.bench.websocket import WebSocket
from sfu.bench.whip import SignalingError

TIMEOUT_S = 20.0
DRAIN_S = 5.0
"""How long after the last line the others may take to get it."""
QUIET_S = 2.0
"""After the last join, so that what comes of joining is over."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run."""

    participants: int
    rate: float
    duration_s: float
    text_bytes: int
    urls: tuple[str, ...] = ()
    """Running servers of one deployment, which participants take in turn; none: our own are started."""
    pin: bool = True
    servers: int = 1
    """Our own."""
    redis: str = ""
    """What they share."""
    mute_rounds: int = 0
    """How often everybody is muted, instead of a chat."""


@dataclass(frozen=True, slots=True)
class Result:
    """A delivery is a line that one participant read."""

    options: dict[str, Any]
    lines: int
    """That the server took."""
    refused: int
    deliveries: int
    lost: int
    """Deliveries that did not happen."""
    doubled: int
    reordered: int
    latency_ms: dict[str, float]
    """From sending a line to reading it, over all deliveries."""
    messages_per_s: dict[str, float]
    """To one participant: in the mean, and in the busiest second of the one that had most."""
    server_cpu_share: float | None
    generator_cpu_share: float
    failures: list[str] = field(default_factory=list)
    """Why sockets closed, if any did: at most ten."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Reader:
    """One participant: what it read, in its order."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self.told = Told()
        self.last = -1
        self.read = 0
        self.doubled = 0
        self.reordered = 0
        self.orders = array("d")
        self.socket: WebSocket | None = None
        self.replies: dict[int, asyncio.Future[dict[str, Any]]] = {}

    def take(self, frame: bytes, now: float) -> None:
        """A frame came."""
        kind, numbers = self._crowd.parse(frame)
        if kind == "reply":
            self._replied(frame)
            return
        self.told.add(now, kind, len(frame))
        if kind == "muted":
            self.orders.append(now)
        for number in numbers:
            if number == self.last:
                self.doubled += 1
            elif number < self.last:
                self.reordered += 1
            self.last = max(self.last, number)
            self.read += 1
            self._crowd.latencies_s.append(now - self._crowd.sent_at[number])

    def _replied(self, frame: bytes) -> None:
        message = json.loads(frame)
        future = self.replies.pop(message["reply"], None)
        if future is not None and not future.done():
            future.set_result(message)

    def request(self, request_id: int, kind: str, **fields: Any) -> asyncio.Future[dict[str, Any]]:
        """Sends it; the reply is the future's."""
        future = self.replies[request_id] = asyncio.get_running_loop().create_future()
        if self.socket is not None:
            self.socket.send({"type": kind, "id": request_id, **fields})
        return future


class _Crowd:
    """All participants, and what is known of the lines. Everybody gets the same frames: each is read once."""

    def __init__(self) -> None:
        self.readers: list[_Reader] = []
        self.sent_at: dict[int, float] = {}
        self.latencies_s = array("f")
        self._parsed: dict[bytes, tuple[str, list[int]]] = {}

    def parse(self, frame: bytes) -> tuple[str, list[int]]:
        """Its type, "reply" for whatever answers a request, and the numbers of the lines that it has."""
        parsed = self._parsed.get(frame)
        if parsed is None:
            message = json.loads(frame)
            kind = "reply" if message.get("reply") is not None else str(message.get("type"))
            entries = message["entries"] if kind == "chat" else []
            parsed = kind, [int(entry["text"].split()[0]) for entry in entries]
            if kind != "reply":
                self._parsed[frame] = parsed
        return parsed


async def run(options: Options, progress: Progress) -> Result:
    """TargetError when there is no server, JoinError when somebody cannot come in."""
    usable = os.sched_getaffinity(0)
    try:
        async with _servers(options) as targets:
            return await _measure(targets, options, progress)
    finally:
        os.sched_setaffinity(0, usable)


@asynccontextmanager
async def _servers(options: Options) -> AsyncIterator[list[Target]]:
    if options.urls:
        yield [Target(url.rstrip("/"), None) for url in options.urls]
        return
    is_alone = options.servers == 1
    server_cpu, own_cpu = processors() if options.pin and is_alone else (None, None)
    settings = {"SFU_MEETING__MAX_PARTICIPANTS": str(options.participants)}
    if options.redis:
        settings |= {"SFU_REDIS__URL": options.redis, "SFU_REDIS__PREFIX": f"bench-{secrets.token_hex(6)}:"}
    async with AsyncExitStack() as stack:
        targets = [await stack.enter_async_context(own_server(server_cpu, settings)) for _ in range(options.servers)]
        if own_cpu is not None:
            os.sched_setaffinity(0, {own_cpu})
        yield targets


async def _measure(targets: Sequence[Target], options: Options, progress: Progress) -> Result:
    crowd = _Crowd()
    meeting = f"meetings/chat-{secrets.token_hex(6)}"
    try:
        await _fill(crowd, [f"{target.url}/{meeting}" for target in targets], options.participants, progress)
        await asyncio.sleep(QUIET_S)
        for reader in crowd.readers:
            reader.told.reset()
        before, own_before, start = _cpu_s(targets), time.process_time(), time.perf_counter()
        if options.mute_rounds:
            latencies, missing = await mute_all(crowd.readers[0], crowd.readers[1:], options.mute_rounds)
            crowd.latencies_s = array("f", latencies)
            sent = taken = options.mute_rounds
        else:
            replies = await _talk(crowd, options, progress)
            sent, taken, missing = len(replies), sum(reply.get("type") == "reply" for reply in replies), None
            await _drain(crowd, taken)
        duration_s = time.perf_counter() - start
        after = _cpu_s(targets)
        share = (after - before) / duration_s if before is not None and after is not None else None
        own_share = (time.process_time() - own_before) / duration_s
        return _result(crowd, options, (sent, taken, missing), duration_s, (share, own_share))
    finally:
        for reader in crowd.readers:
            if reader.socket is not None:
                reader.socket.close()


def _cpu_s(targets: Sequence[Target]) -> float | None:
    """Of all together; None when any is not ours."""
    usages = [target.usage() for target in targets]
    known = [usage.cpu_s for usage in usages if usage is not None]
    return sum(known) if len(known) == len(usages) else None


async def _fill(crowd: _Crowd, meeting_urls: Sequence[str], participants: int, progress: Progress) -> None:
    """The first is the host, and the first reader."""
    places = asyncio.Semaphore(JOINS_AT_ONCE)

    async def enter(number: int) -> None:
        async with places:
            reader, meeting_url = _Reader(crowd), meeting_urls[number % len(meeting_urls)]
            try:
                joined = await asyncio.to_thread(post, f"{meeting_url}/join", {"name": f"P{number}", "video": 0})
                reader.socket = await WebSocket.connect(joined["signaling_url"], reader.take, TIMEOUT_S)
                async with asyncio.timeout(TIMEOUT_S):
                    welcome = await reader.request(0, "hello", token=joined["token"])
            except (SignalingError, OSError, TimeoutError, KeyError) as error:
                raise JoinError(f"P{number}: {type(error).__name__}: {error}") from error
            if welcome.get("type") != "welcome":
                raise JoinError(f"P{number}: {welcome.get('detail')}")
            crowd.readers.append(reader)
            progress("joining", len(crowd.readers), participants)

    await enter(0)
    await asyncio.gather(*(enter(number) for number in range(1, participants)))


async def _talk(crowd: _Crowd, options: Options, progress: Progress) -> list[dict[str, Any]]:
    """Sends every line when its time has come, by one after the other. Gives the replies."""
    start = time.perf_counter()
    replies = []
    lines = max(1, round(options.rate * options.duration_s))
    for number in range(lines):
        due = start + number / options.rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        text = f"{number} ".ljust(options.text_bytes, "x")
        crowd.sent_at[number] = time.perf_counter()
        replies.append(crowd.readers[number % len(crowd.readers)].request(number + 1, "chat", text=text))
        progress("writing", number + 1, lines)
    done, late = await asyncio.wait(replies, timeout=DRAIN_S)
    for future in late:
        future.cancel()
    return [future.result() for future in done] + [{"type": "none"}] * len(late)


async def _drain(crowd: _Crowd, lines: int) -> None:
    deadline = time.perf_counter() + DRAIN_S
    while any(reader.read < lines for reader in crowd.readers) and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # an event would cost each of a hundred thousand deliveries a look at all readers


def _result(
    crowd: _Crowd,
    options: Options,
    lines: tuple[int, int, int | None],
    duration_s: float,
    cpu: tuple[float | None, float],
) -> Result:
    """``lines``: sent, taken, and how many deliveries are missing, if that is known; ``cpu``: shares of a processor,
    the servers' and ours.
    """
    (sent, taken, missing), readers = lines, crowd.readers
    latencies = sorted(crowd.latencies_s)
    read = sum(reader.read for reader in readers) if missing is None else len(latencies)
    doubled = sum(reader.doubled for reader in readers)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    lost = [reader.socket.lost for reader in readers if reader.socket is not None and reader.socket.lost is not None]
    return Result(
        asdict(options),
        lines=taken,
        refused=sent - taken,
        deliveries=read,
        lost=taken * len(readers) - (read - doubled) if missing is None else missing,
        doubled=doubled,
        reordered=sum(reader.reordered for reader in readers),
        latency_ms={name: 1e3 * quantile(latencies, share) for name, share in shares.items()},
        messages_per_s={
            "mean": sum(reader.told.messages for reader in readers) / len(readers) / duration_s,
            "busiest": float(max(reader.told.busiest for reader in readers)),
        },
        server_cpu_share=cpu[0],
        generator_cpu_share=cpu[1],
        failures=lost[:10],
    )
