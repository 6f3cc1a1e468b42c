"""Who has the floor, decided every 100 ms from everybody's levels.

As with Volfin & Cohen the one who has it keeps it until somebody else stands out at all three time scales: speaks now
(immediate), spoke so much more in the last 600 ms (medium), and is no softer than usual (long): "mm-hm" takes no floor.
Their measure of speech is replaced by that of ``level``, and their constants by those that the traces of
``sfu bench speaker`` showed to be best; docs/speaker-scoreboard.md has both side by side.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from sfu.speaker.echo import LEAD_TICKS, is_same_voice
from sfu.speaker.level import BLOCK_TICKS, Voice

MORE_TICKS = 10
"""So many active ticks more than the dominant speaker take the floor: 200 ms of speech at its usual density."""

LATE_TICKS = 30
LATE_MORE_TICKS = 5
"""Who talked into somebody's speech for so long is next as soon as that one pauses."""

SOFT_DB = 3
SOFT_TICKS = 24
"""Who is softer than usual by so much needs to go on for so long."""

ECHO_TICKS = 25
"""A loudspeaker's echo comes back within half a second."""

NEARER_DB = 2
NEARER_TICKS = 8
"""The same voice in two microphones belongs to the louder one, which was about as active."""

SIMILAR_TICKS = 5
"""Who is ahead by less is not ahead: the loudest is taken."""

USUAL_TICKS = 12
"""How loud the holder of the floor usually is, is learned while at least so much is said."""

MAX_CANDIDATES = 6
MAX_RECENT = 10
AUDIBLE_TICKS = 5

K = TypeVar("K", bound=Hashable)


class SpeakerDetector(Generic[K]):
    """One meeting's microphones, by any key.

    ``update`` takes the last 100 ms of everybody who was heard. Who is not in it was silent: it costs nothing to have a
    thousand silent microphones.
    """

    def __init__(self) -> None:
        self._voices: dict[K, Voice] = {}
        self._warm: set[K] = set()
        """Those of whom something is in the medium time."""
        self._block = 0
        self._recent: list[K] = []

    @property
    def dominant(self) -> K | None:
        """Who has the floor; None until somebody spoke."""
        return self._recent[0] if self._recent else None

    @property
    def recent(self) -> tuple[K, ...]:
        """The last ten that had the floor, the latest first: the dominant one is at its head."""
        return tuple(self._recent)

    @property
    def audible(self) -> tuple[K, ...]:
        """Everybody who speaks at the moment, the most active first."""
        active = [(self._voices[key].activity, key) for key in self._warm]
        ordered = sorted((one for one in active if one[0] >= AUDIBLE_TICKS), key=lambda one: -one[0])
        return tuple(key for _, key in ordered)

    def remove(self, key: K) -> None:
        """The microphone is gone; unknown ones are fine. Its floor falls to nobody, not to who had it before."""
        self._voices.pop(key, None)
        self._warm.discard(key)
        if self.dominant == key:
            self._recent.clear()
        elif key in self._recent:
            self._recent.remove(key)

    def update(self, blocks: Mapping[K, bytes]) -> K | None:
        """The next 100 ms: five levels (RFC 6464) of everybody who was heard. The dominant speaker.

        ValueError when a block has another length; nothing changes then.
        """
        wrong = next((key for key, block in blocks.items() if len(block) != BLOCK_TICKS), None)
        if wrong is not None:
            raise ValueError(
                f"{wrong!r} has {len(blocks[wrong])} levels, accepted are {BLOCK_TICKS}: one for every 20 ms"
            )
        self._block += 1
        for key, block in blocks.items():
            self._hear(key, block)
        for key in [key for key in self._warm if key not in blocks]:
            self._voices[key].rest(self._block)
            if not self._voices[key].activity:
                self._warm.discard(key)
        self._decide()
        return self.dominant

    def _hear(self, key: K, block: bytes) -> None:
        voice = self._voices.get(key)
        if voice is None:
            voice = self._voices[key] = Voice(self._block - 1)
        voice.hear(block, self._block)
        if voice.activity:
            self._warm.add(key)
        else:
            self._warm.discard(key)

    def _decide(self) -> None:
        holder = self.dominant
        chosen = self._challenger(holder)
        if chosen is not None:
            if chosen in self._recent:
                self._recent.remove(chosen)
            self._recent.insert(0, chosen)
            del self._recent[MAX_RECENT:]
            holder = chosen
        if holder is not None and self._voices[holder].activity >= USUAL_TICKS:
            self._voices[holder].learn_usual()

    def _challenger(self, holder: K | None) -> K | None:
        against = None if holder is None else self._voices[holder]
        held = 0 if against is None else against.activity
        active = [
            (voice.activity, key)
            for key in self._warm
            if key != holder and (voice := self._voices[key]).is_speaking_now and voice.spell() >= MORE_TICKS
        ]
        active.sort(key=lambda one: -one[0])
        able = [
            (activity, self._voices[key].loudness(), key)
            for activity, key in active[:MAX_CANDIDATES]
            if self._may_have_it(self._voices[key], activity, against, held)
        ]
        if not able:
            return None
        most = able[0][0]
        return min((one for one in able if one[0] > most - SIMILAR_TICKS), key=lambda one: one[1])[2]

    @staticmethod
    def _may_have_it(voice: Voice, activity: int, against: Voice | None, held: int) -> bool:
        """Whether there is reason enough to take the floor from ``against``, who was active for ``held`` ticks."""
        loudness = voice.loudness()
        if voice.usual is not None and loudness > voice.usual + SOFT_DB and activity < SOFT_TICKS:
            return False
        if against is None or not held:
            return True
        louder_db = against.loudness() - loudness
        if activity - held >= (LATE_MORE_TICKS if voice.long_activity >= LATE_TICKS else MORE_TICKS):
            return louder_db > 0 or not is_same_voice(voice.levels, against.levels, ECHO_TICKS)
        return (
            louder_db > NEARER_DB
            and activity >= held - NEARER_TICKS
            and is_same_voice(voice.levels, against.levels, LEAD_TICKS)
        )
