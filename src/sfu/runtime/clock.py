"""The clock of ``sfu.clock`` over an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from sfu.clock import Timer


class LoopClock:
    """Time and timers of ``loop``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Seconds, monotonic."""
        return self._loop.time()

    def wall(self) -> datetime:
        """Time of day, UTC."""
        return datetime.now(UTC)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Calls back once, ``delay_s`` seconds from now."""
        return self._loop.call_later(delay_s, callback)
