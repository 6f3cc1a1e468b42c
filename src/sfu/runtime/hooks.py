"""Asks plugins before something happens: within a time, bounded in number, and without holding up anybody else.

An ``async def`` hook runs on the event loop, where it must not block; a plain ``def`` hook in a thread, since it may.
A thread that does not come back is left to itself and counts as one of those that there may be.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sfu.clock import Clock
from sfu.conference.hooks import (
    CHANGEABLE,
    Asked,
    AskedType,
    Deny,
    Hook,
    HookStats,
    Outcome,
    Pair,
    SubscribeAsked,
    pairs_of,
)
from sfu.errors import ConfigError, RemoteError
from sfu.runtime.log import logger

MAX_THREADS = 16
"""Plain hooks that run at a time."""
MAX_REASON_CHARS = 200

log = logger(__name__)

Answer = Callable[[Any], Awaitable[object]]


class Denied(Exception):  # noqa: N818 - an answer, not a mistake
    """A plugin said no."""


class Overflow(Exception):  # noqa: N818 - it says what happened
    """Too many questions wait."""


@dataclass(frozen=True, slots=True)
class HookOptions:
    """``fails_open``: the hooks that allow what they can not decide."""

    timeout_s: float = 2.0
    """For each plugin."""
    max_waiting: int = 1000
    """Questions of one hook at a time; the next ones fail."""
    fails_open: frozenset[Hook] = frozenset()


@dataclass(frozen=True, slots=True)
class _Listener:
    plugin: str
    ask: Answer


class HookRunner:
    """Implements ``sfu.conference.hooks.Hooks`` for plugins in the order of the configuration."""

    def __init__(self, plugins: Sequence[object], clock: Clock, options: HookOptions | None = None) -> None:
        """``plugins``: those of their methods count that have the name of a hook. Raises ``ConfigError``."""
        self._clock = clock
        self._options = options or HookOptions()
        self._threads = asyncio.Semaphore(MAX_THREADS)
        self._tasks: set[asyncio.Future[Any]] = set()
        listeners = {hook: [*filter(None, (self._listener(plugin, hook) for plugin in plugins))] for hook in Hook}
        self._listeners = {hook: tuple(found) for hook, found in listeners.items() if found}
        self._stats = {hook: HookStats() for hook in self._listeners}
        self._waiting = dict.fromkeys(self._listeners, 0)

    @property
    def stats(self) -> Mapping[Hook, HookStats]:
        """See ``Hooks``."""
        return self._stats

    def has(self, hook: Hook) -> bool:
        """See ``Hooks``."""
        return hook in self._listeners

    async def ask(self, hook: Hook, asked: AskedType) -> AskedType:
        """See ``Hooks``."""
        for listener in self._listeners.get(hook, ()):
            try:
                asked = await self._ask_one(hook, listener, asked, partial(_understood, asked))
            except Denied as denied:
                raise RemoteError("refused", str(denied)[:MAX_REASON_CHARS], status=403) from None
            except Exception as error:  # noqa: BLE001 - a plugin's
                self._failed(hook, listener, error)
                self._require_open(hook, error)
        return asked

    async def denied_pairs(self, asked: SubscribeAsked) -> frozenset[Pair]:
        """See ``Hooks``. Whom one plugin denies the next is not asked about."""
        hook, denied = Hook.BEFORE_SUBSCRIBE, frozenset[Pair]()
        for listener in self._listeners.get(hook, ()):
            left = replace(asked, pairs=tuple(pair for pair in asked.pairs if pair not in denied))
            if not left.pairs:
                break
            try:
                denied |= await self._ask_one(hook, listener, left, partial(_denied, left))
            except Exception as error:  # noqa: BLE001 - a plugin's
                self._failed(hook, listener, error)
                self._require_open(hook, error)
        return denied

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """See ``Hooks``."""
        self._keep(asyncio.ensure_future(work))

    async def close(self) -> None:
        """Nobody is asked any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    # inner

    def _listener(self, plugin: object, hook: Hook) -> _Listener | None:
        function = getattr(plugin, hook, None)
        if function is None:
            return None
        name = str(getattr(plugin, "name", type(plugin).__name__))
        if not callable(function):
            raise ConfigError("plugins", f"{hook} of the plugin {name!r} can not be called", "see docs/plugins.md")
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
        return _Listener(name, function if is_async else partial(self._in_thread, function))

    async def _ask_one(
        self, hook: Hook, listener: _Listener, asked: Asked, understand: Callable[[object], tuple[Outcome, Any]]
    ) -> Any:
        """What the answer comes to. Raises ``Denied``, ``TimeoutError``, ``Overflow``, and whatever the plugin does."""
        stats = self._stats[hook]
        if self._waiting[hook] >= self._options.max_waiting:
            stats.outcomes[Outcome.OVERFLOW] += 1
            raise Overflow(f"{self._options.max_waiting} questions wait")
        self._waiting[hook] += 1
        began, outcome = self._clock.now(), Outcome.ERROR
        try:
            outcome, result = understand(await self._answer(listener, asked))
        except Denied:
            outcome = Outcome.DENIED
            raise
        except TimeoutError:
            outcome = Outcome.TIMEOUT
            raise
        finally:
            self._waiting[hook] -= 1
            stats.outcomes[outcome] += 1
            stats.durations.add(self._clock.now() - began)
        if outcome is not Outcome.ALLOWED:
            log.debug("hook_answered", hook=hook.value, plugin=listener.plugin, outcome=outcome.value)
        return result

    async def _answer(self, listener: _Listener, asked: Asked) -> object:
        task = asyncio.ensure_future(listener.ask(asked))
        self._keep(task)
        try:
            # Not asyncio.timeout: a plugin that passes over its cancellation would be waited for.
            await asyncio.wait({task}, timeout=self._options.timeout_s)
        finally:
            if not task.done():
                task.cancel()
        if not task.done():
            raise TimeoutError(f"no answer within {self._options.timeout_s:g} s")
        if task.cancelled():
            raise RuntimeError("it was cancelled by itself")  # not who asked
        return task.result()

    def _keep(self, task: asyncio.Future[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # looked at, or the loop complains
            log.debug("hook_task_ended", reason=repr(error))

    async def _in_thread(self, function: Callable[[Asked], object], asked: Asked) -> object:
        loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def finish(result: object, error: BaseException | None) -> None:
            self._threads.release()
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        def run() -> None:
            result, failure = None, None
            try:
                result = function(asked)
            except BaseException as error:  # noqa: BLE001 - it goes on to who asked
                failure = RuntimeError(repr(error)) if isinstance(error, StopIteration) else error
            try:
                loop.call_soon_threadsafe(finish, result, failure)
            except RuntimeError:
                log.debug("hook_came_too_late")  # the loop is closed: the server has stopped

        await self._threads.acquire()
        try:
            # Not a pool: its threads would have to come back before the process may end.
            threading.Thread(target=run, name="sfu hook", daemon=True).start()
        except RuntimeError:
            self._threads.release()
            raise
        return await answer

    def _require_open(self, hook: Hook, error: Exception) -> None:
        if hook not in self._options.fails_open:
            detail = "whether this is allowed could not be found out"
            raise RemoteError("hook_failed", detail, "try again in a few seconds", status=503) from error

    def _failed(self, hook: Hook, listener: _Listener, error: Exception) -> None:
        allows = hook in self._options.fails_open
        is_known = isinstance(error, TimeoutError | Overflow)
        log.warning(
            "hook_failed",
            hook=hook.value,
            plugin=listener.plugin,
            reason=str(error) or type(error).__name__,
            so="allowed" if allows else "denied",
            exc_info=None if is_known else error,
        )


def _understood(asked: AskedType, answer: object) -> tuple[Outcome, AskedType]:
    """What an answer makes of a question. Raises ``Denied``, and others for what is no answer."""
    if answer is None or answer == asked:
        return Outcome.ALLOWED, asked
    if isinstance(answer, Deny):
        raise Denied(answer.reason)
    if not isinstance(answer, type(asked)):
        raise TypeError(f"{type(answer).__name__} is no answer: None, Deny, or the question with other fields")
    answer.check()
    changed = replace(asked, **{name: getattr(answer, name) for name in CHANGEABLE[type(asked)]})
    return (Outcome.ALLOWED if changed == asked else Outcome.CHANGED), changed


def _denied(asked: SubscribeAsked, answer: object) -> tuple[Outcome, frozenset[Pair]]:
    denied = pairs_of(answer, asked)
    return (Outcome.DENIED if denied else Outcome.ALLOWED), denied
