"""What somebody received, second by second, for the last quarter of an hour: for whoever asks why it looked as it did.

What a network did is in the shard's history; what was decided is noted here when it changes, with the second of it.
Bounded: in 15 minutes a participant takes 7.2 kB there, each consumer 1.8 kB, and a slot whose layers change every
single second as many notes as there are seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from math import floor
from typing import Generic, TypeVar

from sfu.conference.slot import Slot
from sfu.conference.views import QualityTimeline, SlotTimeline, timestamp
from sfu.layers import Choice, Reason
from sfu.media.shard import HISTORY_SECONDS
from sfu.media.transport import Transport

LOSS_SCALE = 10_000
"""The history has loss in hundredths of a percent."""

T = TypeVar("T")

Shown = tuple[str, Reason]
"""``"2.1"``: spatial 2, temporal 1; or ``"paused"``; and why no more."""


class Changes(Generic[T]):
    """A value over time: its changes, at most one a second, over the last ``HISTORY_SECONDS``."""

    __slots__ = ("_seconds", "_values")

    def __init__(self) -> None:
        self._seconds: list[int] = []
        self._values: list[T] = []

    def note(self, now: float, value: T) -> None:
        """From now on it is this. What it was earlier in the same second is forgotten."""
        second = floor(now)
        if self._values and self._seconds[-1] >= second:
            self._values[-1] = value
            return
        if self._values and self._values[-1] == value:
            return
        self._seconds.append(second)
        self._values.append(value)
        if self._seconds[0] < second - 2 * HISTORY_SECONDS:
            self._forget(second - HISTORY_SECONDS)

    def column(self, until: int, count: int) -> list[T | None]:
        """At the end of each of ``count`` seconds, the last of which is ``until``; None: before the first note."""
        values: list[T | None] = []
        place = bisect_right(self._seconds, until - count)
        for second in range(until - count + 1, until + 1):
            while place < len(self._seconds) and self._seconds[place] <= second:
                place += 1
            values.append(self._values[place - 1] if place else None)
        return values

    def __len__(self) -> int:
        return len(self._values)

    def _forget(self, before: int) -> None:
        """What was over before that second. The value that held then stays."""
        over = bisect_right(self._seconds, before) - 1
        if over > 0:
            del self._seconds[:over], self._values[:over]


class Timeline:
    """Of one receiver."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._desired_kbps: Changes[int] = Changes()
        self._shown: dict[str, Changes[Shown | None]] = {}

    def decided(self, now: float, desired_bps: int, slots: Iterable[tuple[str, Choice | None]]) -> None:
        """The policy chose anew. ``slots``: mid and choice of all that there are; None: it shows nothing."""
        self._desired_kbps.note(now, desired_bps // 1000)
        for mid, choice in slots:
            changes = self._shown.get(mid)
            if changes is None:
                if choice is None:
                    continue
                changes = self._shown[mid] = Changes()
            changes.note(now, None if choice is None else (_layers(choice), choice.reason))

    def view(self, participant_id: str, at: datetime, slots: Iterable[Slot], last: int) -> QualityTimeline:
        """The last seconds that the participant was there: as many in each column."""
        history = self._transport.link.history
        estimate, sent, loss, rtt = history.transport(self._transport.id, last)
        seconds, until = len(estimate), history.second or 0
        return QualityTimeline(
            participant_id=participant_id,
            at=timestamp(at),
            seconds=seconds,
            estimate_kbps=estimate,
            desired_kbps=self._desired_kbps.column(until, seconds),
            sent_kbps=sent,
            loss=[None if value is None else value / LOSS_SCALE for value in loss],
            rtt_ms=rtt,
            slots=tuple(self._slot_view(slot, until, seconds) for slot in slots),
        )

    def _slot_view(self, slot: Slot, until: int, seconds: int) -> SlotTimeline:
        track, changes = slot.track, self._shown.get(slot.mid)
        sent: list[int | None] = []
        if slot.consumer is not None:
            sent = self._transport.link.history.consumer(slot.consumer.id, seconds)
        sent_kbps = [None] * (seconds - len(sent)) + sent
        shown = changes.column(until, seconds) if changes else [None] * seconds
        return SlotTimeline(
            slot.mid,
            track.participant_id if track else None,
            track.source.value if track else None,
            [None if entry is None else entry[0] for entry in shown],
            [None if entry is None else entry[1].value for entry in shown],
            [None if entry is None else kbps for entry, kbps in zip(shown, sent_kbps, strict=True)],
        )


def _layers(choice: Choice) -> str:
    return "paused" if choice.paused else f"{choice.spatial}.{choice.temporal}"
