"""Waiting for something to become true elsewhere: by looking, with a deadline, never by sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    look: Callable[[], T | Awaitable[T]], what: str, *, within_s: float = 15.0, good: Callable[[T], object] = bool
) -> T:
    """What ``look`` gives, once it is ``good``. Fails with what was seen last."""
    deadline = time.monotonic() + within_s
    while True:
        looked = look()
        seen: T = await looked if inspect.isawaitable(looked) else looked  # type: ignore[assignment]
        if good(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}; seen last: {seen!r}"
        await asyncio.sleep(0.05)
