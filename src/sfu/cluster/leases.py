"""Which process has a meeting: leases in Redis, and what of them this process holds.

A meeting's key names a process; the lease is the process' own, one key with a time to live, so that a thousand
meetings cost one beat. Who lost its lease (it was stopped for long) finds that out with its next beat, and lets go of
what others took. While Redis is away what is held stays held: nobody can take it either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

import structlog

from sfu.clock import Clock
from sfu.cluster.keys import Keys
from sfu.cluster.scripts import BEAT, CLAIM, HELLO, RELEASE, RENEW
from sfu.errors import RemoteError

BEATS = 5
"""In one lease."""
HOME_LIFE_S, RENEW_EVERY_S = 3600.0, 600.0
"""Keys of a deployment that is no more go by themselves."""
BATCH = 500
SETTLE_EVERY_S = 0.5
"""While the database is away."""

log = structlog.get_logger(__name__)


class RedisCalls(Protocol):
    """What is needed of ``connection.Redis``."""

    is_up: bool

    async def ask(self, *command: str | bytes | int) -> Any:
        """See there."""

    async def script(self, text: str, keys: list[str], *args: str | int) -> Any:
        """See there."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for, seconds."""

    lease_s: float = 15.0
    """Who says nothing for so long has lost its meetings to whoever wants them."""
    grace_s: float = 3.0
    """For which a Redis that began anew gives no meeting to anybody; longer than any process takes to come back to
    it.
    """
    dead_s: float = 1.5
    """Who listens to nothing for so long is dead, or as good as."""
    claim_every_s: float = 0.25
    claim_for_s: float = 4.5


@dataclass(slots=True)
class _Hold:
    """A meeting that is this process'. It is let go of when it is neither open nor asked for."""

    users: int = 0
    is_open: bool = False
    was_open: bool = False
    """So that something of it may still be on its way to the store."""
    is_settling: bool = False


