"""What happens at the doors of all meetings of a process, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sfu.conference.events import Admitted, Denied, DenyReason
from sfu.conference.tally import Tally
from sfu.errors import RemoteError

WAITS_S = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0)
"""From the next look at who may come in to the longest that one waits by default."""
NO_REFUSALS = frozenset({DenyReason.REPLACED, DenyReason.SERVER_STOPPING})
"""Whose wait goes on elsewhere."""


@dataclass(slots=True)
class AdmissionStats:
    """Since the start."""

    admitted: int = 0
    """Participants who came in, whichever way."""
    refused: Counter[str] = field(default_factory=Counter)
    """By the code of the answer, or by why one waits no longer."""
    waits: Tally = field(default_factory=lambda: Tally(WAITS_S))
    """How long those waited who were let in then."""

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts the refusal that something ends with."""
        try:
            yield
        except RemoteError as error:
            self.refused[error.code] += 1
            raise

    def waited(self, seconds: float, event: Admitted | Denied) -> None:
        """Somebody waits no longer."""
        if isinstance(event, Admitted):
            self.waits.add(seconds)
        elif event.reason not in NO_REFUSALS:
            self.refused[event.reason.value] += 1
