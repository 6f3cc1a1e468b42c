"""How often something may be told: at once after quiet, else gathered until the interval is over."""

from __future__ import annotations

from collections.abc import Callable

from sfu.clock import Clock, Timer


class Beat:
    """``leave`` tells what was gathered. It is called within ``due`` when it has not been for ``interval_s()`` seconds,
    else once when they are over. A beat that nothing is due for has no timer.
    """

    def __init__(self, clock: Clock, interval_s: Callable[[], float], leave: Callable[[], None]) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._leave = leave
        self._left_at = float("-inf")
        self._timer: Timer | None = None

    def due(self) -> None:
        """There is something to tell."""
        if self._timer is not None:
            return
        wait_s = self._left_at + self._interval_s() - self._clock.now()
        if wait_s <= 0:
            self.now()
        else:
            self._timer = self._clock.call_later(wait_s, self.now)

    def now(self) -> None:
        """Tells it without waiting, whatever the interval; the next one waits from here on."""
        self.stop()
        self._left_at = self._clock.now()
        self._leave()

    def stop(self) -> None:
        """What was gathered is not told. Idempotent; ``due`` works again afterwards."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
