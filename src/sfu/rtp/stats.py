"""Reception statistics of one stream: highest sequence number, loss and jitter (RFC 3550 §6.4.1, §A.1, §A.3, §A.8)."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.rtp.seq import Unwrapper, signed_distance

MIN_LOST, MAX_LOST = -(1 << 23), (1 << 23) - 1
"""The cumulative number lost has 24 bits, signed (RFC 3550 §6.4.1)."""


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """What a report block says of a stream since the report before it.

    ``fraction_lost`` is in 1/256; ``lost`` is cumulative, negative when duplicates outnumber losses;
    ``highest_seq`` is extended to 32 bits; ``jitter`` is in units of the RTP clock.
    """

    fraction_lost: int
    lost: int
    highest_seq: int
    jitter: int


class ReceptionStatistics:
    """Feed it each packet of one stream once, in order of arrival."""

    def __init__(self, clock_rate_hz: int) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._sequence = Unwrapper()
        self._first_seq: int | None = None
        self.received = 0
        self._expected_before = 0
        self._received_before = 0
        self._last_arrival = 0
        self._last_timestamp: int | None = None
        self._jitter = 0.0

    def add(self, seq: int, timestamp: int, arrival_s: float) -> None:
        """One packet, with the time it arrived on any monotonic clock."""
        extended = self._sequence.unwrap(seq)
        # A packet that overtook the first one is expected too.
        self._first_seq = extended if self._first_seq is None else min(self._first_seq, extended)
        self.received += 1
        arrival = int(arrival_s * self._clock_rate_hz)
        if self._last_timestamp is not None:
            # RFC 3550 §A.8; packets of one frame share a timestamp, so their spread counts, as it does there.
            difference = (arrival - self._last_arrival) - signed_distance(timestamp, self._last_timestamp, 32)
            self._jitter += (abs(difference) - self._jitter) / 16
        self._last_arrival, self._last_timestamp = arrival, timestamp

    @property
    def expected(self) -> int:
        """Packets from the lowest to the highest sequence number."""
        if self._first_seq is None or self._sequence.highest is None:
            return 0
        return self._sequence.highest - self._first_seq + 1

    @property
    def lost(self) -> int:
        return max(MIN_LOST, min(self.expected - self.received, MAX_LOST))

    @property
    def jitter(self) -> int:
        return int(self._jitter)

    def report(self) -> ReceptionReport:
        """The next report; starts a new interval for ``fraction_lost``."""
        expected = self.expected - self._expected_before
        lost = expected - (self.received - self._received_before)
        self._expected_before, self._received_before = self.expected, self.received
        fraction = 0 if expected <= 0 or lost <= 0 else min((lost << 8) // expected, 255)
        return ReceptionReport(fraction, self.lost, (self._sequence.highest or 0) & 0xFFFF_FFFF, self.jitter)
