"""When to try again: for one thing that was not taken, and for a sink that takes nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

FIRST_S, LONGEST_S = 1.0, 3600.0
"""Between the first two attempts, and at most: 16 attempts are some five hours."""

OPENS_AFTER = 5
"""Failures in a row of a sink, whatever it was told."""
COOL_S, LONGEST_COOL_S = 5.0, 60.0


def pause_s(attempts: int, chance: Random, retry_after_s: float = 0.0) -> float:
    """After so many attempts that failed. Between half and all of twice the one before, so that what failed together
    does not come back together.
    """
    exact = min(LONGEST_S, FIRST_S * 2.0 ** min(attempts - 1, 32))
    return max(exact * chance.uniform(0.5, 1.0), min(retry_after_s, LONGEST_S))


@dataclass(slots=True)
class Breaker:
    """Of one sink. Closed: all is tried. Open: nothing, for a while that grows. Then one attempt says which it is."""

    failures: int = 0
    opened_at: float | None = None
    cool_s: float = COOL_S
    is_trying: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the sink is taken to be away."""
        return self.opened_at is not None

    def allows(self, now: float) -> int | None:
        """How many attempts may begin now; None: as many as one likes."""
        if self.opened_at is None:
            return None
        return 0 if self.is_trying or now < self.opened_at + self.cool_s else 1

    def trying(self) -> None:
        """The one attempt begins."""
        self.is_trying = self.is_open

    def given_up(self) -> None:
        """It said nothing of the sink."""
        self.is_trying = False

    def succeeded(self) -> None:
        """The sink is there."""
        self.failures, self.opened_at, self.cool_s, self.is_trying = 0, None, COOL_S, False

    def failed(self, now: float) -> None:
        """The sink did not answer, or is in trouble."""
        self.failures += 1
        if self.opened_at is not None and self.is_trying:
            self.opened_at, self.cool_s, self.is_trying = now, min(self.cool_s * 2, LONGEST_COOL_S), False
        elif self.opened_at is None and self.failures >= OPENS_AFTER:
            self.opened_at = now
