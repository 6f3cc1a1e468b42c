"""What somebody received, second by second, for the last quarter of an hour: for whoever asks why it looked as it did.

Bounded: a second takes 10 bytes for the participant and 6 for each video slot, so 9 kB and 5.4 kB in 15 minutes,
273.6 kB with all 49 slots. Rings grow as time passes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime

from sfu.conference.slot import Slot
from sfu.conference.views import QualityTimeline, SlotTimeline, timestamp
from sfu.layers import Choice, Reason

SECONDS = 900

NOT_KNOWN = 0xFFFF
NOTHING_SHOWN = 0xFFFE
PAUSED = 0xFFFD
_MOST = 0xFFFC
_NOTHING = (NOTHING_SHOWN, NOT_KNOWN, NOT_KNOWN)

_REASONS = tuple(Reason)
_CODE_OF = {reason: code for code, reason in enumerate(_REASONS)}

NETWORK_COLUMNS = 5
LOSS_SCALE = 10_000
"""Loss is kept in hundredths of a percent."""


class Ring:
    """Rows of ``width`` 16-bit numbers, the last ``SECONDS`` of them."""

    __slots__ = ("_next", "_values", "_width")

    def __init__(self, width: int) -> None:
        self._width = width
        self._values = array("H")
        self._next = 0

    def append(self, row: Sequence[int]) -> None:
        """The newest row."""
        if len(self._values) < SECONDS * self._width:
            self._values.extend(row)
            return
        start = self._next * self._width
        self._values[start : start + self._width] = array("H", row)
        self._next = (self._next + 1) % SECONDS

    def column(self, index: int, last: int) -> list[int]:
        """One number of each of the ``last`` rows, the oldest first."""
        values = self._values[index :: self._width]
        ordered = values[self._next :] + values[: self._next]
        return list(ordered[-last:])

    def __len__(self) -> int:
        return len(self._values) // self._width

    @property
    def size_bytes(self) -> int:
        """Memory of the rows."""
        return len(self._values) * self._values.itemsize


NetworkSecond = tuple[int | None, int, int | None, float | None, int | None]
"""Estimate, desired and sent, bits per second; loss, 0..1; round trip, microseconds. None: not known."""

SlotSecond = tuple[str, Choice | None, int | None]
"""Mid; what it got, None when it showed nothing; sent, bits per second."""


class Timeline:
    """Of one receiver."""

    def __init__(self) -> None:
        self._network = Ring(NETWORK_COLUMNS)
        self._slots: dict[str, Ring] = {}

    def __len__(self) -> int:
        return len(self._network)

    @property
    def size_bytes(self) -> int:
        """Memory of all rows."""
        return self._network.size_bytes + sum(ring.size_bytes for ring in self._slots.values())

    def record(self, network: NetworkSecond, slots: Iterable[SlotSecond]) -> None:
        """A second has passed. ``slots``: always all that there are."""
        estimate_bps, desired_bps, sent_bps, loss, rtt_us = network
        self._network.append(
            (
                _kbps(estimate_bps),
                _kbps(desired_bps),
                _kbps(sent_bps),
                NOT_KNOWN if loss is None else min(_MOST, round(loss * LOSS_SCALE)),
                NOT_KNOWN if rtt_us is None else min(_MOST, rtt_us // 1000),
            )
        )
        rings = self._slots
        for mid, choice, slot_bps in slots:
            ring = rings.get(mid)
            if ring is None:
                ring = rings[mid] = Ring(3)
            ring.append(_NOTHING if choice is None else (*_layers(choice), _kbps(slot_bps)))

    def view(self, participant_id: str, at: datetime, slots: Iterable[Slot], last: int) -> QualityTimeline:
        """The last seconds. The columns of a slot that is younger than the participant are shorter."""
        column = [_known(self._network.column(index, last)) for index in range(NETWORK_COLUMNS)]
        return QualityTimeline(
            participant_id=participant_id,
            at=timestamp(at),
            seconds=min(last, len(self)),
            estimate_kbps=column[0],
            desired_kbps=column[1],
            sent_kbps=column[2],
            loss=[None if value is None else value / LOSS_SCALE for value in column[3]],
            rtt_ms=column[4],
            slots=tuple(self._slot_view(slot, last) for slot in slots),
        )

    def _slot_view(self, slot: Slot, last: int) -> SlotTimeline:
        ring = self._slots.get(slot.mid) or Ring(3)
        track = slot.track
        return SlotTimeline(
            slot.mid,
            track.participant_id if track else None,
            track.source.value if track else None,
            [_shown_layers(value) for value in ring.column(0, last)],
            [_REASONS[code].value if code < len(_REASONS) else None for code in ring.column(1, last)],
            _known(ring.column(2, last)),
        )


def _known(column: list[int]) -> list[int | None]:
    return [None if value == NOT_KNOWN else value for value in column]


def _kbps(bps: int | None) -> int:
    return NOT_KNOWN if bps is None else min(_MOST, bps // 1000)


def _layers(choice: Choice) -> tuple[int, int]:
    """Layers and reason in a number each."""
    code = _CODE_OF[choice.reason]
    return (PAUSED if choice.paused else min(choice.spatial, 15) << 4 | min(choice.temporal, 15)), code


def _shown_layers(value: int) -> str | None:
    """``"2.1"``: spatial 2, temporal 1; ``"paused"``; None when nothing was shown."""
    if value == NOTHING_SHOWN:
        return None
    return "paused" if value == PAUSED else f"{value >> 4}.{value & 15}"
