"""The loop that a bench runs on: the server's own kind, for what the clients cost is not to be what is measured."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvloop

from sfu.runtime.garbage import NEVER, YOUNG

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@contextmanager
def young_garbage_alone() -> Iterator[None]:
    """Nobody looks through all objects meanwhile: it would stop the clients again and again while they come, and they
    stay. What refers to itself and is not young is freed afterwards, so that this is for minutes and not for hours.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, NEVER, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
