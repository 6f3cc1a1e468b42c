"""What a sink is, and what it says when it does not take something."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sfu.conference.happenings import FIELDS
from sfu.conference.outbox import Entry
from sfu.errors import SfuError
from sfu.events.envelope import PREFIX


class NotTaken(SfuError):
    """The sink did not take it, as far as is known. ``is_away``: no fault of what it was told, so that others would
    fare no better. ``retry_after_s``: when it wants to be asked again.
    """

    def __init__(self, detail: str, *, is_away: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.is_away = is_away
        self.retry_after_s = retry_after_s


class Sink(Protocol):
    """Somebody outside who is told."""

    @property
    def name(self) -> str:
        """Names its lanes in the outbox, for ever: who is called otherwise is another one."""

    async def tell(self, entry: Entry) -> None:
        """Returns when it has taken it. Raises ``NotTaken``. Bounded in time by the sink itself."""

    async def close(self) -> None:
        """Lets go of connections. Idempotent."""


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How one sink is told."""

    types: tuple[str, ...] = ("*",)
    """Patterns of types: a type, "meeting.*", or "*"."""
    timeout_s: float = 10.0
    """Of one attempt."""
    max_attempts: int = 16
    """Then it is dead."""
    concurrency: int = 8
    """Meetings at a time."""


def pattern_error(pattern: str) -> str | None:
    """Why this is no pattern of types; None: it is one."""
    if any(_matches(pattern, kind) for kind in FIELDS):
        return None
    return f"{pattern!r} matches no type of event"


def wants(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a type is among those that the patterns name."""
    wanted = frozenset(kind for kind in FIELDS if any(_matches(pattern, kind) for pattern in patterns))
    return wanted.__contains__


def _matches(pattern: str, kind: str) -> bool:
    shape = re.escape(pattern.removeprefix(PREFIX)).replace(r"\*", ".*")
    return re.fullmatch(shape, kind) is not None
