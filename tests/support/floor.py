"""Who speaks, as a test wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfu.conference import Meeting


@dataclass
class Floor:
    """What layouts ask of ``Voices``."""

    recent: tuple[str, ...]
    on_dominant: Callable[[], None] | None = None

    @property
    def dominant(self) -> str | None:
        return self.recent[0] if self.recent else None


def speak(meeting: Meeting, *recent: str) -> None:
    """The first has the floor from now on, the others had it before."""
    arranger = meeting._arranger
    arranger._voices = Floor(recent)  # type: ignore[assignment]
    arranger._floor.due()
