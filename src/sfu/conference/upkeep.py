"""What a meeting has only while somebody is in it, its router, and what it has only while nobody is: a time to end."""

from __future__ import annotations

from collections.abc import Callable

from sfu.clock import Clock, Timer
from sfu.errors import EngineError, RemoteError
from sfu.media.engine import Engine
from sfu.media.router import Router


class Upkeep:
    """``on_router`` is called with a new router, ``on_time`` when nobody has come for ``empty_s`` seconds."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        empty_s: float,
        *,
        on_router: Callable[[Router], None],
        on_time: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._empty_s = empty_s
        self._on_router = on_router
        self._on_time = on_time
        self._router: Router | None = None
        self._expiry: Timer | None = None

    def router(self) -> Router:
        """The one to come in by, which whoever asks is about to do. One that its shard's failure closed is replaced by
        one on another shard; those who were on the old one have lost their transports and join again. Raises
        ``RemoteError`` ``internal``.
        """
        if self._router is None or self._router.closed:
            try:
                self._router = self._engine.create_router()
                self._on_router(self._router)
            except EngineError as error:
                raise RemoteError("internal", "the server has no media to offer", error.detail, status=503) from error
        self._cancel_expiry()
        return self._router

    def emptied(self) -> None:
        """Nobody is in it, or somebody only waits: it ends in time."""
        self._cancel_expiry()
        self._expiry = self._clock.call_later(self._empty_s, self._on_time)

    def close_router(self) -> None:
        """With all that was on it. Idempotent."""
        router, self._router = self._router, None
        if router is not None:
            router.close()

    def stop(self) -> None:
        """It is over. Idempotent."""
        self._cancel_expiry()
        self.close_router()

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
