"""A shard with too much to do: what its receivers get then, and what they are told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.camera_room import Room, qualities

from sfu.conference import Source, Tile
from sfu.conference.strain import Strain
from sfu.layers import Allocation, StandardPolicy

BUSY, IDLE = 0.95, 0.1
MIDS = ("7", "8", "9", "10")
RATE_OF_ALL = 1_500_000
"""Of a camera's best encoding, alone."""


@pytest.fixture
def hall(make_room: Callable[..., Room]) -> tuple[Room, Client, Client]:
    """Four cameras on; Bob looks at all of them in small tiles, Cem has pinned Ann's."""
    room = make_room()
    for name in ("Ann", "Dan", "Eve", "Fay"):
        room.join(name, publishes=Source.CAMERA).attendee.show({}, hidden=True)
    bob, cem = room.join("Bob"), room.join("Cem")
    bob.attendee.show({mid: Tile(320, 180) for mid in MIDS}, hidden=False)
    cem.attendee.show({"7": Tile(1280, 720, pinned=True)}, hidden=False)
    for mid in MIDS[1:]:
        cem.attendee.pause_slot(mid, paused=True)
    room.advance(2)
    return room, bob, cem


def told(client: Client, mid: str = "7") -> tuple[str, str]:
    """What it heard last of a slot."""
    return next((state, reason) for slot, state, reason in reversed(qualities(client)) if slot == mid)


def strain(room: Room, load: float, seconds: int) -> None:
    for _ in range(seconds):
        room.shard.busy_us += int(load * 1e6)
        room.advance(1)


def test_a_shard_with_time_to_spare_holds_nobody(hall: tuple[Room, Client, Client]) -> None:
    room, bob, cem = hall
    strain(room, 0.65, 10)
    assert (room.limits(bob), room.limits(cem)) == ((0, 2), (2, 2))
    assert room.conference.allocator.stats().held == 0


def test_who_gets_most_gives_first_and_hears_that_it_is_the_servers_doing(
    hall: tuple[Room, Client, Client], caplog: pytest.LogCaptureFixture
) -> None:
    room, bob, cem = hall
    with caplog.at_level(logging.WARNING):
        strain(room, BUSY, 1)
    assert room.limits(cem) == (1, 2)
    assert told(cem) == ("reduced", "server")
    assert room.limits(bob) == (0, 2)
    assert room.conference.allocator.stats().held >= 1
    assert "shard_strained shard=0 load=0.9" in caplog.text


def test_however_busy_nobody_loses_a_picture_for_it(hall: tuple[Room, Client, Client]) -> None:
    room, bob, cem = hall
    strain(room, 1.0, 20)
    assert [room.limits(bob, mid) for mid in MIDS] == [(0, 0)] * 4
    assert [told(bob, mid) for mid in MIDS] == [("reduced", "server")] * 4
    assert room.limits(cem) == (0, 2)


def test_who_is_shown_from_then_on_is_shown_at_once(hall: tuple[Room, Client, Client]) -> None:
    room, bob, _ = hall
    bob.attendee.pause_slot("10", paused=True)
    strain(room, 1.0, 12)
    assert [room.limits(bob, mid) is None for mid in MIDS] == [False, False, False, True]
    bob.attendee.pause_slot("10", paused=False)
    room.clock.advance(0.0)
    assert None not in [room.limits(bob, mid) for mid in MIDS]
    strain(room, 1.0, 3)
    assert [room.limits(bob, mid) for mid in MIDS] == [(0, 0)] * 4


def test_nothing_is_tried_on_the_network_meanwhile(hall: tuple[Room, Client, Client]) -> None:
    room, _, cem = hall
    strain(room, BUSY, 2)
    told_all = room.shard.told("set_desired_bitrate")
    desired = [bps for transport, bps in told_all if transport == cem.attendee.transport.id]
    assert desired[-1] < RATE_OF_ALL < desired[-2]


def test_all_is_given_back_when_the_load_is_over(
    hall: tuple[Room, Client, Client], caplog: pytest.LogCaptureFixture
) -> None:
    room, bob, cem = hall
    strain(room, 0.75, 1)
    assert room.limits(cem) == (1, 2)
    assert list(room.conference.allocator.stats().ceilings_bps) == [0]
    with caplog.at_level(logging.INFO):
        strain(room, IDLE, 20)
    assert (room.limits(bob), room.limits(cem)) == ((0, 2), (2, 2))
    assert told(cem) == ("full", "none")
    stats = room.conference.allocator.stats()
    assert (stats.held, stats.ceilings_bps) == (0, {})
    assert "shard_relieved shard=0" in caplog.text


def test_who_comes_meanwhile_gets_no_more_than_the_others(hall: tuple[Room, Client, Client]) -> None:
    room, _, _ = hall
    strain(room, BUSY, 2)
    gus = room.join("Gus")
    gus.attendee.show({"7": Tile(1280, 720, pinned=True)}, hidden=False)
    for mid in MIDS[1:]:
        gus.attendee.pause_slot(mid, paused=True)
    strain(room, 0.65, 1)
    assert room.limits(gus) == (1, 2)


def test_a_worse_network_is_the_reason_where_it_carries_less_than_the_server_gives(
    hall: tuple[Room, Client, Client],
) -> None:
    room, _, cem = hall
    strain(room, BUSY, 2)
    room.estimate(cem, 250_000, congested=True)
    room.advance(1)
    assert told(cem) == ("reduced", "network")


def test_a_policy_of_ones_own_is_held_too(make_room: Callable[..., Room]) -> None:
    class Asked(StandardPolicy):
        most: int | None = None

        def select(self, now: float, estimate_bps: int | None, *rest: Any) -> Allocation:
            self.most = estimate_bps
            return super().select(now, estimate_bps, *rest)

    policy = Asked()
    room = make_room(layer_policy=policy)
    room.join("Ann", publishes=Source.CAMERA)
    room.join("Bob")
    room.advance(2)
    strain(room, BUSY, 1)
    assert policy.most is not None
    assert policy.most < RATE_OF_ALL


def test_a_limit_of_all_time_looks_at_no_shard(hall: tuple[Room, Client, Client]) -> None:
    room, bob, _ = hall
    off = Strain(1.0)
    assert list(off.look(room.clock.now(), [bob.attendee.reception])) == []
    assert off.ceiling_of(bob.attendee.transport.link) is None
