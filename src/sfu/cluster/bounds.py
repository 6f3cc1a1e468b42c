"""How much one client, and one process, may have carried."""

from __future__ import annotations

from sfu.clock import Clock

MAX_BODY_BYTES = 256 * 1024
"""Of a request; what the server takes of its own clients."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A page of 200 participants has some 60 kB."""
MAX_FRAMES, MAX_FRAMES_BYTES = 1024, 4 * 1024 * 1024
"""That wait for one client; as many as for a local one."""
MAX_STREAMS = 20_000
"""Of one process, here or there."""
MAX_REQUESTS = 2_000
"""Under way at a time."""
ANSWER_S = 15.0
ACCEPT_S = 15.0
CLOSE_S = 5.0
"""How long a client may take to read its own close frame."""

CLOSE_RESTART = 1012
"""WebSocket: service restart, come back (the registry of RFC 6455 section 11.7)."""
CLOSE_BROKEN = 1011
CLOSE_TOO_MUCH = 4429
"""docs/signaling.md: too many messages, or read too slowly."""

RATE_BYTES_S, BURST_BYTES = 512 * 1024, 2 * 1024 * 1024
RATE_FRAMES_S, BURST_FRAMES = 100.0, 500.0
"""Twice what the home takes of a client before it closes the socket: what goes beyond is read later, not carried."""


class Throttle:
    """Of what one client says: how long to wait before it is read again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bytes, self._frames = float(BURST_BYTES), BURST_FRAMES
        self._at = clock.now()

    def wait_s(self, size: int) -> float:
        """Counts a message of ``size`` bytes."""
        now = self._clock.now()
        passed, self._at = now - self._at, now
        self._bytes = min(BURST_BYTES, self._bytes + passed * RATE_BYTES_S) - size
        self._frames = min(BURST_FRAMES, self._frames + passed * RATE_FRAMES_S) - 1
        return max(0.0, -self._bytes / RATE_BYTES_S, -self._frames / RATE_FRAMES_S)
