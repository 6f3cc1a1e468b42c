"""What one client is told, a few messages in any second: what says how something is now may wait, and then its newest
state counts.

Who comes into a lively meeting hears at once whom each slot shows, how good each picture is, how many videos there are
and who speaks, and all of it changes again while its network is measured: fifteen messages in its first second, of
which few are read by anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sfu.clock import Clock, Timer
from sfu.conference.events import (
    ChatTold,
    EncodingsChanged,
    Event,
    QualityChanged,
    SlotsChanged,
    SpeakersChanged,
    TransportChanged,
    ViewChanged,
)
from sfu.media.states import TransportState

WINDOW_S = 1.0
PROMPT = 8
"""So many messages within a second, whatever they are, and whom slots show waits. What never waits comes on top: who is
there, once or twice a second, and what somebody did or asked for.
"""
PATIENT = 6
"""So many, and what may wait longer waits."""
FEW = 2
"""So many come in any case: a lively chat, which has eight messages a second, keeps nobody from learning who speaks."""

_MOST: dict[type, int] = {
    SlotsChanged: PROMPT,
    EncodingsChanged: PROMPT,
    SpeakersChanged: PATIENT,
    ViewChanged: PATIENT,
    QualityChanged: PATIENT,
    TransportChanged: PATIENT,
}

_Key = tuple[type, str]


class Letterbox:
    """``deliver`` gets everything that is put, or what came of it."""

    def __init__(self, clock: Clock, deliver: Callable[[Event], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        self._delivered_at: deque[float] = deque(maxlen=PROMPT)
        self._not_said_at: deque[float] = deque(maxlen=FEW)
        """When the last messages came that were not the chat's."""
        self._waiting: dict[_Key, Event] = {}
        self._timer: Timer | None = None

    def put(self, event: Event) -> None:
        """Delivers it now, or as soon as there is room for it, together with what is put until then."""
        most = _most(event)
        if most is None:
            self._post(event)
            return
        key = _key(event)
        older = self._waiting.get(key)
        if older is None and self._wait_s(most) <= 0:
            self._post(event)
            return
        self._waiting[key] = event if older is None else _together(older, event)
        self._again()

    def empty(self) -> None:
        """What waits is not delivered. Idempotent."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # inner

    def _post(self, event: Event) -> None:
        self._delivered_at.append(self._clock.now())
        if not isinstance(event, ChatTold):
            self._not_said_at.append(self._clock.now())
        self._deliver(event)

    def _wait_s(self, most: int) -> float:
        """Until there is room where so many may come within a second."""
        if len(self._delivered_at) < most or len(self._not_said_at) < FEW:
            return 0.0
        return min(self._delivered_at[-most], self._not_said_at[0]) + WINDOW_S - self._clock.now()

    def _again(self) -> None:
        if self._timer is None and self._waiting:
            wait_s = min(self._wait_s(_MOST[kind]) for kind, _ in self._waiting)
            self._timer = self._clock.call_later(max(0.0, wait_s), self._turn)

    def _turn(self) -> None:
        self._timer = None
        for key in sorted(self._waiting, key=_rank):
            if self._wait_s(_MOST[key[0]]) <= 0 and key in self._waiting:
                self._post(self._waiting.pop(key))
        self._again()


def _most(event: Event) -> int | None:
    if isinstance(event, TransportChanged) and event.state == TransportState.CLOSED.value:
        return None
    return _MOST.get(type(event))


def _key(event: Event) -> _Key:
    """Of two with the same the newer one says it all, but for slots that only the older one has."""
    return type(event), event.mid if isinstance(event, EncodingsChanged) else ""


def _rank(key: _Key) -> int:
    return -_MOST[key[0]]


def _together(older: Event, newer: Event) -> Event:
    if isinstance(older, SlotsChanged) and isinstance(newer, SlotsChanged):
        return SlotsChanged(tuple({slot.mid: slot for slot in (*older.slots, *newer.slots)}.values()))
    if isinstance(older, QualityChanged) and isinstance(newer, QualityChanged):
        return QualityChanged(tuple({slot.mid: slot for slot in (*older.slots, *newer.slots)}.values()))
    return newer
