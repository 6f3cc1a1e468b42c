"""What a receiver tells of arrivals, as browsers do: transport-wide feedback every 60 ms."""

from __future__ import annotations

from sfu.rtcp.twcc import DELTA_US, REFERENCE_US, TransportFeedback
from sfu.rtp.seq import Unwrapper

INTERVAL_S = 0.06


class ArrivalLog:
    """Packets by transport-wide number since the last report."""

    def __init__(self) -> None:
        self._unwrapper = Unwrapper()
        self._arrived: dict[int, int] = {}
        self._next: int | None = None
        self._reports = 0
        self._reported_at = float("-inf")

    def add(self, number: int, now: float) -> None:
        """A packet came."""
        extended = self._unwrapper.unwrap(number)
        self._arrived.setdefault(extended, round(now * 1e6))

    def report(self, now: float) -> TransportFeedback | None:
        """What came, if it is time to say so."""
        if now - self._reported_at < INTERVAL_S or not self._arrived:
            return None
        self._reported_at = now
        numbers = sorted(self._arrived)
        first = numbers[0] if self._next is None else min(self._next, numbers[0])
        reference = self._arrived[numbers[0]] // REFERENCE_US
        at = reference * REFERENCE_US // DELTA_US
        deltas: list[int | None] = []
        for number in range(first, numbers[-1] + 1):
            arrival_us = self._arrived.get(number)
            deltas.append(None if arrival_us is None else arrival_us // DELTA_US - at)
            at = at if arrival_us is None else arrival_us // DELTA_US
        self._next = numbers[-1] + 1
        self._arrived.clear()
        self._reports += 1
        return TransportFeedback(1, 1, first & 0xFFFF, reference & 0xFF_FFFF, self._reports & 0xFF, tuple(deltas))
