"""How many messages a client may send."""

from __future__ import annotations

RATE_PER_S = 50.0
WINDOW_S = 5.0


class RateLimit:
    """A bucket of ``RATE_PER_S * WINDOW_S`` messages that fills at ``RATE_PER_S``."""

    def __init__(self, now: float) -> None:
        self._level = RATE_PER_S * WINDOW_S
        self._filled_at = now

    def allow(self, now: float, cost: float = 1.0) -> bool:
        """Whether one more message, or one that counts as ``cost`` messages, is within the limit."""
        self._level = min(RATE_PER_S * WINDOW_S, self._level + (now - self._filled_at) * RATE_PER_S)
        self._filled_at = now
        if self._level < cost:
            return False
        self._level -= cost
        return True
