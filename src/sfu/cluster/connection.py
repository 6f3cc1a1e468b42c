"""Two connections to Redis, one for commands and one that listens, as one thing that is there or not.

When either breaks both go, and come back together after a pause. What was published meanwhile is lost, which whoever
listens has to make good; nothing is sent twice. Nobody has to wait for a Redis that is away: commands fail at once.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from sfu.errors import ConfigError, RemoteError

CONNECT_S = 3.0
CALL_S = 2.0
"""How long a command may take; it takes less than a millisecond."""
PAUSE_S = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Between attempts; the grace that scripts.HELLO gives is longer than the last."""
TICK_S = 0.5
PATIENCE = 6
"""So many ticks without a word end a connection. Ticks are counted, not seconds: a process that was stopped hears
first what came meanwhile.
"""
MAX_WAITING = 100_000
"""Commands without an answer."""

log = structlog.get_logger(__name__)

Heard = Callable[[bytes, bytes], None]
"""Called with a channel and what was published there."""


def away() -> RemoteError:
    """What is told who needs Redis now."""
    return RemoteError("cluster_unavailable", "Redis does not answer", "try again in a few seconds", status=503)


class Redis:
    """``start`` it, ``close`` it at the end. ``on_up`` is awaited after each connect, before anybody else may send;
    ``on_down`` is called when the connection is lost. ``channels``: those to listen to.
    """

    def __init__(self, url: str, channels: tuple[str, ...], on_message: Heard) -> None:
        """Raises ``ConfigError``."""
        self._pool = _pool(url)
        self._channels = channels
        self._on_message = on_message
        self.on_up: Callable[[], Awaitable[None]] | None = None
        self.on_down: Callable[[], None] | None = None
        self.is_up = False
        self.connects = 0
        self._life: _Life | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Goes on by itself; returns after the first attempt, whether it succeeded or not."""
        tried = asyncio.Event()
        self._task = asyncio.create_task(self._run(tried), name="redis")
        await tried.wait()

    def call(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """Sends a command after those before it, without waiting; the answer is the future's. Raises ``RemoteError``
        ``cluster_unavailable``, at once or from the future. Whoever does not wait for it may let go of the future.
        """
        if self._life is None:
            raise away()
        return self._life.call(command)

    async def ask(self, *command: str | bytes | int) -> Any:
        """A command and its answer, which takes ``CALL_S`` at most. Raises as ``call``."""
        try:
            async with asyncio.timeout(CALL_S):
                return await self.call(*command)
        except TimeoutError:
            raise away() from None

    async def script(self, text: str, keys: list[str], *args: str | int) -> Any:
        """A Lua script's answer. Raises as ``call``."""
        return await self.ask("EVAL", text, len(keys), *keys, *args)

    async def close(self) -> None:
        """Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, tried: asyncio.Event) -> None:
        attempt = 0
        while True:
            try:
                if await self._live(tried):
                    attempt = 0
            except (OSError, RedisError, RemoteError, TimeoutError) as error:
                if attempt == 0:
                    log.warning("redis_away", reason=str(error) or type(error).__name__)
            except Exception:  # a mistake of ours must not end the coming back
                log.exception("redis_failed")
            tried.set()
            pause_s = PAUSE_S[min(attempt, len(PAUSE_S) - 1)]
            attempt += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _live(self, tried: asyncio.Event) -> bool:
        """One life of the connection: gives True when it was there, raises when it could not be had."""
        life = self._life = _Life(self._pool, self._channels, self._on_message)
        try:
            async with asyncio.timeout(CONNECT_S):
                await life.open()
                if self.on_up is not None:
                    await self.on_up()
            self.is_up = True
            self.connects += 1
            log.info("redis_connected")
            tried.set()
            reason = await life.broken()
            log.warning("redis_lost", reason=reason)
            return True
        finally:
            self._life = None
            was_up, self.is_up = self.is_up, False
            await life.close()
            if was_up and self.on_down is not None:
                self.on_down()


class _Life:
    """Of a pair of connections, from their opening to the failure of either."""

    def __init__(self, pool: ConnectionPool, channels: tuple[str, ...], on_message: Heard) -> None:
        self._commands: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._listener: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        self._channels = channels
        self._on_message = on_message
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._wake = asyncio.Event()
        self._is_over = False
        self._silent = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Raises ``OSError`` or ``RedisError``."""
        for connection in (self._commands, self._listener):
            await connection.connect()  # type: ignore[no-untyped-call]
        await self._listener.send_command("SUBSCRIBE", *self._channels)
        for _ in self._channels:
            await self._listener.read_response()
        parts = (self._write(), self._read(), self._listen(), self._watch())
        self._tasks = [asyncio.create_task(part, name="redis connection") for part in parts]

    def call(self, command: tuple[str | bytes | int, ...]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_look_away)
        if self._is_over or len(self._waiting) >= MAX_WAITING:
            raise away()
        self._unsent += self._commands.pack_command(*command)
        self._waiting.append(future)
        self._wake.set()
        return future

    async def broken(self) -> str:
        """Waits until either connection has failed; why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        error = next(iter(done)).exception()
        if error is not None and not isinstance(error, OSError | RedisError):
            raise error
        return str(error) or type(error).__name__

    async def close(self) -> None:
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._waiting:
            if not future.done():
                future.set_exception(away())
        for connection in (self._commands, self._listener):
            with suppress(OSError, RedisError, TimeoutError):
                await connection.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            unsent, self._unsent = self._unsent, []
            await self._commands.send_packed_command(unsent, check_health=False)

    async def _read(self) -> None:
        while True:
            try:
                answer = await self._commands.read_response()
            except ResponseError as error:
                answer = error
            future = self._waiting.popleft()
            if future.done():
                continue
            if isinstance(answer, ResponseError):
                log.error("redis_refused", reason=str(answer))
                future.set_exception(away())
            else:
                future.set_result(answer)

    async def _listen(self) -> None:
        while True:
            message = await self._listener.read_response()
            self._silent = 0
            if isinstance(message, list) and len(message) == 3 and message[0] == b"message":
                self._on_message(message[1], message[2])

    async def _watch(self) -> None:
        """Both connections have to say something now and then: a Redis behind a broken network says nothing."""
        pong: asyncio.Future[Any] | None = None
        late = 0
        while True:
            if pong is None or pong.done():
                pong, late = self.call(("PING",)), 0
            late += 1
            self._silent += 1
            if max(late, self._silent) > PATIENCE:
                raise OSError(f"no word for {PATIENCE * TICK_S:.0f} s")
            await self._listener.send_command("PING", check_health=False)
            await asyncio.sleep(TICK_S)


def _look_away(future: asyncio.Future[Any]) -> None:
    """An answer that nobody waits for may be an error."""
    if not future.cancelled():
        future.exception()


def _pool(url: str) -> ConnectionPool:
    try:
        return ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, socket_connect_timeout=CONNECT_S, retry=Retry(NoBackoff(), 0)
        )
    except ValueError as error:
        raise ConfigError("redis.url", str(error), "redis://, rediss:// or unix://") from None
