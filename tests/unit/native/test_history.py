from __future__ import annotations

from typing import Any

from sfu._native import History


def snapshot(transports: dict[int, dict[str, Any]], consumers: dict[int, int] | None = None) -> dict[str, Any]:
    return {
        "transports": transports,
        "consumers": {consumer: {"bitrate_bps": bps} for consumer, bps in (consumers or {}).items()},
    }


def test_every_second_has_a_row() -> None:
    history = History(900)
    assert history.second is None
    history.record(10.0, snapshot({1: {"estimate_bps": 700_000, "loss": 0.0125, "rtt_us": 40_900}}, {5: 64_000}))
    history.record(11.5, snapshot({1: {"estimate_bps": 300_000, "sent_bps": 250_000}}, {5: 0}))
    assert history.second == 11
    assert history.transport(1, 10) == ([700, 300], [None, 250], [125, None], [40, None])
    assert history.consumer(5, 10) == [64, 0]
    assert history.consumer(5, 1) == [0]


def test_what_was_not_read_for_some_seconds_counts_as_it_was_found() -> None:
    history = History(900)
    history.record(10.0, snapshot({}, {5: 1_000}))
    history.record(10.9, snapshot({}, {5: 2_000}))
    history.record(14.2, snapshot({}, {5: 3_000}))
    assert history.consumer(5, 10) == [2, 3, 3, 3, 3]
    history.record(9.0, snapshot({}, {5: 4_000}))
    assert history.consumer(5, 10) == [2, 3, 3, 3, 3]


def test_the_last_seconds_are_kept_and_no_more() -> None:
    history = History(3)
    for second in range(10):
        history.record(second, snapshot({1: {"estimate_bps": second * 1_000}}, {5: second * 1_000}))
    assert history.consumer(5, 100) == [7, 8, 9]
    assert history.consumer(5, 2) == [8, 9]
    assert history.transport(1, 100)[0] == [7, 8, 9]
    assert history.size_bytes == 3 * (8 + 2)
    history.record(1_000, snapshot({1: {}}, {5: 1_000}))
    assert history.consumer(5, 100) == [1, 1, 1]


def test_who_is_gone_is_forgotten() -> None:
    history = History(900)
    history.record(1, snapshot({1: {}, 2: {}}, {5: 0}))
    history.record(2, snapshot({2: {}, 3: {}}))
    assert history.transport(1, 10) == ([], [], [], [])
    assert history.consumer(5, 10) == []
    assert history.transport(2, 10)[0] == [None, None]
    assert history.transport(3, 10)[0] == [None]


def test_numbers_beyond_what_a_row_holds_are_cut() -> None:
    history = History(900)
    history.record(1, snapshot({1: {"estimate_bps": 10**12, "loss": 20.0, "rtt_us": 10**12}}))
    assert history.transport(1, 1) == ([0xFFFE], [None], [0xFFFE], [0xFFFE])
