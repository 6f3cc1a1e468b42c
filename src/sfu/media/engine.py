"""The engine: shards, the routers on them, timers, and the way of events from a shard to its object.

Sans-IO: whoever drives it (``sfu.runtime.driver`` on an event loop, tests in virtual time) calls
``handle_events`` when an event descriptor is readable and ``handle_timeout`` when ``poll_timeout`` is over,
with its own monotonic clock in seconds. Nothing here happens for each packet of media.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sfu._native import History
from sfu.dtls.certificate import Certificate
from sfu.errors import EngineError
from sfu.ice.candidates import bind_addresses, host_candidates
from sfu.media.dispatch import dispatch
from sfu.media.resync import resync
from sfu.media.router import Router
from sfu.media.shard import HISTORY_SECONDS, Address, Handles, ShardLink, ShardPort, address_text
from sfu.media.timers import Timer, Timers

log = logging.getLogger(__name__)

THREAD_PREFIX = "sfu-shard-"
"""Names of the shards' threads, with the shard's number behind it."""

REVIEW_S = 1.0
"""How often the shards' statistics are read: as often as a shard publishes them."""

OBJECTS_PER_REVIEW_S = 10_000
"""With more objects they are read less often."""

EVENT_BATCH = 1024
MAX_EVENT_BATCHES = 16
"""Events handled in one go; what is left waits for the next round of the loop, behind everybody else."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the engine needs to know of the configuration."""

    certificate: Certificate
    listen: tuple[str, ...] = ("127.0.0.1",)
    """IP addresses; every shard binds each of them."""
    port: int = 0
    """UDP port of the first shard, shard i takes port + i; 0: any free one."""
    shards: int = 1
    cpus: tuple[int, ...] = ()
    """CPU for each shard; () pins none."""
    advertise: tuple[str, ...] = ()
    """IP addresses to tell clients; (): those listened on."""
    seed: int | None = None
    """Of SSRCs, of the shards' own draws and of when DTLS sends again; None: unpredictable. Of simulations only."""


@dataclass(frozen=True, slots=True)
class ShardStats:
    """One shard at a glance."""

    index: int
    addresses: tuple[Address, ...]
    failed: str
    routers: int
    busy_us: int = 0
    """How long its thread did not wait for anything since it started."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Totals over all shards since the start. Names in ``counters`` and ``drops`` are those of stats.rs, drop.rs."""

    counters: Mapping[str, int] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    transports: Mapping[str, int] = field(default_factory=dict)
    """Live transports by state."""
    routers: int = 0
    producers: int = 0
    consumers: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """By kind: ``dtls``, ``ice``, ``consent`` closed a transport; ``command``, ``callback`` are bugs here."""
    shards: tuple[ShardStats, ...] = ()


ShardFactory = Callable[[int, Sequence[Address], EngineOptions], ShardPort]
"""Makes shard number i on the given addresses."""


def native_shard(index: int, listen: Sequence[Address], options: EngineOptions) -> ShardPort:
    """A data-plane thread with its sockets. Raises ``EngineError`` when an address can not be had."""
    from sfu import _native

    if _native.DEBUG_BUILD:
        warnings.warn("sfu._native is a debug build, ten times slower: run make build", RuntimeWarning, stacklevel=2)
    cpu = options.cpus[index] if options.cpus else None
    seed = None if options.seed is None else options.seed + index
    try:
        return _native.Shard(listen, cpu=cpu, name=f"{THREAD_PREFIX}{index}", seed=seed)
    except OSError as error:
        where = ", ".join(map(address_text, listen))
        hint = "choose other addresses with [media] listen"
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            hint = "stop what uses the port, or choose another with --media-port or [media] port"
        why = os.strerror(error.errno) if error.errno else error
        raise EngineError(f"media can not listen on UDP {where}: {why}", hint) from error


