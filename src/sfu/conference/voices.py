"""Who is heard in a meeting, and who has the floor."""

from __future__ import annotations

from collections.abc import Callable

from sfu.speaker import SpeakerDetector


class Voices:
    """Of one meeting. People are named by their participant ids.

    ``on_dominant`` is called after somebody else has the floor than before: never for one who goes on speaking.
    """

    def __init__(self) -> None:
        self.on_dominant: Callable[[], None] | None = None
        self._detector: SpeakerDetector[str] = SpeakerDetector()

    @property
    def dominant(self) -> str | None:
        """Who has the floor, also while nobody speaks; None until somebody spoke."""
        return self._detector.dominant

    @property
    def recent(self) -> tuple[str, ...]:
        """The last ten that had the floor, the latest first: the dominant one is at its head."""
        return self._detector.recent

    @property
    def audible(self) -> tuple[str, ...]:
        """Everybody who speaks at the moment, the most active first."""
        return self._detector.audible
