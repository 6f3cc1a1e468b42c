"""One shard as the control plane sees it: the commands it takes, the objects that live on it, its latest
snapshot. Not the thread, nor any packet.

``ShardPort`` is the part of the native interface that media uses; the running shard and the simulated one
both have it, so that tests drive the very same code in virtual time.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sfu.errors import EngineError
from sfu.ids import ConsumerId, HandleSequence, ProducerId, RouterId, TransportId
from sfu.media.timers import Timers
from sfu.rtp.codecs import RtpMap

if TYPE_CHECKING:
    from sfu.dtls.certificate import Certificate
    from sfu.media.consumer import Consumer
    from sfu.media.producer import Producer
    from sfu.media.router import Router
    from sfu.media.transport import Transport

log = logging.getLogger(__name__)

Address = tuple[str, int]
NativeRtpMap = tuple[list[tuple[int, tuple[str, int], int, int | None]], list[tuple[int, str]]]


HISTORY_SECONDS = 900
"""So much of the past is kept of every transport and consumer."""


class ShardPort(Protocol):
    """What media asks of a shard; ``sfu/_native.pyi`` documents each call."""

    @property
    def local_addresses(self) -> list[Address]: ...
    @property
    def event_fd(self) -> int: ...
    def close(self) -> None: ...
    def wake_soon(self, callback: Callable[[], object] | None) -> None: ...
    def wake(self) -> None: ...
    def add_router(self, router: int) -> None: ...
    def remove_router(self, router: int) -> None: ...
    def add_transport(self, transport: int, router: int, ufrag: str, pwd: str) -> None: ...
    def remove_transport(self, transport: int) -> None: ...
    def restart_ice(self, transport: int, ufrag: str, pwd: str) -> None: ...
    def set_srtp_keys(  # noqa: PLR0917 - as the native side has it
        self, transport: int, profile: str, send_key: bytes, send_salt: bytes, receive_key: bytes, receive_salt: bytes
    ) -> None: ...
    def send_dtls(self, transport: int, datagram: bytes) -> None: ...
    def set_rtp(self, transport: int, receive: Any, send: Any, rtcp_reduced_size: bool) -> None: ...
    def set_bandwidth(self, transport: int, min_bps: int, start_bps: int, max_bps: int) -> None: ...
    def set_desired_bitrate(self, transport: int, bps: int) -> None: ...
    def add_producer(
        self,
        producer: int,
        transport: int,
        kind: str,
        mid: str,
        encodings: Sequence[tuple[str | None, int | None, int | None]],
    ) -> None: ...
    def remove_producer(self, producer: int) -> None: ...
    def pause_producer(self, producer: int, paused: bool) -> None: ...
    def add_consumer(  # noqa: PLR0917 - as the native side has it
        self, consumer: int, transport: int, kind: str, mid: str, ssrc: int, rtx_ssrc: int | None, cname: str
    ) -> None: ...
    def remove_consumer(self, consumer: int) -> None: ...
    def switch_consumer(self, consumer: int, producer: int | None) -> None: ...
    def set_layers(self, consumer: int, spatial: int, temporal: int) -> None: ...
    def set_priority(self, consumer: int, priority: int) -> None: ...
    def pause_consumer(self, consumer: int, paused: bool) -> None: ...
    def set_stage(self, router: int, slots: int, forward_silence: bool) -> None: ...
    def stage_producer(self, producer: int, staged: bool, always: bool) -> None: ...
    def stage_consumer(self, consumer: int, position: int | None) -> None: ...
    def set_speakers(self, router: int, dominant: int | None, audible: Sequence[int]) -> None: ...
    def request_keyframe(self, producer: int) -> None: ...
    def poll_events(self, limit: int = ...) -> list[tuple[Any, ...]]: ...
    @property
    def busy_us(self) -> int: ...
    def snapshot(self) -> dict[str, Any]: ...


def address_text(address: Address) -> str:
    """``192.0.2.1:5000``, ``[2001:db8::1]:5000``."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def native_rtp_map(rtp: RtpMap) -> NativeRtpMap:
    """``rtp`` in the words of the native interface."""
    payload_types = [
        (entry.pt, (entry.codec.name.value, entry.codec.variant), entry.clock_rate_hz, entry.rtx_pt)
        for entry in rtp.payload_types
    ]
    return payload_types, [(extension_id, kind.value) for extension_id, kind in rtp.extensions]


@dataclass(slots=True)
class Handles:
    """Where handles come from: one sequence for each kind, for all shards of the process."""

    router: HandleSequence = field(default_factory=HandleSequence)
    transport: HandleSequence = field(default_factory=HandleSequence)
    producer: HandleSequence = field(default_factory=HandleSequence)
    consumer: HandleSequence = field(default_factory=HandleSequence)


class SecondsHistory(Protocol):
    """The last seconds of everything on a shard; ``sfu/_native.pyi`` documents each call."""

    @property
    def second(self) -> int | None: ...
    def record(self, now: float, snapshot: dict[str, Any]) -> None: ...
    def transport(
        self, transport: int, last: int
    ) -> tuple[list[int | None], list[int | None], list[int | None], list[int | None]]: ...
    def consumer(self, consumer: int, last: int) -> list[int | None]: ...


@dataclass(slots=True, eq=False)
class ShardLink:
    """A shard and the live objects on it, by handle. The objects add and remove themselves."""

    index: int
    port: ShardPort
    candidates: tuple[str, ...]
    """Values of ``a=candidate``."""
    certificate: Certificate
    timers: Timers
    handles: Handles
    rng: random.Random
    """For SSRCs (RFC 3550 §8.1: random); not for secrets."""
    history: SecondsHistory
    routers: dict[RouterId, Router] = field(default_factory=dict)
    transports: dict[TransportId, Transport] = field(default_factory=dict)
    producers: dict[ProducerId, Producer] = field(default_factory=dict)
    consumers: dict[ConsumerId, Consumer] = field(default_factory=dict)
    latest: dict[str, Any] = field(default_factory=dict)
    """The snapshot that the last review read; {} before the first."""
    failures: Counter[str] = field(default_factory=Counter)
    """What went wrong here and is worth counting: ``dtls``, ``ice``, ``consent``, ``command``, ``callback``, …"""
    failed: EngineError | None = None
    on_transport_added: Callable[[], None] | None = None
    seed: int | None = None
    """Of simulations; None: unpredictable."""

    def handshake_seed(self, transport: TransportId) -> int | None:
        """Another one for each transport, of 64 bits."""
        return None if self.seed is None else (self.seed << 32 | transport) % 2**64

    def require_alive(self) -> None:
        """Raises the ``EngineError`` that the shard failed with, if it did."""
        if self.failed is not None:
            raise self.failed

    def fail(self, reason: str) -> EngineError:
        """The shard is gone: closes everything on it. Commands to it go nowhere from now on."""
        error = EngineError(f"shard {self.index} failed: {reason}", "restart the process; meetings on it are over")
        self.failed = error
        log.critical("shard_failed shard=%d reason=%s", self.index, reason)
        for router in list(self.routers.values()):
            router.close(reason=f"shard failed: {reason}")
        return error
