"""How much receivers may be sent while a shard has too much to do: less for everybody, before packets are lost by all.

One number for all receivers of a shard, the *ceiling*. It is found as water finds its level: who gets little keeps it,
who gets more than the ceiling is cut to it, and the sum is the share of now that the shard has time for. What a
receiver gives up is the layer policy's to say, so frame rates of small tiles go first and who is pinned or speaks goes
last. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

AIM = 0.85
"""When there is too much to do, so much of the limit is aimed at: less than the next change of load is room for."""

CALM = 0.75
"""Below so much of the limit more is tried."""

LOWER_S = 2.0
"""A lower ceiling is seen in what a shard does after that: a thousand decisions take the control plane some tenths of a
second, and an average over a second is looked at."""

RAISE = 1.15
RAISE_S = 5.0
"""The ceiling rises by so much, so often: the layer policy's windows for more are as long together."""

LEAST_BPS = 300_000
"""The ceiling is no lower. Lowest layers are not taken for the sake of load in any case, and the way back is short."""


class LoadGuard:
    """Of one shard. ``limit``: the share of time, 0..1, that it may be busy; 1: there is no ceiling ever."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._changed_at = float("-inf")
        self.load = 0.0
        """The share of time that the shard was busy, when it was looked at last."""
        self.ceiling_bps: int | None = None
        """What a receiver may be sent at most; None: whatever its network carries."""

    def update(self, now: float, load: float, used_bps: Callable[[], Sequence[int]], wished_bps: int) -> bool:
        """``load``: since the last look. ``used_bps``: what each receiver is sent, bits per second. ``wished_bps``:
        what the one with the largest wishes would be sent without a ceiling. True: the ceiling is another one.
        """
        self.load = load
        before, passed_s = self.ceiling_bps, now - self._changed_at
        if load > self._limit < 1:
            if passed_s >= LOWER_S:
                level = _level(used_bps(), AIM * self._limit / load)
                self.ceiling_bps = max(LEAST_BPS, level if before is None else min(level, before))
        elif before is not None and load < CALM * self._limit and passed_s >= RAISE_S:
            raised = int(before * RAISE)
            self.ceiling_bps = raised if raised < wished_bps else None
        if self.ceiling_bps == before:
            return False
        self._changed_at = now
        return True


def _level(used_bps: Sequence[int], share: float) -> int:
    """What everybody is cut to so that ``share`` of the sum is left."""
    left = sum(used_bps) * share
    rates = sorted(used_bps)
    for index, rate in enumerate(rates):
        level = left / (len(rates) - index)
        if rate >= level:
            return int(level)
        left -= rate
    return rates[-1] if rates else 0
