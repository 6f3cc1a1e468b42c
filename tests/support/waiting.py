"""Waiting for something to become true elsewhere: by looking, with a deadline, never by sleeping and hoping.

A deadline is no promise to anybody: a wait that ends early costs nothing, so deadlines are for machines that are slow
and busy. What must be soon is measured, and the measurement is asserted.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 40.0
"""For what takes a second at most on a machine that does nothing else."""
LOOK_S = 3.0
"""What one look counts at most. A longer one was a machine that stood still, and with it what is waited for."""


async def until(
    look: Callable[[], T | Awaitable[T]], what: str, *, within_s: float = PATIENCE_S, good: Callable[[T], object] = bool
) -> T:
    """What ``look`` gives, once it is ``good``. Fails with what was seen last."""
    waited_s, since = 0.0, time.monotonic()
    while True:
        looked = look()
        seen: T = await looked if inspect.isawaitable(looked) else looked  # type: ignore[assignment]
        if good(seen):
            return seen
        waited_s, since = waited_s + min(LOOK_S, time.monotonic() - since), time.monotonic()
        assert waited_s < within_s, f"not within {within_s} s: {what}; seen last: {seen!r}"
        await asyncio.sleep(0.05)
