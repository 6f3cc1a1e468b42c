"""How many join at once: as many as the server, and this process beside its own media, let in within a short time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

QUICK_S, SLOW_S = 1.0, 3.0
"""A join that takes longer than the second has fewer follow at a time, half as many; one that is quicker than the first
has more.
"""
TRIES = 5
"""So often one tries before the run is given up."""

Item = TypeVar("Item")


class Entrance:
    """``most`` at a time, fewer while it is slow, and always one. Counts who had to try ``again``."""

    def __init__(self, most: int) -> None:
        self.again = 0
        self._most = most
        self._at_once = float(most)

    @property
    def at_once(self) -> int:
        """How many may be on their way now."""
        return int(self._at_once)

    async def admit(
        self, items: Iterable[Item], enter: Callable[[Item], Awaitable[None]], failure: type[Exception]
    ) -> None:
        """All come in, in this order. Who fails tries again; a last ``failure``, and any other one, ends the others."""
        on_their_way: set[asyncio.Task[None]] = set()
        try:
            for item in items:
                while len(on_their_way) >= self.at_once:
                    on_their_way = await _first_of(on_their_way)
                on_their_way.add(asyncio.create_task(self._try(item, enter, failure)))
            while on_their_way:
                on_their_way = await _first_of(on_their_way)
        finally:
            for task in on_their_way:
                task.cancel()
            await asyncio.gather(*on_their_way, return_exceptions=True)

    async def _try(self, item: Item, enter: Callable[[Item], Awaitable[None]], failure: type[Exception]) -> None:
        for left in reversed(range(TRIES)):
            start = time.monotonic()
            try:
                await enter(item)
            except failure:
                self.took(SLOW_S)
                if not left:
                    raise
                self.again += 1
            else:
                self.took(time.monotonic() - start)
                return

    def took(self, seconds: float) -> None:
        """Somebody's way in took so long."""
        if seconds >= SLOW_S:
            self._at_once = max(1.0, self._at_once / 2)
        elif seconds < QUICK_S:
            self._at_once = min(float(self._most), self._at_once + 0.5)


async def _first_of(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that go on after one or more have ended. Raises what ended one."""
    done, going = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    try:
        for task in done:
            task.result()
    except BaseException:
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        raise
    return going
