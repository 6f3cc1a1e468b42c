"""Reactions: one emoji each, seen for a moment and kept nowhere; gathered: a thousand who applaud are one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.authority import Action, require
from sfu.conference.beat import Beat
from sfu.conference.bucket import Bucket
from sfu.conference.emoji import is_emoji
from sfu.conference.events import ReactionsShown
from sfu.conference.views import Person, ReactionView
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.participant import Participant

INTERVAL_S = 0.25
"""Between two messages: they float for seconds, nobody sees when exactly one begins."""

PER_S, BURST = 2.0, 6.0
"""Of one participant."""

MAX_KINDS = 20
"""Different emoji in one message. Others of that moment are not shown: it is a crowd, and rain enough."""

MAX_NAMED = 10
"""Of those who showed an emoji in one message; the others are counted."""


class Reactions:
    """Of one meeting. ``participants`` is the meeting's own."""

    def __init__(
        self, clock: Clock, participants: Mapping[str, Participant], tell: Callable[[ReactionsShown], None]
    ) -> None:
        self._clock = clock
        self._participants = participants
        self._tell = tell
        self._beat = Beat(clock, lambda: INTERVAL_S, self._leave)
        self._buckets: dict[str, Bucket] = {}
        self._shown: dict[str, tuple[int, list[Person]]] = {}
        """How often, and by whom first."""

    def react(self, participant: Participant, emoji: str) -> None:
        """Shows an emoji to everybody. Raises ``RemoteError``: ``bad_request``, ``rate_limited``."""
        require(participant.rights.role, Action.REACT)
        if not is_emoji(emoji):
            raise RemoteError("bad_request", "a reaction is one emoji", "a single one, as a person sees it")
        bucket = self._buckets.get(participant.id)
        if bucket is None:
            bucket = self._buckets[participant.id] = Bucket(self._clock, PER_S, BURST)
        if not bucket.take():
            raise RemoteError("rate_limited", "too many reactions", "wait a second", status=429)
        count, people = self._shown.get(emoji, (0, []))
        if count == 0 and len(self._shown) == MAX_KINDS:
            return
        if len(people) < MAX_NAMED:
            people.append(Person(participant.id, participant.name))
        self._shown[emoji] = count + 1, people
        self._beat.due()

    def left(self, participant_id: str) -> None:
        """Is in ``participants`` no longer."""
        self._buckets.pop(participant_id, None)

    def stop(self) -> None:
        """Nobody is there to see any. Idempotent."""
        self._beat.stop()
        self._shown.clear()

    def _leave(self) -> None:
        shown, self._shown = self._shown, {}
        views = (ReactionView(emoji, count, tuple(people)) for emoji, (count, people) in shown.items())
        self._tell(ReactionsShown(tuple(views)))
