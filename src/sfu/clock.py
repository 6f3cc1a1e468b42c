"""Time as everything above the packet path sees it. A leaf: the runtime implements it over the event
loop, tests over virtual time, so that nobody else reads a clock or starts a timer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Timer(Protocol):
    """A callback that waits for its time."""

    def cancel(self) -> None:
        """It will not be called. Idempotent; harmless after it was called."""


class Clock(Protocol):
    """Reads time and starts timers; all on the thread of the control plane."""

    def now(self) -> float:
        """Seconds of a monotonic clock with an arbitrary epoch."""

    def wall(self) -> datetime:
        """Time of day, with time zone UTC: for what people read, never for durations."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Calls back once, ``delay_s`` seconds from now at the earliest."""
