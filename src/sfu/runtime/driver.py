"""Drives an engine on an event loop: event descriptors, one timer, the loop's clock. Nothing per packet."""

from __future__ import annotations

import asyncio

from sfu.media.engine import Engine


class Driver:
    """Between ``start`` and ``close`` the engine's events and timers run as callbacks of ``loop``. What one turn of it
    tells a shard wakes that once.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._fds: tuple[int, ...] = ()
        self._timer: asyncio.Handle | None = None

    def start(self) -> None:
        """Watches the engine from now on."""
        self._fds = self._engine.event_fds
        for fd in self._fds:
            self._loop.add_reader(fd, self._on_events)
        self._engine.on_timer_earlier = self._arm
        self._engine.wake_shards(self._loop.call_soon)
        self._on_events()

    def _on_events(self) -> None:
        self._engine.handle_events(self._loop.time())
        self._arm()

    def _on_timeout(self) -> None:
        self._timer = None
        self._engine.handle_timeout(self._loop.time())
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._engine.poll_timeout()
        if when is None:
            return
        if when <= self._loop.time():
            self._timer = self._loop.call_soon(self._on_timeout)
        else:
            self._timer = self._loop.call_at(when, self._on_timeout)

    def close(self) -> None:
        """Lets go of the loop; the engine is its owner's to close. Idempotent."""
        for fd in self._fds:
            self._loop.remove_reader(fd)
        self._fds = ()
        self._engine.on_timer_earlier = None
        self._engine.wake_shards(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
