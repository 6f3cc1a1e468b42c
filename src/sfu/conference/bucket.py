"""How often something may happen: so many in a row, then so many a second."""

from __future__ import annotations

from sfu.clock import Clock


class Bucket:
    """Holds ``burst`` at most, to begin with, too, and fills at ``rate_per_s``."""

    def __init__(self, clock: Clock, rate_per_s: float, burst: float) -> None:
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._level = burst
        self._filled_at = clock.now()

    @property
    def level(self) -> float:
        """What may be taken now."""
        now = self._clock.now()
        self._level = min(self._burst, self._level + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        return self._level

    def wait_s(self, cost: float = 1.0) -> float:
        """How long it takes until that much may be taken, if nobody takes anything meanwhile."""
        return max(0.0, cost - self.level) / self._rate_per_s

    def take(self, cost: float = 1.0) -> bool:
        """Takes that much, if it is there."""
        if self.level < cost:
            return False
        self._level -= cost
        return True
