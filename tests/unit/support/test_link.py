"""The virtual link that browser and end-to-end tests put between a peer and the server."""

from __future__ import annotations

import pytest
from tests.support.link import HEADERS_BYTES, Link

PACKET = bytes(1_000 - HEADERS_BYTES)
"""1,000 bytes on the wire: 8 ms at 1 Mbit/s."""


def arrivals(link: Link, until: float) -> list[float]:
    """Times at which packets arrive, by doing what the link asks for."""
    times: list[float] = []
    while (at := link.next_at()) is not None and at <= until:
        times += [at] * len(link.take(at))
    return times


def test_packets_wait_for_those_ahead_of_them_and_arrive_at_the_links_rate() -> None:
    link = Link(rate_bps=1e6, delay_s=0.05)
    for _ in range(5):
        link.offer(0.0, PACKET)

    assert arrivals(link, 1.0) == pytest.approx([0.058, 0.066, 0.074, 0.082, 0.090])
    assert link.longest_wait_s == pytest.approx(0.032)


def test_what_the_queue_cannot_hold_is_dropped_and_room_comes_with_time() -> None:
    link = Link(rate_bps=1e6, queue_bytes=3_000)
    for _ in range(6):
        link.offer(0.0, PACKET)
    assert (link.waiting_bytes, link.overflowed) == (3_000, 2)  # one is being sent, three wait

    link.offer(0.017, PACKET)

    assert link.overflowed == 2
    assert len(arrivals(link, 1.0)) == 5


def test_a_late_caller_takes_nothing_from_the_rate() -> None:
    link = Link(rate_bps=1e6)
    for _ in range(10):
        link.offer(0.0, PACKET)

    assert len(link.take(0.0405)) == 5
    assert len(link.take(0.0805)) == 5


def test_an_idle_link_does_not_save_up() -> None:
    link = Link(rate_bps=1e6)
    link.offer(0.0, PACKET)
    assert arrivals(link, 1.0) == pytest.approx([0.008])
    for _ in range(2):
        link.offer(5.0, PACKET)

    assert arrivals(link, 6.0) == pytest.approx([5.008, 5.016])


def test_a_new_rate_holds_for_what_waits() -> None:
    link = Link(rate_bps=1e6)
    for _ in range(3):
        link.offer(0.0, PACKET)

    link.rate_bps = 1e5

    assert arrivals(link, 1.0) == pytest.approx([0.008, 0.088, 0.168])


def test_losses_are_of_the_given_share_and_the_same_for_the_same_seed() -> None:
    survivors = []
    for _ in range(2):
        link = Link(loss=0.1, seed=7)
        for number in range(2_000):
            link.offer(number / 1_000, number.to_bytes(2))
        survivors.append(link.take(3.0))

    assert survivors[0] == survivors[1]
    assert 160 <= link.lost <= 240
    assert len(survivors[0]) + link.lost == 2_000


def test_without_a_rate_only_distance_counts() -> None:
    link = Link(delay_s=0.02, queue_bytes=0)
    for _ in range(100):
        link.offer(1.0, PACKET)

    assert arrivals(link, 2.0) == pytest.approx([1.02] * 100)
