from __future__ import annotations

import pytest

from sfu.bench.ramp import CLOSE, Search


def loads(search: Search, capacity: int) -> list[int]:
    """The steps with a server that bears so many."""
    seen: list[int] = []
    while (now := search.next()) is not None:
        seen.append(now)
        assert len(seen) < 100, seen
        search.note(holds=now <= capacity)
    return seen


@pytest.mark.parametrize("capacity", [1, 7, 100, 640, 3_333])
def test_the_search_ends_close_to_what_the_server_bears(capacity: int) -> None:
    seen = loads(Search(500, 10_000), capacity)
    best = max((load for load in seen if load <= capacity), default=0)
    least = min(load for load in seen if load > capacity)
    assert least <= max(best * CLOSE, best + 1)


def test_the_search_ends_at_what_is_allowed() -> None:
    assert loads(Search(6, 12), 1_000) == [6, 9, 12]
    assert loads(Search(50, 20), 1_000) == [20]


def test_a_server_that_bears_nobody_ends_the_search() -> None:
    assert loads(Search(4, 100), 0)[-1] == 1


def test_a_narrow_failure_is_measured_a_second_time() -> None:
    search = Search(100, 1_000)
    search.note(holds=False, narrowly=True)
    assert search.next() == 100
    search.note(holds=True)
    assert search.next() == 150


def test_growth_slows_down_where_the_servers_processor_is_nearly_full() -> None:
    search = Search(1_000, 10_000)
    search.note(holds=True, cpu_share=0.84)
    assert search.next() == 1_250
    search.note(holds=True, cpu_share=1.0)
    assert search.next() == 1_325
