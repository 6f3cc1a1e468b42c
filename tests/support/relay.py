"""A bad network between one peer and the server: a UDP relay in this process, with a link each way that has a rate, a
queue, a distance and losses by seed, and that can move the peer to another address.

The peer is told the relay's address in place of the server's (``rewrite``). Each peer has a relay of its own.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from types import TracebackType
from typing import Self

from tests.support.link import Link

Address = tuple[str, int]


FIRST_RTP_BYTE = 128
"""RFC 7983 §7: below are STUN and DTLS."""


class _Port(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.carry(data, addr, self._transport)

    def error_received(self, exc: Exception) -> None:
        """A closed port at the other end is a lost packet."""


class Relay:
    """``down`` is the link to the peer, ``up`` the one to the server; both may be changed at any time. ``loss`` is the
    probability of losing a packet, each way.
    """

    def __init__(self, server: Address, *, loss: float = 0.0, seed: int = 0) -> None:
        seeds = random.Random(seed)
        self.down = Link(loss=loss, seed=seeds.getrandbits(32))
        self.up = Link(loss=loss, seed=seeds.getrandbits(32))
        self.counts: Counter[str] = Counter()
        """``up`` and ``down`` packets that came in and were not lost, ``lost_up`` and ``lost_down``."""
        self._server = server
        self._seed = seed
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._peer: Address | None = None
        self._near: asyncio.DatagramTransport | None = None
        self._far: list[asyncio.DatagramTransport] = []

    @property
    def loss(self) -> float:
        """Of both ways."""
        return max(self.down.loss, self.up.loss)

    @loss.setter
    def loss(self, loss: float) -> None:
        self.down.loss = self.up.loss = loss

    @property
    def address(self) -> Address:
        """Where the peer sends."""
        assert self._near is not None
        address: Address = self._near.get_extra_info("sockname")
        return address

    @property
    def upstream(self) -> Address:
        """Where the server sees the peer."""
        address: Address = self._far[-1].get_extra_info("sockname")
        return address

    def rewrite(self, sdp: str) -> str:
        """The server's description with this relay as its only candidate."""
        host, port = self.address
        candidate = re.compile(rf"(a=candidate:\S+ \d+ \S+ \d+) {re.escape(self._server[0])} {self._server[1]} ")
        rewritten, count = candidate.subn(rf"\1 {host} {port} ", sdp)
        assert count, f"no candidate of {self._server} in\n{sdp}"
        return rewritten

    def carry(self, data: bytes, source: Address, receiver: asyncio.DatagramTransport | None) -> None:
        """Passes a packet on, or loses it."""
        from_server = receiver is not self._near
        if not from_server:
            self._peer = source
        way, link = ("down", self.down) if from_server else ("up", self.up)
        dropped = link.lost + link.overflowed
        link.offer(asyncio.get_running_loop().time(), data)
        if link.lost + link.overflowed > dropped:
            self.counts[f"lost_{way}"] += 1
            return
        self.counts[way] += 1
        if from_server and receiver is self._far[-1] and data[0] >= FIRST_RTP_BYTE:
            self.counts[f"media to {self.upstream}"] += 1
        self._deliver(way, link)

    def _deliver(self, way: str, link: Link) -> None:
        """Sends on what has arrived at the other end, and comes again for the rest."""
        if timer := self._timers.pop(way, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        port, target = (self._near, self._peer) if way == "down" else (self._far[-1], self._server)
        for packet in link.take(loop.time()):
            if port is not None and target is not None:
                port.sendto(packet, target)
        if (at := link.next_at()) is not None:
            self._timers[way] = loop.call_at(at, self._deliver, way, link)

    def media_to(self, upstream: Address) -> int:
        """How many RTP and RTCP packets the server has sent to an address while it was the newest."""
        return self.counts[f"media to {upstream}"]

    async def move(self) -> None:
        """The peer's address changes, as when its NAT forgets it: what it sends comes from another port now. What the
        server sends to the older one still arrives, until ``forget``.
        """
        self._far.append(await self._open())

    def forget(self) -> None:
        """Addresses but the newest are gone."""
        while len(self._far) > 1:
            self._far.pop(0).close()

    async def _open(self) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Port(self), local_addr=("127.0.0.1", 0))
        return transport

    async def __aenter__(self) -> Self:
        self._near = await self._open()
        self._far = [await self._open()]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        print(f"relay with seed {self._seed}: {dict(self.counts)}")  # pytest shows it when the test fails
        for timer in self._timers.values():
            timer.cancel()
        for port in (self._near, *self._far):
            if port is not None:
                port.close()