class Engine:
    """The process's media side. All calls on one thread."""

    def __init__(self, options: EngineOptions, *, shard_factory: ShardFactory = native_shard) -> None:
        self.options = options
        self.closed = False
        self.on_failure: Callable[[EngineError], None] | None = None
        """A shard failed; its transports are closed already."""
        self._timers = Timers()
        self._handles = Handles()
        self._review_timer: Timer | None = None
        self._resync_after: dict[int, int] = {}
        self._links: list[ShardLink] = []
        try:
            for index in range(self.options.shards):
                self._links.append(self._open_shard(index, shard_factory))
        except BaseException:
            self.close()
            raise

    def _open_shard(self, index: int, shard_factory: ShardFactory) -> ShardLink:
        options = self.options
        port = options.port + index if options.port else 0
        shard = shard_factory(index, [(host, port) for host in bind_addresses(options.listen)], options)
        return ShardLink(
            index=index,
            port=shard,
            candidates=tuple(map(str, host_candidates(shard.local_addresses, options.advertise))),
            certificate=options.certificate,
            timers=self._timers,
            handles=self._handles,
            rng=random.SystemRandom() if options.seed is None else random.Random(options.seed + index),  # noqa: S311
            history=History(HISTORY_SECONDS),
            on_transport_added=self._arm_review,
            seed=options.seed,
        )

    # Objects

    def create_router(self) -> Router:
        """A router on the least busy shard. Raises ``EngineError`` when no shard is left."""
        return Router(self.least_busy_shard())

    def least_busy_shard(self) -> ShardLink:
        """The shard with the fewest transports. Raises ``EngineError`` when none is left."""
        if self.closed:
            raise EngineError("the engine is closed")
        alive = [link for link in self._links if link.failed is None]
        if not alive:
            raise EngineError("every shard has failed", "restart the process")
        return min(alive, key=lambda link: (len(link.transports), len(link.routers)))

    @property
    def local_addresses(self) -> tuple[Address, ...]:
        """Bound UDP addresses of all shards."""
        return tuple(address for link in self._links for address in link.port.local_addresses)

    @property
    def failed(self) -> tuple[EngineError, ...]:
        """Of each shard that failed."""
        return tuple(link.failed for link in self._links if link.failed is not None)

    # Driving

    @property
    def event_fds(self) -> tuple[int, ...]:
        """Readable when ``handle_events`` has something to do."""
        return tuple(link.port.event_fd for link in self._links)

    def wake_shards(self, soon: Callable[[Callable[[], None]], object] | None) -> None:
        """What the shards are told from now on reaches them when ``soon`` calls what it is given, or when packets wake
        them; None: at once, each by itself. Shards that sleep cost a switch of threads for each.
        """
        for link in self._links:
            link.port.wake_soon(partial(soon, link.port.wake) if soon is not None else None)

    @property
    def on_timer_earlier(self) -> Callable[[], None] | None:
        """Called when ``poll_timeout`` has become earlier outside of a ``handle_…``."""
        return self._timers.on_earlier

    @on_timer_earlier.setter
    def on_timer_earlier(self, callback: Callable[[], None] | None) -> None:
        self._timers.on_earlier = callback

    def poll_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called, seconds; -inf: at once; None: nothing waits."""
        return self._timers.poll_timeout()

    def handle_timeout(self, now: float) -> None:
        """Runs what is due."""
        for timer in self._timers.take_due(now):
            if timer.callback is not None:
                self._guarded("timer", timer.callback, now)

    def handle_events(self, now: float) -> None:
        """Takes the shards' events and tells them to their objects."""
        for link in self._links:
            for _ in range(MAX_EVENT_BATCHES):
                events = link.port.poll_events(EVENT_BATCH)
                for event in events:
                    self._guarded(event[0], self._dispatch, link, event, now)
                if len(events) < EVENT_BATCH:
                    break
            else:
                self._timers.soon(self.handle_events)

    def _guarded(self, what: str, callback: Callable[..., None], *args: Any) -> None:
        """One meeting's bug must not stop the events of all the others."""
        try:
            callback(*args)
        except Exception:
            self._links[0].failures["callback"] += 1
            log.exception("callback_failed while handling %s", what)

    def _dispatch(self, link: ShardLink, event: tuple[Any, ...], now: float) -> None:
        match event:
            case ("overflow", lost):
                self._events_lost(link, lost)
            case ("shard_failed", reason):
                self._shard_failed(link, reason)
            case _:
                dispatch(link, event, now)

    # Events about a shard

    def _events_lost(self, link: ShardLink, lost: int) -> None:
        """A snapshot published later than now knows what the lost events said; the next reviews wait for one."""
        link.failures["overflow"] += 1
        log.warning("events_lost shard=%d lost=%d", link.index, lost)
        self._resync_after[link.index] = link.port.snapshot()["now_us"]
        self._arm_review()

    def _shard_failed(self, link: ShardLink, reason: str) -> None:
        if link.failed is None:
            error = link.fail(reason)
            if self.on_failure is not None:
                self.on_failure(error)

    def _arm_review(self) -> None:
        if self._review_timer is None:
            self._review_timer = self._timers.soon(self._review)

    def _review(self, now: float) -> None:
        """Once a second while there are transports: reads statistics, sees who fell silent."""
        self._review_timer = None
        for link in self._links:
            if link.failed is None and (link.transports or link.index in self._resync_after):
                self._review_shard(link, now)
        if any(link.transports for link in self._links) or self._resync_after:
            objects = sum(len(link.transports) + len(link.producers) + len(link.consumers) for link in self._links)
            self._review_timer = self._timers.at(now + max(REVIEW_S, objects / OBJECTS_PER_REVIEW_S), self._review)

    def _review_shard(self, link: ShardLink, now: float) -> None:
        link.latest = link.port.snapshot()
        link.history.record(now, link.latest)
        for transport_id, age_us in link.latest["consent_ages_us"].items():
            transport = link.transports.get(transport_id)
            if transport is not None and transport.changes_by(age_us):
                self._guarded("review", transport.review, age_us)
        base = self._resync_after.get(link.index)
        if base is not None and link.latest["now_us"] > base:
            del self._resync_after[link.index]
            self._guarded("resync", resync, link, link.latest, now)

    # Observing

    def stats(self) -> EngineStats:
        """Totals, from the snapshots that the shards published last."""
        counters: Counter[str] = Counter()
        drops: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for link in self._links:
            snapshot = link.port.snapshot()
            counters.update(snapshot["counters"])
            drops.update(snapshot["drops"])
            failures.update(link.failures)
        return EngineStats(
            counters=counters,
            drops=drops,
            transports=Counter(item.state.value for link in self._links for item in link.transports.values()),
            routers=sum(len(link.routers) for link in self._links),
            producers=sum(len(link.producers) for link in self._links),
            consumers=sum(len(link.consumers) for link in self._links),
            failures=failures,
            shards=tuple(
                ShardStats(
                    link.index,
                    tuple(link.port.local_addresses),
                    link.failed.detail if link.failed else "",
                    len(link.routers),
                    link.port.busy_us,
                )
                for link in self._links
            ),
        )

    def debug_state(self) -> dict[str, Any]:
        """Everything this side knows, for people."""
        return {
            "closed": self.closed,
            "fingerprint": self.options.certificate.fingerprint().value,
            "routers": [router.debug_state() for link in self._links for router in link.routers.values()],
        }

    def close(self) -> None:
        """Closes routers and what hangs from them, then stops and joins the shards' threads. Idempotent."""
        if self.closed:
            return
        self.closed = True
        for link in self._links:
            for router in list(link.routers.values()):
                router.close("engine closed")
            link.port.close()
