"""Two DTLS endpoints over a bad link, in virtual time."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import Protocol

from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsEvent, DtlsHandshake

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def certificate() -> Certificate:
    """A certificate of its own for each call."""
    return Certificate.generate(NOW)


class Endpoint(Protocol):
    """What a link needs of its two ends."""

    def handle_datagram(self, data: bytes, now: float) -> None: ...
    def handle_timeout(self, now: float) -> None: ...
    def poll_transmit(self) -> bytes | None: ...
    def poll_timeout(self) -> float | None: ...


@dataclass
class BadLink:
    """Loses, delays (so reorders) and doubles datagrams between two endpoints, the same way for the same seed."""

    rng: random.Random
    loss: float = 0.0
    duplication: float = 0.0
    delay_s: tuple[float, float] = (0.010, 0.010)
    now: float = 0.0
    sent: int = 0
    _queue: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, first: Endpoint, second: Endpoint, *, until_s: float) -> None:
        """Until nothing is under way and no timer runs, or the time is over."""
        ends = (first, second)
        while True:
            for index, end in enumerate(ends):
                while (data := end.poll_transmit()) is not None:
                    self._carry(1 - index, data)
            timers = [at for end in ends if (at := end.poll_timeout()) is not None]
            arrivals = [self._queue[0][0]] if self._queue else []
            if not timers and not arrivals:
                return
            self.now = max(self.now, min(timers + arrivals))
            if self.now > until_s:
                return
            for end in ends:
                if (at := end.poll_timeout()) is not None and at <= self.now:
                    end.handle_timeout(self.now)
            while self._queue and self._queue[0][0] <= self.now:
                _, _, destination, data = heapq.heappop(self._queue)
                ends[destination].handle_datagram(data, self.now)

    def _carry(self, destination: int, data: bytes) -> None:
        self.sent += 1
        copies = 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.duplication else 1
        for _ in range(copies):
            at = self.now + self.rng.uniform(*self.delay_s)
            heapq.heappush(self._queue, (at, next(self._numbers), destination, data))


def events(handshake: DtlsHandshake) -> list[DtlsEvent]:
    """Everything that waits."""
    return list(iter(handshake.poll_event, None))
