"""A server and its clients in virtual time: the real conference and engine, the real packet path in a simulated
shard, and links that delay, lose and reorder as a seed says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.clock import EPOCH, VirtualClock
from tests.support.sim import SimPort

from sfu.conference import Conference, ConferenceOptions
from sfu.conference.hooks import NO_HOOKS, Hooks
from sfu.dtls.certificate import Certificate
from sfu.media.engine import Engine, EngineOptions
from sfu.media.shard import Address

TICK_S = 0.01
"""How often the control plane gets a turn without being asked; what it wants earlier, it says."""


UDP_BYTES = 28
"""Headers of IP and UDP."""


@dataclass
class Link:
    """One client's way to the server and back."""

    delay_s: float = 0.02
    jitter_s: float = 0.0
    loss: float = 0.0
    rate_bps: float = float("inf")
    """What the way to the client carries; more waits in a queue of ``queue_s``, and what finds it full is lost."""
    queue_s: float = 0.3
    busy_until: float = 0.0


class Network:
    """``run`` lets virtual time pass. ``python_stalled`` stops the control plane while the shard goes on."""

    def __init__(
        self,
        seed: int,
        options: ConferenceOptions | None = None,
        hooks: Callable[[VirtualClock], Hooks] = lambda _: NO_HOOKS,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.port = SimPort(seed)
        self.certificate = Certificate.generate(EPOCH)
        engine_options = EngineOptions(certificate=self.certificate, seed=seed)
        self.engine = Engine(engine_options, shard_factory=self._shard)
        self.conference = Conference(self.engine, self.clock, options, hooks=hooks(self.clock))
        self.python_stalled = False
        self.lost = 0
        self._hosts: dict[Address, tuple[Link, Callable[[bytes], None]]] = {}
        self._shard_timer: Any = None
        self._tick()

    def _shard(self, _index: int, _listen: Sequence[Address], _options: EngineOptions) -> Any:
        return self.port

    @property
    def now_us(self) -> int:
        return round(self.clock.now() * 1e6)

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        self.clock.advance(seconds)

    def run_until(self, condition: Callable[[], bool], within_s: float, step_s: float = 0.01) -> float:
        """Lets time pass until ``condition`` holds; gives how long it took."""
        start = self.clock.now()
        while not condition():
            waited = self.clock.now() - start
            assert waited < within_s, f"not within {within_s} s (seed {self.seed})"
            self.run(step_s)
        return self.clock.now() - start

    # Hosts

    def plug(self, address: Address, link: Link, receive: Callable[[bytes], None]) -> None:
        """A client's socket at ``address``."""
        self._hosts[address] = (link, receive)

    def unplug(self, address: Address) -> None:
        """What comes for it is lost."""
        self._hosts.pop(address, None)

    def send(self, source: Address, datagram: bytes) -> None:
        """From a client to the server."""
        if source in self._hosts:
            link, _ = self._hosts[source]
            self._carry(link, lambda: self._arrive(source, datagram))

    def _carry(self, link: Link, deliver: Callable[[], None]) -> None:
        if self.rng.random() < link.loss:
            self.lost += 1
        else:
            self.clock.call_later(link.delay_s + self.rng.random() * link.jitter_s, deliver)

    def _arrive(self, source: Address, datagram: bytes) -> None:
        self._deliver(self.port.shard.handle(self.now_us, [(source, datagram)]))
        self.pump()

    def _deliver(self, datagrams: Sequence[tuple[Address, bytes]]) -> None:
        for destination, datagram in datagrams:
            if destination in self._hosts:
                link, receive = self._hosts[destination]
                self._queue(link, len(datagram), lambda receive=receive, datagram=datagram: receive(datagram))

    def _queue(self, link: Link, size: int, deliver: Callable[[], None]) -> None:
        """The bottleneck in front of a client."""
        now = self.clock.now()
        waiting_s = max(0.0, link.busy_until - now)
        if waiting_s > link.queue_s:
            self.lost += 1
            return
        link.busy_until = now + waiting_s + (size + UDP_BYTES) * 8 / link.rate_bps
        if link.busy_until > now:
            self.clock.call_later(link.busy_until - now, lambda: self._carry(link, deliver))
        else:
            self._carry(link, deliver)

    # The server's two halves

    def _tick(self) -> None:
        self.clock.call_later(TICK_S, self._tick)
        self.pump()

    def pump(self) -> None:
        """Gives both planes their turn until neither has anything to do now."""
        for _ in range(100):
            if not self.python_stalled:
                self.engine.handle_events(self.clock.now())
                when = self.engine.poll_timeout()
                if when is not None and when <= self.clock.now():
                    self.engine.handle_timeout(self.clock.now())
            when_us = self.port.shard.poll_timeout()
            if when_us is None or when_us > self.now_us:
                break
            self._deliver(self.port.shard.handle_timeout(self.now_us))
        else:
            raise AssertionError("the server spins")
        self._arm_shard(when_us)

    def _arm_shard(self, when_us: int | None) -> None:
        if self._shard_timer is not None:
            self._shard_timer.cancel()
            self._shard_timer = None
        if when_us is not None:
            delay_s = max(0.0, when_us / 1e6 - self.clock.now()) + 1e-6
            self._shard_timer = self.clock.call_later(delay_s, self.pump)

    def close(self) -> None:
        """Ends the meetings and the engine."""
        self.conference.close()
        self.engine.close()
