"""Plugins in virtual time: a ``Hooks`` that answers after a while, by the test's own rule."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tests.support.clock import VirtualClock

from sfu.conference.hooks import AskedType, Hook, HookStats, Pair, SubscribeAsked
from sfu.errors import RemoteError


class SubscribeRule:
    """``denies``: whether a pair must not be. Work that is spawned is done ``takes_s`` later, in one go."""

    def __init__(
        self, clock: VirtualClock, denies: Callable[[Pair], bool] = lambda _: False, *, takes_s: float = 0.0
    ) -> None:
        self.denies = denies
        self.takes_s = takes_s
        self.fails = False
        self.asked: list[SubscribeAsked] = []
        self._clock = clock

    @property
    def stats(self) -> Mapping[Hook, HookStats]:
        return {}

    @property
    def pairs(self) -> list[Pair]:
        """All that was asked about, in order."""
        return [pair for asked in self.asked for pair in asked.pairs]

    def has(self, hook: Hook) -> bool:
        return hook is Hook.BEFORE_SUBSCRIBE

    async def ask(self, hook: Hook, asked: AskedType) -> AskedType:
        raise AssertionError(f"nobody has {hook}")

    async def denied_pairs(self, asked: SubscribeAsked) -> frozenset[Pair]:
        self.asked.append(asked)
        if self.fails:
            raise RemoteError("hook_failed", "no answer", status=503)
        return frozenset(pair for pair in asked.pairs if self.denies(pair))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        def run() -> None:
            try:
                work.send(None)
            except StopIteration:
                return
            raise AssertionError("it waits for something")

        self._clock.call_later(self.takes_s, run)
