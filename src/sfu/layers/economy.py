"""Encodings and layers that nobody consumes need not be sent. Pure: who is told, and how, is not decided here."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.layers.measure import SPATIAL_LAYERS

OFF_AFTER_S = 5.0
"""How long nobody must have wanted an encoding: longer than a switch between layouts, and than a second thought of the
layer selection, since coming back costs a keyframe."""


def wanted_encodings(spatial_layers: Iterable[int], encodings: int) -> int:
    """Bits of the encodings that consumers with these targets need, the lowest quality in bit 0; 0: no consumer.

    While there is any consumer the lowest encoding is wanted too: it is where everybody goes who has to go down at
    once, and to come by then would be a freeze.
    """
    top = encodings - 1
    wanted = 0
    for spatial in spatial_layers:
        wanted |= 1 | 1 << min(spatial, top)
    return wanted


def wanted_layers(spatial_layers: Iterable[int], top: int) -> int:
    """Bits of the spatial layers, of one encoding, that consumers with these targets need; 0: no consumer.

    A layer needs those below it. Who wants the highest that there is (``top``) would want a higher one too.
    """
    highest = max(spatial_layers, default=-1)
    return (1 << (SPATIAL_LAYERS if highest >= top else highest + 1)) - 1


class Economy:
    """Which encodings, or layers, of one producer its client should send."""

    __slots__ = ("_unwanted_since", "active", "encodings")

    def __init__(self, encodings: int) -> None:
        self.encodings = encodings
        self.active = (1 << encodings) - 1
        """Bits of those that should be sent; at first all are."""
        self._unwanted_since: dict[int, float] = {}

    @property
    def is_whole(self) -> bool:
        """Whether that is all of them."""
        return self.active == (1 << self.encodings) - 1

    def update(self, now: float, wanted: int) -> bool:
        """``wanted``: bits of those that somebody wants. On at once, off after ``OFF_AFTER_S``. True: it changed."""
        before = self.active
        for index in range(self.encodings):
            bit = 1 << index
            if wanted & bit:
                self._unwanted_since.pop(index, None)
                self.active |= bit
            elif self.active & bit and now - self._unwanted_since.setdefault(index, now) >= OFF_AFTER_S:
                del self._unwanted_since[index]
                self.active &= ~bit
        return self.active != before
