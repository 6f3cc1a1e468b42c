"""The post between processes: steps out, gathered per loop turn and receiver, and steps in, whole or not at all.

Redis' channels deliver in order and at most once. What was lost shows as a gap in the numbers, as nobody who listened,
or as a connection that broke; then all that went on with that process is over, and whose it was comes back by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from sfu.cluster.keys import Keys
from sfu.cluster.wire import MAX_BATCH_BYTES, MAX_STEPS, Batch, pack, unpack
from sfu.errors import RemoteError, WireError

MAX_UNTAKEN_BYTES = 32 * 1024 * 1024
"""To one process, that Redis has not taken yet. Redis itself ends a listener for which as much waits."""
TICK_S = 1.0
SILENT_TICKS = 15
"""A process with which something goes on says something with each tick of its own."""
FORGET_TICKS = 600
STEP_BYTES = 24
"""Of a step, besides what it carries."""

log = structlog.get_logger(__name__)


class Publishes(Protocol):
    """What is needed of ``connection.Redis``."""

    is_up: bool

    def call(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """See there."""


@dataclass(slots=True)
class _Peer:
    """Another process."""

    epoch: int = field(default_factory=lambda: secrets.randbits(53))
    number: int = 0
    steps: list[list[Any]] = field(default_factory=list)
    waiting_bytes: int = 0
    untaken_bytes: int = 0
    places: dict[int, int] = field(default_factory=dict)
    """By the identity of a frame that is to be sent: its step."""
    last: dict[int, int] = field(default_factory=dict)
    """By stream: its last step."""
    heard_epoch: int | None = None
    heard: int = 0
    silent: int = 0


class Post:
    """``on_step`` gets a sender and a step; ``on_lost`` a process with which nothing goes on any more; ``is_needed``
    says whether something does.
    """

    def __init__(self, redis: Publishes, keys: Keys, process_id: str) -> None:
        self._redis = redis
        self._keys = keys
        self._me = process_id
        self._peers: dict[str, _Peer] = {}
        self._is_flushing = False
        self.on_step: Callable[[str, list[Any]], None] = lambda _peer, _step: None
        self.on_lost: Callable[[str], None] = lambda _peer: None
        self.is_needed: Callable[[str], bool] = lambda _peer: False
        self.bytes_out = self.bytes_in = self.resets = self.malformed = 0

    # out

    def put(self, peer_id: str, step: list[Any], size: int = 0) -> None:
        """Sends a step after those before it, at the end of this turn. ``size``: bytes that it carries."""
        peer = self._peers.setdefault(peer_id, _Peer())
        if peer.waiting_bytes + peer.untaken_bytes > MAX_UNTAKEN_BYTES:
            self.lose(peer_id, "too much waits for it")
            return
        if isinstance(step[1], int):
            peer.last[step[1]] = len(peer.steps)
        peer.steps.append(step)
        peer.waiting_bytes += size + STEP_BYTES
        self._flush_soon()

    def send(self, peer_id: str, stream: int, frame: str | bytes) -> None:
        """A message to a client there. What many get in one turn goes there once."""
        peer = self._peers.setdefault(peer_id, _Peer())
        place = peer.places.get(id(frame))
        # The step keeps the frame, so no other has its identity; and a stream's messages stay in order.
        if place is not None and peer.last.get(stream, -1) < place:
            peer.steps[place][1].append(stream)
            peer.last[stream] = place
            return
        place = peer.places[id(frame)] = len(peer.steps)
        self.put(peer_id, ["send", [stream], frame], len(frame))
        peer.last[stream] = place

    def tick(self) -> None:
        """Once every ``TICK_S``: says that this process is there, to those who rely on it, and looks who is."""
        for peer_id, peer in tuple(self._peers.items()):
            peer.silent += 1
            if not self.is_needed(peer_id):
                if peer.silent > FORGET_TICKS:
                    del self._peers[peer_id]
            elif peer.silent > SILENT_TICKS:
                self.lose(peer_id, "it says nothing any more")
            elif not peer.steps:
                self._publish(peer_id, peer, [])

    def _flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        for peer_id, peer in tuple(self._peers.items()):
            steps, peer.steps = peer.steps, []
            peer.waiting_bytes = 0
            peer.places.clear()
            peer.last.clear()
            self._publish_all(peer_id, peer, steps)

    def _publish_all(self, peer_id: str, peer: _Peer, steps: list[list[Any]]) -> None:
        part: list[list[Any]] = []
        size = 0
        for step in steps:
            step_size = STEP_BYTES + sum(len(value) for value in step[1:] if isinstance(value, str | bytes))
            if part and (size + step_size > MAX_BATCH_BYTES or len(part) >= MAX_STEPS):
                self._publish(peer_id, peer, part)
                part, size = [], 0
            part.append(step)
            size += step_size
        if part:
            self._publish(peer_id, peer, part)

    def _publish(self, peer_id: str, peer: _Peer, steps: list[list[Any]]) -> None:
        if not self._redis.is_up:
            return  # ``reset`` has ended, or is about to end, what this was for
        data = pack(Batch(self._me, peer.epoch, peer.number, steps))
        peer.number += 1
        peer.untaken_bytes += len(data)
        self.bytes_out += len(data)
        try:
            taken = self._redis.call("PUBLISH", self._keys.inbox(peer_id), data)
        except RemoteError:
            return
        taken.add_done_callback(partial(self._taken, peer_id, peer, len(data)))

    def _taken(self, peer_id: str, peer: _Peer, size: int, future: asyncio.Future[Any]) -> None:
        peer.untaken_bytes -= size
        if not future.cancelled() and future.exception() is None and future.result() == 0:
            self.lose(peer_id, "nobody listens there", peer)

    # in

    def take(self, data: bytes) -> None:
        """What came for this process."""
        self.bytes_in += len(data)
        try:
            batch = unpack(data)
        except WireError as error:
            self.malformed += 1
            if self.malformed == 1:
                log.warning("malformed_batch", reason=error.detail)
            return
        peer = self._peers.setdefault(batch.sender, _Peer())
        peer.silent = 0
        if batch.epoch != peer.heard_epoch:
            if peer.heard_epoch is not None:
                self._over(batch.sender, "it began anew")
            peer.heard_epoch, peer.heard = batch.epoch, batch.number
        if batch.number != peer.heard:
            self.lose(batch.sender, "something was lost on the way")
            peer = self._peers.setdefault(batch.sender, _Peer())
            peer.heard_epoch, peer.heard = batch.epoch, batch.number
        peer.heard += 1
        for step in batch.steps:
            self.on_step(batch.sender, step)

    # the end of things

    def lose(self, peer_id: str, reason: str, peer: _Peer | None = None) -> None:
        """Nothing goes on with that process any more; it is told by the new epoch. ``peer``: only if it is still
        that one.
        """
        known = self._peers.get(peer_id)
        if known is None or (peer is not None and known is not peer):
            return
        self._peers[peer_id] = _Peer(heard_epoch=known.heard_epoch, heard=known.heard)
        self._over(peer_id, reason)

    def reset(self) -> None:
        """The connection to Redis is gone, and with it all that went on."""
        for peer_id in tuple(self._peers):
            self._over(peer_id, "Redis is away")
        self._peers.clear()

    def _over(self, peer_id: str, reason: str) -> None:
        if self.is_needed(peer_id):
            self.resets += 1
            log.warning("link_reset", process=peer_id, reason=reason)
        self.on_lost(peer_id)
