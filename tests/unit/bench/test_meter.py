from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.bench.meter import bucket_at, loss_share, merged, percentiles, quantile
from sfu.bench.rounds import combine


def test_percentiles_are_those_of_all_that_was_counted() -> None:
    counts = [(100, 50), (200, 40), (300, 9), (5_000, 1)]
    found = percentiles(counts)
    assert found == {"p50": 100, "p90": 200, "p99": 300, "p99_9": 5_000, "max": 5_000}
    assert set(percentiles([]).values()) == {0}


@given(st.lists(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), max_size=5), max_size=4))
def test_merged_windows_have_the_percentiles_of_their_packets(windows: list[list[tuple[int, int]]]) -> None:
    packets = sorted(value for window in windows for value, count in window for _ in range(count))
    counts = merged(windows)
    assert sum(count for _, count in counts) == len(packets)
    for share in (0.01, 0.5, 0.9, 1.0):
        expected = next((v for i, v in enumerate(packets) if i + 1 >= share * len(packets)), 0)
        assert bucket_at(counts, share) == expected


def test_nothing_received_is_all_lost() -> None:
    assert loss_share(0, 0) == 1
    assert loss_share(999, 1) == pytest.approx(0.001)


def test_a_quantile_of_nothing_is_zero() -> None:
    assert quantile([], 0.5) == 0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 1) == 4.0


def test_rounds_give_medians_and_the_middle_rounds_distribution() -> None:
    rounds = [
        {"options": {"n": 1}, "cost": cost, "latency_us": {"p50": p50}, "latency_counts": [(p50, 1)], "limit": "loss"}
        for cost, p50 in ((3.0, 10), (1.0, 30), (None, 20))
    ]
    combined = combine(rounds)
    assert combined["cost"] == 2.0
    assert combined["latency_us"] == {"p50": 20}
    assert combined["latency_counts"] == [(30, 1)]
    assert combined["spread"] == {"cost": [1.0, 3.0], "latency_us.p50": [10, 30]}
    assert [of_round["cost"] for of_round in combined["rounds"]] == [3.0, 1.0, None]
    assert combine(rounds[:1]) == rounds[0]
