"""One way of a virtual network: a bottleneck with a queue in front of it, a distance, and losses. Sans-IO.

Each packet takes its time at the bottleneck and waits for those ahead of it, so delay grows before packets are lost,
as it does in a real router. A token bucket without a queue would lose them at once, and delay-based congestion control
would see nothing of what it is made for.
"""

from __future__ import annotations

import random
from collections import deque

HEADERS_BYTES = 28
"""IPv4 and UDP, in front of what the socket gives."""


class Link:
    """``rate_bps`` None: no bottleneck. ``queue_bytes``: what waits at most; a packet beyond it is dropped (droptail).
    ``loss``: probability, before the queue. All may be changed at any time; what waits is sent at the new rate.
    """

    def __init__(
        self,
        *,
        rate_bps: float | None = None,
        queue_bytes: int = 64_000,
        delay_s: float = 0.0,
        loss: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.rate_bps = rate_bps
        self.queue_bytes = queue_bytes
        self.delay_s = delay_s
        self.loss = loss
        self.lost = 0
        self.overflowed = 0
        self.carried = 0
        self.longest_wait_s = 0.0
        """In the queue, of a packet that was carried, since somebody set it to 0 last."""
        self._random = random.Random(seed)
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._waiting_bytes = 0
        self._served_until = 0.0
        """The bottleneck is busy until then, with what has left the queue."""
        self._travelling: deque[tuple[float, bytes]] = deque()

    @property
    def waiting_bytes(self) -> int:
        """In the queue now."""
        return self._waiting_bytes

    def offer(self, now: float, packet: bytes) -> None:
        """A packet comes in. ``now`` never falls."""
        self._serve(now)
        if self.loss and self._random.random() < self.loss:
            self.lost += 1
            return
        size = len(packet) + HEADERS_BYTES
        if self.rate_bps is not None and self._waiting_bytes + size > self.queue_bytes:
            self.overflowed += 1
            return
        self._waiting.append((now, packet))
        self._waiting_bytes += size
        self._serve(now)

    def take(self, now: float) -> list[bytes]:
        """Packets that have arrived at the other end since the last time, in order."""
        self._serve(now)
        arrived = []
        while self._travelling and self._travelling[0][0] <= now:
            arrived.append(self._travelling.popleft()[1])
        self.carried += len(arrived)
        return arrived

    def next_at(self) -> float | None:
        """When ``take`` should be called again; None: when something is offered."""
        times = [self._travelling[0][0]] if self._travelling else []
        if self._waiting:
            times.append(max(self._served_until, self._waiting[0][0]))
        return min(times, default=None)

    def _serve(self, now: float) -> None:
        """The bottleneck takes up, one after another, what it could begin to send until ``now``: in its own time, not
        in that of whoever calls, so that a caller who is late takes nothing from the rate.
        """
        while self._waiting:
            came, packet = self._waiting[0]
            start = max(self._served_until, came)
            if start > now:
                return
            self._waiting.popleft()
            size = len(packet) + HEADERS_BYTES
            self._waiting_bytes -= size
            self.longest_wait_s = max(self.longest_wait_s, start - came)
            self._served_until = start if self.rate_bps is None else start + 8 * size / self.rate_bps
            self._travelling.append((self._served_until + self.delay_s, packet))
