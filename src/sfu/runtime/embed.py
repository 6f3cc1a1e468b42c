"""The media engine inside a program of your own: no HTTP, no meetings, plain asyncio. See docs/embedding.md.

``Engine`` is ``sfu.media.engine.Engine`` with its driver and its life as a context manager. Routers and transports
are those of ``sfu.media`` and gain what asyncio programs like: ``wait_connected``, ``states``, and ``accept``,
which answers an SDP offer and gives what came of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import sfu.media.engine
import sfu.media.router
import sfu.media.transport
from sfu.dtls.certificate import Certificate
from sfu.errors import EngineError, TransportClosed
from sfu.media.consumer import Consumer
from sfu.media.engine import EngineOptions, EngineStats
from sfu.media.producer import Producer
from sfu.media.shard import Address, ShardLink
from sfu.media.states import TransportState
from sfu.rtp.codecs import Kind
from sfu.runtime.driver import Driver
from sfu.runtime.priority import put_media_first
from sfu.sdp.description import SessionDescription
from sfu.sdp.negotiate import CodecPolicy, EgressSection, answer_offer

STATES_KEPT = 64
"""State changes that an iterator may be behind; a transport has a handful in its life."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A transport's new state, and why (may be empty)."""

    state: TransportState
    detail: str


@dataclass(frozen=True, slots=True)
class Session:
    """What came of one offer. ``answer`` is SDP for the remote side."""

    transport: Transport
    answer: str
    producers: tuple[Producer, ...]
    """What the remote side sends, in the order of its m-lines."""
    consumers: tuple[Consumer, ...]
    """What it receives, fed by nothing yet: ``consumer.switch(producer)``."""


class Transport(sfu.media.transport.Transport):
    """A transport that can be waited for. ``on_state`` is free for a callback of your own."""

    def __init__(self, router: sfu.media.router.Router) -> None:
        self._watchers: set[asyncio.Queue[StateChange]] = set()
        super().__init__(router)

    async def wait_connected(self, timeout_s: float | None = None) -> None:
        """Returns when media can flow. Raises ``TransportClosed`` with the reason, or ``TimeoutError``."""
        async with asyncio.timeout(timeout_s):
            async for change in self.states():
                if change.state is TransportState.CONNECTED:
                    return
        raise TransportClosed(self.close_reason or "closed by this side")

    async def states(self) -> AsyncIterator[StateChange]:
        """The state now, then each change; ends after ``CLOSED``."""
        queue: asyncio.Queue[StateChange] = asyncio.Queue(STATES_KEPT)
        change = StateChange(self.state, self.close_reason)
        self._watchers.add(queue)
        try:
            while True:
                yield change
                if change.state is TransportState.CLOSED:
                    return
                change = await queue.get()
        finally:
            self._watchers.discard(queue)

    def _notify(self, detail: str) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(StateChange(self.state, detail))
        super()._notify(detail)


class Router(sfu.media.router.Router):
    """A router whose transports come from SDP offers, or from ``create_transport`` and ``sfu.sdp`` by hand."""

    def __init__(self, link: ShardLink, codecs: CodecPolicy) -> None:
        super().__init__(link)
        self._codecs = codecs

    def create_transport(self) -> Transport:
        """See ``sfu.media.router.Router``."""
        self.require_open()
        return Transport(self)

    def accept(self, offer_sdp: str, *, cname: str | None = None) -> Session:
        """Answers a client's offer: a producer for each m-line that it sends on, a consumer for each that it
        receives on. Raises ``WireError`` or ``RemoteError`` when nothing comes of it.
        """
        offer = SessionDescription.parse(offer_sdp)
        transport = self.create_transport()
        try:
            return _accept(transport, offer, self._codecs, cname or secrets.token_urlsafe(12))
        except BaseException:
            transport.close("the offer was refused")
            raise


def _accept(transport: Transport, offer: SessionDescription, codecs: CodecPolicy, cname: str) -> Session:
    sections = [_egress(transport, Kind(line.kind), cname) for line in offer.media if line.kind in set(Kind)]
    answer, session = answer_offer(
        offer, transport.local, codecs, egress=sections, accept_ingress=True, session_id=secrets.randbits(62)
    )
    transport.connect(session.remote)
    transport.set_rtp(session.receive, session.send, session.rtcp_reduced_size)
    producers, consumers = [], []
    for line in session.media:
        if line.receives and line.encodings:
            producers.append(transport.produce(line.kind, line.mid, line.encodings))
        if line.sends:
            section = _taken(sections, line.kind)
            consumers.append(transport.consume(line.kind, line.mid, section.ssrc, section.rtx_ssrc, section.cname))
    return Session(transport, str(answer), tuple(producers), tuple(consumers))


def _egress(transport: Transport, kind: Kind, cname: str) -> EgressSection:
    """A template; ``answer_offer`` gives it to the next m-line of its kind that the client receives on."""
    ssrc, rtx_ssrc = transport.allocate_egress(kind)
    return EgressSection("", kind, ssrc, rtx_ssrc, cname, stream_id=cname, track_id=f"{cname}-{ssrc}")


def _taken(sections: list[EgressSection], kind: Kind) -> EgressSection:
    """The same choice as ``answer_offer`` makes: the first of its kind that is left."""
    section = next(section for section in sections if section.kind is kind)
    sections.remove(section)
    return section


class Engine:
    """``async with Engine() as engine:`` on a running event loop.

    ``listen`` are IP addresses; ``port`` is the UDP port of the first shard (0: any free one) and each further
    shard takes the next; ``advertise`` are the addresses to tell clients behind NAT. ``certificate`` None makes
    a new one.
    """

    def __init__(
        self,
        *,
        listen: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        shards: int = 1,
        cpus: Sequence[int] = (),
        advertise: Sequence[str] = (),
        certificate: Certificate | None = None,
        codecs: CodecPolicy | None = None,
    ) -> None:
        self._options = EngineOptions(
            certificate=certificate or Certificate.generate(datetime.now(UTC)),
            listen=tuple(listen),
            port=port,
            shards=shards,
            cpus=tuple(cpus),
            advertise=tuple(advertise),
        )
        self._codecs = codecs or CodecPolicy()
        self._engine: sfu.media.engine.Engine | None = None
        self._driver: Driver | None = None
        self.on_failure: Callable[[EngineError], None] | None = None
        """A shard failed; its transports are closed already."""

    async def __aenter__(self) -> Self:
        """Opens the sockets and starts the data plane. Raises ``EngineError`` when it cannot."""
        if self._engine is not None:
            raise EngineError("an engine is used once", "make another")
        self._engine = sfu.media.engine.Engine(self._options)
        self._engine.on_failure = self._failed
        self._driver = Driver(self._engine, asyncio.get_running_loop())
        self._driver.start()
        put_media_first(self._options.shards, step_back=False)
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes everything that hangs from it, and stops the data plane."""
        self._running().close()
        if self._driver is not None:
            self._driver.close()

    def _failed(self, error: EngineError) -> None:
        if self.on_failure is not None:
            self.on_failure(error)

    def _running(self) -> sfu.media.engine.Engine:
        if self._engine is None:
            raise EngineError("the engine does not run", "use it in `async with Engine() as engine:`")
        return self._engine

    def create_router(self) -> Router:
        """A router on the least busy shard. Producers feed consumers of the same router only."""
        return Router(self._running().least_busy_shard(), self._codecs)

    @property
    def local_addresses(self) -> tuple[Address, ...]:
        """Bound UDP addresses."""
        return self._running().local_addresses

    def stats(self) -> EngineStats:
        """Totals, at most a second old."""
        return self._running().stats()
