"""What goes on in the meetings of this process, in Redis for others to see: who is there, as what, muted, with a raised
hand, speaking; and who has the floor.

Written behind: a change is noted, and what is true when the beat comes is written, so nothing waits for Redis and
nothing piles up while it is away. When it is back everything is written anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from sfu.clock import Clock, Timer
from sfu.cluster.keys import Keys
from sfu.conference.participant import Participant
from sfu.conference.plain import plain
from sfu.conference.returning import Seat
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting

BEAT_S = 0.25
BATCH = 500
"""Participants in one beat: some milliseconds of work. The others come with the next."""
LIFE_S = 3600
"""What nobody writes any more goes by itself."""
LEFT_S = 120
"""As long as that stays of a meeting that is at nobody's hand: longer than those who were in it take to come back."""


class Calls(Protocol):
    """What is needed of ``connection.Redis``."""

    is_up: bool

    def call(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """See there."""

    async def ask(self, *command: str | bytes | int) -> Any:
        """See there."""


class HotState:
    """Of one process. ``meetings`` gives those at hand."""

    def __init__(self, redis: Calls, keys: Keys, clock: Clock, meetings: Callable[[], Mapping[str, Meeting]]) -> None:
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._meetings = meetings
        self._changed: dict[str, dict[str, None]] = {}
        self._seats: dict[str, dict[str, Seat | None]] = {}
        """What is not written yet of seats: the latest of each participant; None: it is free."""
        self._heard: dict[str, tuple[str | None, frozenset[str]]] = {}
        self._timer: Timer | None = None
        self._last: asyncio.Future[Any] | None = None
        self.written = 0
        """Participants, since the start."""

    def changed(self, meeting_id: str, participant_id: str) -> None:
        """Something of it is another now, or it is gone."""
        self._changed.setdefault(meeting_id, {})[participant_id] = None
        if self._timer is None:
            self._timer = self._clock.call_later(BEAT_S, self._write)

    def seated(self, meeting_id: str, participant_id: str, seat: Seat | None) -> None:
        """The seat that is kept for it from now on; None: none is."""
        self._seats.setdefault(meeting_id, {})[participant_id] = seat
        self.changed(meeting_id, participant_id)

    async def seats(self, meeting_id: str) -> tuple[Seat, ...]:
        """Of those who were in a meeting when its home was lost, as far as they were written."""
        try:
            found = await self._redis.ask("HVALS", self._keys.participants(meeting_id))
        except RemoteError:
            return ()
        seats = (_seat(text) for text in found)
        return tuple(seat for seat in seats if seat is not None)

    def look(self) -> None:
        """Who speaks now: to be called every second."""
        for meeting in self._meetings().values():
            view = meeting.voices.view()
            before = self._heard.get(meeting.id, (None, frozenset()))
            now = view.dominant, frozenset(view.audible)
            if now == before:
                continue
            self._heard[meeting.id] = now
            for participant_id in before[1] ^ now[1]:
                self.changed(meeting.id, participant_id)
            if self._redis.is_up and now[0] != before[0]:
                self._tell_speaker(meeting.id, now[0])

    def let_go(self, meeting_id: str, *, is_over: bool) -> None:
        """It is not at hand any more; what is known of it stays for a while where it may go on elsewhere."""
        self._changed.pop(meeting_id, None)
        self._heard.pop(meeting_id, None)
        seats = self._seats.pop(meeting_id, {})
        if not self._redis.is_up:
            return
        if not is_over:
            self._write_seats(meeting_id, seats)
        for key in (self._keys.participants(meeting_id), self._keys.speaker(meeting_id)):
            self._redis.call(*(("DEL", key) if is_over else ("EXPIRE", key, LEFT_S)))

    def write_all(self) -> None:
        """Redis is back, and may know nothing or something old."""
        self._heard.clear()
        for meeting in self._meetings().values():
            self._redis.call("DEL", self._keys.participants(meeting.id), self._keys.speaker(meeting.id))
            for participant_id in meeting.participants:
                self.changed(meeting.id, participant_id)

    def stop(self) -> None:
        """Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # inner

    def _write(self) -> None:
        self._timer = None
        if not self._redis.is_up:
            self._changed.clear()
            self._seats.clear()
            return
        left = BATCH
        if self._last is None or self._last.done():  # else Redis has not taken the last beat yet
            for meeting_id, changed in tuple(self._changed.items()):
                part = list(islice(changed, left))
                self._write_meeting(meeting_id, part)
                for participant_id in part:
                    del changed[participant_id]
                if not changed:
                    del self._changed[meeting_id]
                left -= len(part)
                if left <= 0:
                    break
        if self._changed:
            self._timer = self._clock.call_later(BEAT_S, self._write)

    def _write_seats(self, meeting_id: str, seats: Mapping[str, Seat | None]) -> None:
        """What the next home goes by must not wait for the beat: there is none any more."""
        key = self._keys.participants(meeting_id)
        kept = {one: _json({"seat": seat.to_json()}) for one, seat in seats.items() if seat is not None}
        if kept:
            self._redis.call("HSET", key, *(text for item in kept.items() for text in item))
        free = [one for one, seat in seats.items() if seat is None]
        if free:
            self._redis.call("HDEL", key, *free)

    def _write_meeting(self, meeting_id: str, participant_ids: list[str]) -> None:
        meeting = self._meetings().get(meeting_id)
        if meeting is None:
            return
        waiting = self._seats.get(meeting_id, {})
        for one in participant_ids:
            waiting.pop(one, None)
        if not waiting:
            self._seats.pop(meeting_id, None)
        _, audible = self._heard.get(meeting_id, (None, frozenset[str]()))
        here = {one: meeting.participants[one] for one in participant_ids if one in meeting.participants}
        told = {one: entry(who, is_speaking=one in audible) for one, who in here.items()}
        gone = [one for one in participant_ids if one not in here]
        key = self._keys.participants(meeting_id)
        if told:
            texts = (text for item in told.items() for text in (item[0], _json(item[1])))
            self._redis.call("HSET", key, *texts)
        if gone:
            self._redis.call("HDEL", key, *gone)
        self._redis.call("EXPIRE", key, LIFE_S)
        shown = {one: {name: value for name, value in each.items() if name != "seat"} for one, each in told.items()}
        news = _json({"participants": shown, "left": gone})
        self._last = self._redis.call("PUBLISH", self._keys.news(meeting_id), news)
        self.written += len(participant_ids)

    def _tell_speaker(self, meeting_id: str, speaker: str | None) -> None:
        key = self._keys.speaker(meeting_id)
        self._redis.call(*(("SET", key, speaker, "EX", LIFE_S) if speaker else ("DEL", key)))
        self._redis.call("PUBLISH", self._keys.news(meeting_id), _json({"speaker": speaker}))


def entry(participant: Participant, *, is_speaking: bool) -> dict[str, Any]:
    """What is told of somebody, and, for the next home alone, what it needs to come back."""
    told = {**plain(participant.view()), "speaking": is_speaking}
    return told if participant.reception is None else {**told, "seat": Seat.of(participant).to_json()}


def _seat(text: bytes) -> Seat | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Seat.of_json(value.get("seat")) if isinstance(value, dict) else None


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
