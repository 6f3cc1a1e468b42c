"""How busy the shards are, and what their receivers may be sent when that is too much. What a ceiling is and how it
moves is in ``sfu.layers.load``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from sfu.conference.reception import Reception
from sfu.layers import LoadGuard
from sfu.media.shard import ShardLink

log = logging.getLogger(__name__)

SHORTEST_S = 0.5
"""The share of a shorter time says little."""


class Strain:
    """Of all shards that have receivers. ``limit``: the share of time that a shard may be busy; 1: any."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._shards: dict[int, _Shard] = {}

    def look(self, now: float, receptions: Iterable[Reception]) -> Iterator[Reception]:
        """Looks at the shards, holds their receivers where it has to, and gives those for whom that is another ceiling.

        Shards without receivers are forgotten.
        """
        if self._limit >= 1:
            return
        by_link: dict[ShardLink, list[Reception]] = {}
        for reception in receptions:
            by_link.setdefault(reception.transport.link, []).append(reception)
        known = {link.index: self._shards.get(link.index) or _Shard(link, self._limit, now) for link in by_link}
        self._shards = known
        for link, there in by_link.items():
            if known[link.index].look(now, there):
                yield from there

    @property
    def ceilings_bps(self) -> dict[int, int]:
        """By the index of the shard; of those that have one."""
        guards = ((index, shard.guard.ceiling_bps) for index, shard in self._shards.items())
        return {index: ceiling for index, ceiling in guards if ceiling is not None}

    def ceiling_of(self, link: ShardLink) -> int | None:
        """What a receiver on that shard is sent at most, bits per second."""
        shard = self._shards.get(link.index)
        return None if shard is None else shard.guard.ceiling_bps


class _Shard:
    def __init__(self, link: ShardLink, limit: float, now: float) -> None:
        self.guard = LoadGuard(limit)
        self._link = link
        self._looked_at = now
        self._busy_us = link.port.busy_us

    def look(self, now: float, receptions: Sequence[Reception]) -> bool:
        """True: the ceiling is another one, which all are told here."""
        passed_s = now - self._looked_at
        if passed_s < SHORTEST_S:
            return False
        busy_us = self._link.port.busy_us
        load = (busy_us - self._busy_us) / 1e6 / passed_s
        self._looked_at, self._busy_us = now, busy_us
        before = self.guard.ceiling_bps
        wished_bps = 0 if before is None else max(reception.allocation.desired_bps for reception in receptions)
        if not self.guard.update(now, load, partial(_used, receptions), wished_bps):
            return False
        self._tell(before)
        for reception in receptions:
            reception.hold(self.guard.ceiling_bps)
        return True

    def _tell(self, before: int | None) -> None:
        guard = self.guard
        if before is None:
            log.warning(
                "shard_strained shard=%d load=%.2f most_bps=%d: receivers get less video, so that no packets are lost",
                self._link.index,
                guard.load,
                guard.ceiling_bps,
            )
        elif guard.ceiling_bps is None:
            log.info("shard_relieved shard=%d load=%.2f", self._link.index, guard.load)


def _used(receptions: Sequence[Reception]) -> list[int]:
    return [reception.allocation.used_bps for reception in receptions]
