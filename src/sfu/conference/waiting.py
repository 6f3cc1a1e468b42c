"""Those who wait to be let in to a meeting: in order, bounded, each with a place that it is told of.

What lets somebody in is in ``admission``. Who waits without a socket for ``ABSENT_S`` has gone away; who waits for too
long is sent away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from sfu.clock import Clock, Timer
from sfu.conference.beat import Beat
from sfu.conference.events import Admitted, Denied, DenyReason, WaitingListener, WaitingMoved, WaitingRoomChanged
from sfu.conference.happenings import Chronicle
from sfu.conference.names import digest, new_participant_id, new_token
from sfu.conference.views import WaitingPage, WaitingView, timestamp
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.admission import Application

ABSENT_S = 15.0
"""A page that reloads or changes networks is back by then."""
TICK_S = 1.0
"""Between two looks at who may come in; positions are told at this pace."""
TELL_S = 1.0
"""Between two messages to hosts."""
MAX_CHANGES = 100
"""In one message to hosts."""
MAX_PAGE = 200


class WaitReason(StrEnum):
    """What somebody waits for; the values are words of the signaling protocol."""

    NOT_BEFORE = "not_before"
    """The hour from which on people get in."""
    HOST = "host"
    """A host, without whom there is no meeting."""
    ADMISSION = "admission"
    """A host's word, or its turn."""
    PLACE = "place"
    """Somebody to leave: it was let in, and the meeting is full."""


class Waiting:
    """One who waits. ``token`` proves to the server that a socket is its own."""

    def __init__(self, application: Application, number: int, clock: Clock) -> None:
        self.id = new_participant_id()
        self.token = new_token()
        self.application = application
        self.name = application.shown_name
        self.number = number
        """In the order of coming."""
        self.since = clock.now()
        self.since_text = timestamp(clock.wall())
        self.absent_since: float | None = self.since
        self.is_called = False
        """It was let in and comes in as soon as it is there and has a place."""
        self.told: WaitingMoved | None = None
        self._listener: WaitingListener | None = None

    @property
    def is_there(self) -> bool:
        """Whether its socket is."""
        return self._listener is not None

    def attach(self, listener: WaitingListener, moved: WaitingMoved) -> None:
        """Its socket is there and was told ``moved``; an older one is heard of no more."""
        older, self._listener = self._listener, listener
        self.absent_since, self.told = None, moved
        if older is not None:
            older(Denied(DenyReason.REPLACED))

    def detach(self, listener: WaitingListener, now: float) -> None:
        """That socket is gone."""
        if self._listener == listener:
            self._listener, self.absent_since = None, now

    def move(self, moved: WaitingMoved) -> None:
        """Tells it where it stands, if that is new."""
        if self._listener is not None and moved != self.told:
            self.told = moved
            self._listener(moved)

    def end(self, event: Admitted | Denied) -> None:
        """The last that it hears."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener(event)

    def view(self, reason: WaitReason) -> WaitingView:
        """What hosts are shown."""
        return WaitingView(self.id, self.name, bool(self.application.grants.identity), self.since_text, reason.value)


@dataclass(frozen=True, slots=True)
class WaitingOptions:
    """Bounds of every waiting room."""

    max_waiting: int = 500
    """In one meeting; the next ones are refused."""
    longest_s: float = 1800.0
    """How long somebody waits at most."""
    admit_per_s: float = 0.0
    """How many are let in without a host's word; 0: none."""


