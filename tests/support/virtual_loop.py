"""An event loop whose time passes at once: where nothing is ready, it is as late as the next timer wants it to be."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.support.clock import EPOCH

from sfu.clock import Timer

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.passed += timeout
        assert timeout is not None, "everybody waits for nothing"
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For coroutines that use neither threads nor sockets."""

    def __init__(self) -> None:
        self._selector_of_time = _Selector()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        return self._selector_of_time.passed


class VirtualLoopClock:
    """A ``sfu.clock.Clock`` over it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return self._loop.time()

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time() - 1000.0)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(delay_s, callback)


def run_virtually(main: Callable[[VirtualLoopClock], Coroutine[Any, Any, T]]) -> T:
    """What it gives, in no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main(VirtualLoopClock(runner.get_loop())))