class Leases:
    """``on_lost`` is called with a meeting that another process took. ``settle`` is awaited before a meeting that was
    at hand is given back: the next home goes by what is in the store. False: that is not so yet.
    """

    def __init__(
        self,
        redis: RedisCalls,
        keys: Keys,
        process_id: str,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self.process_id = process_id
        self._clock = clock
        self._patience = patience
        self._lease_s = patience.lease_s
        self._holds: dict[str, _Hold] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._good_until = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_lost: Callable[[str], None] | None = None
        self.settle: Callable[[], Awaitable[bool]] | None = None
        self._is_closing = False
        self.taken_over = self.lost = 0

    def __len__(self) -> int:
        return len(self._holds)

    def holds(self, meeting_id: str) -> bool:
        """Whether the meeting is this process', as far as it knows."""
        return meeting_id in self._holds

    # who asks

    async def home_of(self, meeting_id: str) -> str:
        """The process that has the meeting: this one, from now on, if nobody has. Raises ``RemoteError``
        ``cluster_unavailable``, also while who had it may be dead and may be not.
        """
        if meeting_id in self._holds:
            if self._redis.is_up and self._clock.now() > self._good_until:
                with suppress(RemoteError):
                    await self.renew()
            if meeting_id in self._holds:
                return self.process_id
        async with self._lock(meeting_id):
            if meeting_id in self._holds:
                return self.process_id
            return await self._claim(meeting_id)

    @contextmanager
    def using(self, meeting_id: str) -> Iterator[None]:
        """While something is done for a meeting that this process has."""
        hold = self._holds.setdefault(meeting_id, _Hold())
        hold.users += 1
        try:
            yield
        finally:
            hold.users -= 1
            self._drop_unused(meeting_id)

    async def open(self, meeting_id: str) -> None:
        """The meeting is at hand from now on, until ``let_go``. Raises ``RemoteError``: ``conflict`` when it is at
        another's, ``cluster_unavailable``.
        """
        if await self.home_of(meeting_id) != self.process_id:
            raise RemoteError("conflict", "the meeting is on another server", "ask there", status=409)
        hold = self._holds.setdefault(meeting_id, _Hold())
        hold.is_open = hold.was_open = True

    def let_go(self, meeting_id: str) -> None:
        """It is not at hand any more."""
        hold = self._holds.get(meeting_id)
        if hold is not None:
            hold.is_open = False
            self._drop_unused(meeting_id)

    # the lease

    async def hello(self, run_id: str) -> None:
        """To a Redis that was connected to just now. Raises ``RemoteError``."""
        keys, me = self._keys, self.process_id
        await self._redis.script(HELLO, [keys.epoch, keys.grace, keys.gone(me)], run_id, _ms(self._patience.grace_s))
        await self.renew()

    async def renew(self) -> None:
        """Says what this process has, and lets go of what another took. Raises ``RemoteError``."""
        begun, mine = self._clock.now(), list(self._holds)
        for first in range(0, max(1, len(mine)), BATCH):
            part = mine[first : first + BATCH]
            names = [self._keys.process(self.process_id), *map(self._keys.home, part)]
            lost = await self._redis.script(RENEW, names, self.process_id, _ms(self._lease_s), _ms(HOME_LIFE_S))
            for place in lost:
                self._lose(part[place])
        self._good_until = begun + self._lease_s

    async def run(self) -> None:
        """Beats, until it is cancelled."""
        renew_at = self._clock.now() + RENEW_EVERY_S
        while True:
            await asyncio.sleep(self._lease_s / BEATS)
            if not self._redis.is_up:
                continue
            with suppress(RemoteError):
                if self._clock.now() >= renew_at:
                    await self.renew()
                    renew_at = self._clock.now() + RENEW_EVERY_S
                else:
                    await self.beat()

    async def beat(self) -> None:
        """Keeps the lease; where it ran out, finds out what that cost. Raises ``RemoteError``."""
        begun = self._clock.now()
        if await self._redis.script(BEAT, [self._keys.process(self.process_id)], _ms(self._lease_s)):
            self._good_until = begun + self._lease_s
            return
        log.warning("lease_ran_out", meaning="this process said nothing for too long; others may have its meetings")
        await self.renew()

    async def close(self) -> None:
        """Gives everything back that is not open."""
        self._is_closing = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(RemoteError):
            await self._redis.ask("DEL", self._keys.process(self.process_id))

    # inner

    def _lock(self, meeting_id: str) -> asyncio.Lock:
        lock = self._locks.get(meeting_id)
        if lock is None:
            lock = self._locks[meeting_id] = asyncio.Lock()
        return lock

    async def _claim(self, meeting_id: str) -> str:
        names = [self._keys.home(meeting_id), self._keys.grace]
        life, dead, lease = _ms(HOME_LIFE_S), _ms(self._patience.dead_s), _ms(self._lease_s)
        end = self._clock.now() + self._patience.claim_for_s
        while True:
            args = (self.process_id, self._keys.prefix, life, dead, lease)
            verdict, found = await self._redis.script(CLAIM, names, *args)
            who = str(found, "utf-8", "replace")
            if verdict == b"home" and who != self.process_id:
                return who
            if verdict != b"wait":
                self._holds.setdefault(meeting_id, _Hold())
                self.taken_over += verdict == b"taken" and bool(who)
                return self.process_id
            if self._clock.now() >= end:
                raise RemoteError("cluster_unavailable", "the meeting's server does not answer", status=503)
            await asyncio.sleep(self._patience.claim_every_s)

    def _lose(self, meeting_id: str) -> None:
        if self._holds.pop(meeting_id, None) is None:
            return
        self.lost += 1
        log.warning("meeting_lost", meeting=meeting_id, meaning="another process has it")
        if self.on_lost is not None:
            self.on_lost(meeting_id)

    def _drop_unused(self, meeting_id: str) -> None:
        hold = self._holds.get(meeting_id)
        if hold is not None and not hold.users and not hold.is_open:
            task = asyncio.get_running_loop().create_task(self._release(meeting_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _release(self, meeting_id: str) -> None:
        hold = self._holds.get(meeting_id)
        if hold is not None and hold.was_open:
            if hold.is_settling:
                return  # whoever settles it gives it back
            await self._settled(hold)
        async with self._lock(meeting_id):
            hold = self._holds.get(meeting_id)
            if hold is None or hold.users or hold.is_open:
                return
            del self._holds[meeting_id]
            # Away: the key still names this process, which takes it up again when it is asked.
            with suppress(RemoteError):
                await self._redis.script(RELEASE, [self._keys.home(meeting_id)], self.process_id)

    async def _settled(self, hold: _Hold) -> None:
        """Until the store knows how the meeting was left, or somebody wants it here again. Who stops waits once."""
        hold.is_settling = True
        try:
            while self.settle is not None and not hold.users and not hold.is_open:
                with suppress(RemoteError):
                    if await self.settle():
                        return
                if self._is_closing:
                    return
                await asyncio.sleep(SETTLE_EVERY_S)
        finally:
            hold.is_settling = False


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
