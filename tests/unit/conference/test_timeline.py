from __future__ import annotations

from datetime import UTC, datetime

from sfu.conference.timeline import SECONDS, Ring, Timeline
from sfu.layers import Choice, Reason


def test_a_ring_keeps_the_last_quarter_of_an_hour() -> None:
    ring = Ring(2)
    for number in range(SECONDS + 100):
        ring.append((number, 7))
    assert len(ring) == SECONDS
    assert ring.column(0, 3) == [SECONDS + 97, SECONDS + 98, SECONDS + 99]
    assert ring.column(0, SECONDS)[0] == 100
    assert ring.column(0, 10 * SECONDS) == list(range(100, SECONDS + 100))


def test_memory_is_bounded_as_documented() -> None:
    timeline = Timeline()
    slots = [(str(mid), Choice(2, 2, Reason.NONE, 0), 1_000_000) for mid in range(49)]
    for _ in range(SECONDS + 10):
        timeline.record((1_000_000, 2_000_000, 900_000, 0.02, 40_000), slots)
    assert timeline.size_bytes == SECONDS * (10 + 6 * 49) == 273_600


def test_numbers_beyond_what_a_row_holds_are_cut() -> None:
    timeline = Timeline()
    timeline.record((10**12, 0, None, 2.0, 10**12), [])
    view = timeline.view("p", datetime(2026, 1, 1, tzinfo=UTC), [], 1)
    assert view.estimate_kbps == [0xFFFC]
    assert view.sent_kbps == [None]
    assert view.loss == [2.0]
    assert view.rtt_ms == [0xFFFC]
