"""How often something may be told: at once after quiet, else gathered until the interval is over; and when a meeting is
small and quiet enough for everything to be told at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized

from sfu.clock import Clock, Timer


class Beat:
    """``leave`` tells what was gathered. It is called within ``due`` when it has been fewer than ``burst`` times in the
    last ``interval_s()`` seconds, else once as soon as that is so. A beat that nothing is due for has no timer.
    """

    def __init__(
        self, clock: Clock, interval_s: Callable[[], float], leave: Callable[[], None], *, burst: int = 1
    ) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._leave = leave
        self._left_at: deque[float] = deque([float("-inf")] * burst, maxlen=burst)
        self._timer: Timer | None = None

    def due(self) -> None:
        """There is something to tell."""
        if self._timer is not None:
            return
        wait_s = self._left_at[0] + self._interval_s() - self._clock.now()
        if wait_s <= 0:
            self.now()
        else:
            self._timer = self._clock.call_later(wait_s, self.now)

    def now(self) -> None:
        """Tells it without waiting, whatever the interval; the next one waits from here on."""
        self.stop()
        self._left_at.append(self._clock.now())
        self._leave()

    def stop(self) -> None:
        """What was gathered is not told. Idempotent; ``due`` works again afterwards."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


SMALL = 50
"""Up to so many participants a change may concern everybody at once."""

RUSH = 7
RUSH_S = 1.0
"""So many who come within this time do not come one by one."""


class Pace:
    """Of one meeting: whether what happens is told at once, or with much else. ``people`` are its participants."""

    def __init__(self, clock: Clock, people: Sized) -> None:
        self._clock = clock
        self._people = people
        self._came: deque[float] = deque(maxlen=RUSH)

    def came(self) -> None:
        """Somebody did."""
        self._came.append(self._clock.now())

    @property
    def is_small(self) -> bool:
        """Whether all that can be done for everybody is done in one go."""
        return len(self._people) <= SMALL

    @property
    def is_calm(self) -> bool:
        """Whether it is small and nobody rushes in."""
        is_rush = len(self._came) == RUSH and self._clock.now() - self._came[0] < RUSH_S
        return self.is_small and not is_rush
