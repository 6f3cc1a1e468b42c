"""Who may receive what, where plugins have a say (``before_subscribe``): a decision for each subscriber and each source
of each publisher, kept until one of them leaves.

What is not decided yet reaches nobody: who comes is shown nothing until plugins were asked about everything there is,
and what is published is shown to nobody until they were asked about everybody. So new pairs are asked about, those
alone, and many at a time. Where no plugin has the hook nothing of this exists, and everything is let through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol

from sfu.clock import Clock, Timer
from sfu.conference.hooks import Hook, Hooks, Pair, Person, SubscribeAsked
from sfu.conference.records import MeetingRecord
from sfu.conference.track import Source, Track
from sfu.errors import RemoteError
from sfu.rtp.codecs import Kind

MAX_PAIRS = 1000
"""In one question."""
AGAIN_S = 10.0
"""After so long plugins are asked once more about what they could not decide."""

Key = tuple[str, Source]
"""Who publishes, and what."""
Link = tuple[str, Key]
"""Who receives that."""
NONE: frozenset[Key] = frozenset()


class Shows(Protocol):
    """What is done about decisions, in this order."""

    def heard_otherwise(self, subscribers: Iterable[str]) -> None:
        """Other microphones than before are kept from these."""

    def cleared(self, keys: Iterable[Key]) -> None:
        """These may be shown from now on, but to whom they are denied."""

    def welcomed(self, subscribers: Iterable[str]) -> None:
        """These may be shown something from now on."""

    def seen_otherwise(self) -> None:
        """Other videos than before are kept from somebody."""


@dataclass(slots=True)
class _Batch:
    """What is asked about now: subscribers and sources that are new, and every pair that comes of them."""

    subscribers: dict[str, None] = field(default_factory=dict)
    keys: dict[Key, None] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)


class Gate:
    """Of one meeting. ``record`` and ``person`` tell of the meeting and of those in it (None: not any more)."""

    def __init__(
        self,
        clock: Clock,
        hooks: Hooks,
        *,
        record: Callable[[], MeetingRecord],
        person: Callable[[str], Person | None],
    ) -> None:
        self.is_active = hooks.has(Hook.BEFORE_SUBSCRIBE)
        self.shows: Shows | None = None
        self._clock = clock
        self._hooks = hooks
        self._record = record
        self._person = person
        self._known: dict[str, None] = {}
        """Subscribers that were asked about."""
        self._new: dict[str, None] = {}
        self._cleared: dict[str, dict[Source, None]] = {}
        """Sources that were asked about, by publisher; whether they are published at the moment or not."""
        self._unasked: dict[Key, None] = {}
        self._denied: dict[str, frozenset[Key]] = {}
        self._jobs: deque[str | Key] = deque()
        """New subscribers and new sources, in the order in which they came."""
        self._links: deque[Link] = deque()
        """Pairs to be asked about once more."""
        self._undecided: dict[Link, None] = {}
        self._again: Timer | None = None
        self._is_asking = False

    # who comes and goes

    def entered(self, subscriber_id: str) -> None:
        """Somebody receives from now on."""
        if self.is_active:
            self._new[subscriber_id] = None
            self._jobs.append(subscriber_id)
            self._ask()

    def left(self, member_id: str) -> None:
        """Somebody is gone, with all that was decided about it."""
        if not self.is_active:
            return
        for members in (self._new, self._known, self._denied, self._cleared):
            members.pop(member_id, None)
        for source in Source:
            self._unasked.pop((member_id, source), None)
        own = {(member_id, source) for source in Source}
        freed = [subscriber for subscriber, denied in self._denied.items() if denied & own]
        for subscriber in freed:
            self._deny(subscriber, self._denied[subscriber] - own)
        if freed and self.shows is not None:
            self.shows.heard_otherwise(freed)

    def stop(self) -> None:
        """Nobody is there any more. Idempotent."""
        for members in (self._new, self._known, self._denied, self._cleared, self._unasked, self._undecided):
            members.clear()
        self._jobs.clear()
        self._links.clear()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    # questions

    def clears(self, participant_id: str, source: Source) -> bool:
        """Whether that may be shown at all, by now; plugins are asked if they have not been."""
        if not self.is_active or source in self._cleared.get(participant_id, ()):
            return True
        key = participant_id, source
        if key not in self._unasked:
            self._unasked[key] = None
            self._jobs.append(key)
            self._ask()
        return False

    def is_new(self, subscriber_id: str) -> bool:
        """Whether it may be shown nothing yet."""
        return subscriber_id in self._new

    def denied(self, subscriber_id: str) -> frozenset[Key]:
        """What must not be shown to it."""
        return self._denied.get(subscriber_id, NONE)

    def deafened(self, subscriber_id: str) -> frozenset[Key]:
        """What must not be heard by it."""
        return frozenset(key for key in self.denied(subscriber_id) if key[1].kind is Kind.AUDIO)

    @property
    def restricted(self) -> Mapping[str, frozenset[Key]]:
        """Those to whom something is denied, and what."""
        return self._denied

    def shown(self, subscriber_id: str, tracks: Sequence[Track]) -> Sequence[Track]:
        """Of these tracks, what may be shown to it."""
        if subscriber_id in self._new:
            return ()
        denied = self._denied.get(subscriber_id)
        if denied is None:
            return tracks
        return [track for track in tracks if (track.participant_id, track.source) not in denied]

    def reconsider(self, member_id: str) -> None:
        """Asks once more about somebody, because something about it changed; until then it stays as it is."""
        if not self.is_active:
            return
        receives = ((member_id, key) for key in self._keys() if member_id in self._known)
        sends = ((other, (member_id, source)) for source in self._cleared.get(member_id, ()) for other in self._known)
        self._links.extend(link for link in chain(receives, sends) if link[0] != link[1][0])
        self._ask()

    # asking

    def _ask(self) -> None:
        if not self._is_asking and (self._jobs or self._links):
            self._is_asking = True
            self._hooks.spawn(self._ask_all())

    async def _ask_all(self) -> None:
        try:
            while self._jobs or self._links:
                if self._jobs:
                    batch = self._take()
                else:
                    batch = _Batch(links=[self._links.popleft() for _ in range(min(MAX_PAIRS, len(self._links)))])
                self._decided(batch, await self._denials(batch))
        finally:
            self._is_asking = False

    def _take(self) -> _Batch:
        """Of those that came first, as many as make a question. For the next, who is taken counts as asked about."""
        batch = _Batch()
        while self._jobs and len(batch.links) < MAX_PAIRS:
            job = self._jobs.popleft()
            if isinstance(job, str):
                if job in self._new:
                    batch.subscribers[job] = None
                    keys = chain(self._keys(), batch.keys)
                    batch.links += [(job, key) for key in keys if key[0] != job]
            elif job in self._unasked:
                batch.keys[job] = None
                subscribers = chain(self._known, batch.subscribers)
                batch.links += [(subscriber, job) for subscriber in subscribers if subscriber != job[0]]
        return batch

    def _keys(self) -> Iterator[Key]:
        return ((publisher, source) for publisher, sources in self._cleared.items() for source in sources)

    async def _denials(self, batch: _Batch) -> set[Link]:
        denied: set[Link] = set()
        people: dict[str, Person | None] = {}
        links = iter(batch.links)
        while chunk := list(islice(links, MAX_PAIRS)):
            pairs: dict[Pair, Link] = {}
            for subscriber, key in chunk:
                for member in (subscriber, key[0]):
                    if member not in people:
                        people[member] = self._person(member)
                one, other = people[subscriber], people[key[0]]
                if one is not None and other is not None:
                    pairs[Pair(one, other, key[1])] = (subscriber, key)
            if not pairs:
                continue
            try:
                found = await self._hooks.denied_pairs(SubscribeAsked(self._record(), tuple(pairs)))
                denied.update(pairs[pair] for pair in found)
            except RemoteError:
                denied.update(pairs.values())
                self._undecided.update(dict.fromkeys(pairs.values()))
        self._ask_again_later()
        return denied

    def _ask_again_later(self) -> None:
        if self._undecided and self._again is None:
            self._again = self._clock.call_later(AGAIN_S, self._ask_again)

    def _ask_again(self) -> None:
        self._again = None
        undecided, self._undecided = self._undecided, {}
        self._links.extend(link for link in undecided if link[1] in self.denied(link[0]))
        self._ask()

    # what comes of it

    def _decided(self, batch: _Batch, denied: set[Link]) -> None:
        subscribers = [one for one in batch.subscribers if self._new.pop(one, one) is None]
        self._known.update(dict.fromkeys(subscribers))
        keys = [key for key in batch.keys if self._unasked.pop(key, key) is None]
        changed = self._changed(batch, denied)
        for publisher, source in keys:
            if self._person(publisher) is None:
                continue  # it did not get in after all
            self._cleared.setdefault(publisher, {})[source] = None
        if self.shows is None:
            return
        new = {*subscribers, *self._new}
        heard = {link[0] for link in changed if link[1][1].kind is Kind.AUDIO} - new
        self.shows.heard_otherwise(heard)
        self.shows.cleared(keys)
        self.shows.welcomed(subscribers)
        fresh = set(keys)
        if any(link[0] not in new and link[1] not in fresh for link in changed):
            self.shows.seen_otherwise()

    def _changed(self, batch: _Batch, denied: set[Link]) -> list[Link]:
        """Writes down what was decided; what that changes."""
        changed: dict[str, set[Key]] = {}
        for subscriber, key in batch.links:
            is_here = subscriber in self._known and self._person(key[0]) is not None
            if is_here and ((subscriber, key) in denied) is not (key in self.denied(subscriber)):
                changed.setdefault(subscriber, set()).add(key)
        for subscriber, keys in changed.items():
            self._deny(subscriber, self.denied(subscriber) ^ keys)
        return [(subscriber, key) for subscriber, keys in changed.items() for key in keys]

    def _deny(self, subscriber_id: str, keys: frozenset[Key]) -> None:
        if keys:
            self._denied[subscriber_id] = keys
        else:
            self._denied.pop(subscriber_id, None)