class WaitingRoom:
    """Of one meeting. ``review`` lets in whoever may come in; it is called each second while somebody waits.
    ``reason`` says what somebody waits for; ``tell`` reaches the hosts.
    """

    def __init__(
        self,
        clock: Clock,
        options: WaitingOptions,
        *,
        review: Callable[[], None],
        reason: Callable[[Waiting], WaitReason],
        tell: Callable[[WaitingRoomChanged], None],
        chronicle: Chronicle,
        ended: Callable[[float, Admitted | Denied], None] = lambda _seconds, _event: None,
    ) -> None:
        """``ended``: how long somebody waited, and how that ended."""
        self._clock = clock
        self.options = options
        self._review = review
        self._reason = reason
        self._tell = tell
        self._ended = ended
        self._chronicle = chronicle
        self._waiting: dict[str, Waiting] = {}
        self._by_token: dict[bytes, Waiting] = {}
        self._numbers = 0
        self._tick_timer: Timer | None = None
        self._came: dict[str, None] = {}
        self._went: dict[str, None] = {}
        self._beat = Beat(clock, lambda: TELL_S, self._tell_hosts)

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        """In the order of coming; those of this moment, whatever happens to them meanwhile."""
        return iter(tuple(self._waiting.values()))

    def add(self, application: Application) -> Waiting:
        """One more. Raises ``RemoteError`` ``waiting_room_full``."""
        if len(self._waiting) >= self.options.max_waiting:
            most = self.options.max_waiting
            raise RemoteError("waiting_room_full", f"{most} people wait already", "try again later", status=503)
        self._numbers += 1
        waiting = Waiting(application, self._numbers, self._clock)
        self._waiting[waiting.id] = self._by_token[digest(waiting.token)] = waiting
        self._came[waiting.id] = None
        self._chronicle.tell("participant.waiting", **_person(waiting), reason=self._reason(waiting).value)
        self._beat.due()
        if self._tick_timer is None:
            self._tick_timer = self._clock.call_later(TICK_S, self._tick)
        return waiting

    def take_over(self, older: Waiting, application: Application) -> Waiting:
        """Somebody who waits already asks again, from a page that was reloaded or another one: its place, its name to
        hosts and what they said of it stay, so that a host who just pressed *admit* meant this one.
        """
        waiting = Waiting(application, older.number, self._clock)
        waiting.id, waiting.since, waiting.since_text = older.id, older.since, older.since_text
        waiting.is_called = older.is_called
        del self._by_token[digest(older.token)]
        self._waiting[waiting.id] = self._by_token[digest(waiting.token)] = waiting
        older.end(Denied(DenyReason.REPLACED))
        if waiting.name != older.name:
            self._came[waiting.id] = None
            self._beat.due()
        return waiting

    def remove(self, waiting: Waiting, event: Admitted | Denied) -> None:
        """It waits no longer, and is told why. Idempotent."""
        if self._waiting.get(waiting.id) is not waiting:
            return
        del self._waiting[waiting.id]
        del self._by_token[digest(waiting.token)]
        waiting.end(event)
        self._ended(self._clock.now() - waiting.since, event)
        if isinstance(event, Admitted):
            self._chronicle.tell("participant.admitted", **_person(waiting), participant_id=event.attendee.id)
        else:
            self._chronicle.tell("participant.denied", **_person(waiting), reason=event.reason.value)
        if self._came.pop(waiting.id, "seen") == "seen":
            self._went[waiting.id] = None
        self._beat.due()

    def find(self, waiting_id: str) -> Waiting:
        """Raises ``RemoteError`` ``participant_not_found``."""
        waiting = self._waiting.get(waiting_id)
        if waiting is None:
            raise RemoteError("participant_not_found", f"nobody waits as {waiting_id[:64]!r}", status=404)
        return waiting

    def holder(self, token: str) -> Waiting | None:
        """Whose token this is."""
        return self._by_token.get(digest(token))

    def moved(self, waiting: Waiting) -> WaitingMoved:
        """Where it stands now: 1 is the next."""
        position = 1 + sum(other.number < waiting.number for other in self._waiting.values())
        return WaitingMoved(position, self._reason(waiting).value)

    def page(self, after: str | None, limit: int, *, locked: bool) -> WaitingPage:
        """For hosts: some of those who wait, those after ``after``. Raises ``participant_not_found``."""
        number = 0 if after is None else self.find(after).number
        later = (waiting for waiting in self._waiting.values() if waiting.number > number)
        found = list(islice(later, min(limit, MAX_PAGE) + 1))
        shown = found[: min(limit, MAX_PAGE)]
        following = shown[-1].id if len(found) > len(shown) else None
        return WaitingPage(tuple(one.view(self._reason(one)) for one in shown), following, len(self._waiting), locked)

    def close(self, reason: DenyReason) -> None:
        """Nobody waits any more, and hosts are told nothing. Idempotent."""
        for waiting in self:
            self.remove(waiting, Denied(reason))
        self._beat.stop()
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None

    # inner

    def _tick(self) -> None:
        self._tick_timer = None
        now = self._clock.now()
        for waiting in self:
            if now - waiting.since >= self.options.longest_s:
                self.remove(waiting, Denied(DenyReason.TIMEOUT))
            elif waiting.absent_since is not None and now - waiting.absent_since >= ABSENT_S:
                self.remove(waiting, Denied(DenyReason.LEFT))
        self._review()
        for position, waiting in enumerate(self, 1):
            waiting.move(WaitingMoved(position, self._reason(waiting).value))
        if self._waiting and self._tick_timer is None:
            self._tick_timer = self._clock.call_later(TICK_S, self._tick)

    def _tell_hosts(self) -> None:
        came = [self._waiting[key] for key in list(islice(self._came, MAX_CHANGES))]
        went = tuple(islice(self._went, MAX_CHANGES))
        for waiting in came:
            del self._came[waiting.id]
        for waiting_id in went:
            del self._went[waiting_id]
        views = tuple(waiting.view(self._reason(waiting)) for waiting in came)
        self._tell(WaitingRoomChanged(views, went, len(self._waiting)))
        if self._came or self._went:
            self._beat.due()


def _person(waiting: Waiting) -> dict[str, str]:
    """For those outside."""
    return {"waiting_id": waiting.id, "name": waiting.name, "identity": waiting.application.grants.identity or ""}
