from __future__ import annotations

import time
from typing import cast

import pytest

from sfu.bench.crowd import FRESH_US, MICROPHONE, _compare
from sfu.bench.participant import Participant, Shown

A_DAY = 86_400.0
"""However long the tests before take, it was told just now."""
PEERS = {"ann": 3, "bob": 65_540}


class Watching:
    """A participant to whom this comes, by mid."""

    def __init__(self, slots: dict[str, Shown], comes: dict[str, tuple[int, int, int]]) -> None:
        self.slots = slots
        self._comes = comes

    def incoming(self) -> dict[str, tuple[int, int, int]]:
        return self._comes


def shown(kind: str, who: str | None, state: str = "active", *, told_s_ago: float = A_DAY) -> Shown:
    return Shown(kind, who, "camera" if kind == "video" else "microphone", state, time.monotonic() - told_s_ago)


def verdict(slot: Shown, came: tuple[int, int, int] | None) -> str | None:
    watching = Watching({"4": slot}, {} if came is None else {"4": came})
    return dict(_compare(cast("Participant", watching), PEERS)).get("4")


@pytest.mark.parametrize(
    ("slot", "came", "expected"),
    [
        (shown("video", "ann"), (3, 0, 1_000), "confirmed"),
        (shown("video", "ann"), (3, 2, 1_000), "confirmed"),
        (shown("audio", "ann"), (3, MICROPHONE, 1_000), "confirmed"),
        # Numbers of peers are told modulo 2^16.
        (shown("video", "bob"), (4, 0, 1_000), "confirmed"),
        (shown("video", "ann"), (4, 0, 1_000), "wrong"),
        (shown("video", "ann"), (3, MICROPHONE, 1_000), "wrong"),
        (shown("audio", "ann"), (3, 0, 1_000), "wrong"),
        (shown("video", "ann"), None, "unseen"),
        (shown("video", "ann"), (3, 0, FRESH_US + 1), "unseen"),
    ],
)
def test_what_comes_is_held_against_what_was_told(
    slot: Shown, came: tuple[int, int, int] | None, expected: str
) -> None:
    assert verdict(slot, came) == expected


@pytest.mark.parametrize(
    ("slot", "came"),
    [
        # Somebody who is silent; nobody; somebody who left; a switch that may still be under way.
        (shown("audio", "ann"), None),
        (shown("video", None, "idle"), (3, 0, 1_000)),
        (shown("video", "carol"), (3, 0, 1_000)),
        (shown("video", "ann", told_s_ago=-A_DAY), (4, 0, 1_000)),
    ],
)
def test_of_some_slots_nothing_can_be_said(slot: Shown, came: tuple[int, int, int] | None) -> None:
    assert verdict(slot, came) is None
