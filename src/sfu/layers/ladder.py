"""What a producer offers, as steps of rising rate. One ladder serves all subscribers of a producer.

A ladder is a value that is never changed: whoever measures anew makes another one. So it may be compared by identity,
and what is derived from it for some limits is derived once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sfu.layers.model import Choice, Reason, Wish

COVERS = 0.7
"""A layer serves a tile when it has so many of the tile's pixels: enlarging 1.2 times each way is not seen."""

ENOUGH_FRAMES = 0.9
"""A temporal layer serves a wished frame rate when it has so much of it: cameras give 27 frames for 30 in dim light."""

MOTION_FPS = 15.0
"""A larger camera picture below this looks worse than a smaller one that moves, so such steps are left out."""


Number = TypeVar("Number", int, float)


BETTER_ENCODING = 0.1
"""What an encoding is worth more than the one below it when both have the same size, in doublings."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One coordinate that a consumer may be limited to. ``spatial`` is the encoding (simulcast) or the layer (SVC)."""

    spatial: int
    temporal: int
    bitrate_bps: int
    """On the wire, with everything below it."""
    pixels: int
    fps: float


class Rungs:
    """The steps of a ladder within some limits, lowest first: strictly rising in cost and in worth.

    ``costs``: bits per second of each step, all below it included. ``increments``: of each step but the lowest, how
    far the step below it is from the highest, in doublings of pixels a second, and what it adds to the cost.
    ``choices``: what a subscriber gets at each step, with the reason that goes with it. Equal ``shape``: the same
    steps, whatever they cost.
    """

    __slots__ = ("choices", "costs", "increments", "shape")

    def __init__(self, layers: Sequence[Layer], limit: Reason) -> None:
        self.costs = tuple(layer.bitrate_bps for layer in layers)
        worths = [_worth(layer) for layer in layers]
        self.increments = tuple(
            (worths[-1] - worths[level - 1], self.costs[level] - self.costs[level - 1])
            for level in range(1, len(layers))
        )
        self.shape = tuple((layer.spatial, layer.temporal) for layer in layers)
        top = len(layers) - 1
        self.choices = tuple(
            Choice(layer.spatial, layer.temporal, limit if index == top else Reason.NETWORK, layer.bitrate_bps)
            for index, layer in enumerate(layers)
        )

    def at_most(self, choice: Choice | None) -> int:
        """The highest step that does not go beyond ``choice``; -1: none, or ``choice`` is none or paused."""
        if choice is None or choice.paused:
            return -1
        limit = (choice.spatial, choice.temporal)
        return max((level for level, own in enumerate(self.shape) if own <= limit), default=-1)


class Ladder:
    """``layers``: what is sent, or would be sent if somebody wanted it. ``incomplete``: the producer has announced an
    encoding that it does not send (its uplink or its CPU does not allow it).
    """

    __slots__ = ("_cache", "_fps", "_sizes", "incomplete", "layers")

    def __init__(self, layers: Iterable[Layer], *, incomplete: bool = False) -> None:
        self.layers = tuple(sorted(layers, key=lambda layer: (layer.spatial, layer.temporal)))
        self.incomplete = incomplete
        self._sizes = tuple(sorted({(layer.pixels, layer.spatial) for layer in self.layers}))
        """By size: (pixels, spatial layer)."""
        fps: dict[int, float] = {}
        for layer in self.layers:
            fps[layer.temporal] = max(layer.fps, fps.get(layer.temporal, 0.0))
        self._fps = tuple(sorted((rate, temporal) for temporal, rate in fps.items()))
        """By frame rate: (frames per second, temporal layer)."""
        self._cache: dict[tuple[int, int, Reason, bool], Rungs] = {}

    def dearer_by(self, before: Ladder) -> int | None:
        """Bits per second that a layer costs at most more than it did. None: it does not offer the same layers."""
        if self.incomplete != before.incomplete or _places(self.layers) != _places(before.layers):
            return None
        pairs = zip(self.layers, before.layers, strict=True)
        return max((new.bitrate_bps - old.bitrate_bps for new, old in pairs), default=0)

    def rungs(self, wish: Wish, *, is_screen: bool) -> Rungs:
        """The steps that make sense for ``wish``. Kept for each outcome, so there are few whatever is wished."""
        if not self.layers:
            return NOTHING
        pixels, spatial = _first_with(self._sizes, None if wish.pixels is None else wish.pixels * COVERS)
        _, temporal = _first_with(self._fps, wish.fps * ENOUGH_FRAMES)
        limit = self._limit(wish, pixels, spatial, temporal)
        lowest = self.layers[0].spatial
        for cap_spatial, cap_temporal, reason in (
            (wish.max_spatial, wish.max_temporal, Reason.USER),
            (wish.policy_spatial, wish.policy_temporal, Reason.POLICY),
        ):
            if spatial > max(cap_spatial, lowest) or temporal > cap_temporal:
                spatial, temporal, limit = min(spatial, max(cap_spatial, lowest)), min(temporal, cap_temporal), reason
        key = (spatial, temporal, limit, is_screen)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = Rungs(self._steps(spatial, temporal, is_screen=is_screen), limit)
        return found

    def _limit(self, wish: Wish, pixels: int, spatial: int, temporal: int) -> Reason:
        """Why these layers are the highest that are wished."""
        if spatial != self._sizes[-1][1] or temporal != self._fps[-1][1]:
            return Reason.TILE
        too_small = wish.pixels is None or pixels < wish.pixels * COVERS
        return Reason.PUBLISHER if self.incomplete and too_small else Reason.NONE

    def _steps(self, top_spatial: int, top_temporal: int, *, is_screen: bool) -> list[Layer]:
        """Cameras climb through sizes. Screens have one size, since small text can not be read, and climb in frames."""
        allowed = [
            layer
            for layer in self.layers
            if layer.spatial <= top_spatial
            and (layer.temporal <= top_temporal or layer.temporal == self._lowest_temporal(layer.spatial))
        ]
        spatials = {layer.spatial for layer in allowed}
        if is_screen:
            allowed = [layer for layer in allowed if layer.spatial == max(spatials)]
        else:
            smooth = {s: self._motion(allowed, s) for s in spatials}
            allowed = [
                layer for layer in allowed if layer.spatial == min(spatials) or layer.fps >= smooth[layer.spatial]
            ]
        steps: list[Layer] = []
        for layer in sorted(allowed, key=lambda layer: (layer.bitrate_bps, -_worth(layer))):
            if not steps or (layer.bitrate_bps > steps[-1].bitrate_bps and _worth(layer) > _worth(steps[-1])):
                steps.append(layer)
        return steps

    def _lowest_temporal(self, spatial: int) -> int:
        return min(layer.temporal for layer in self.layers if layer.spatial == spatial)

    @staticmethod
    def _motion(layers: Iterable[Layer], spatial: int) -> float:
        """What counts as moving at this size: ``MOTION_FPS``, or all that there is."""
        return min(MOTION_FPS, max(layer.fps for layer in layers if layer.spatial == spatial)) * ENOUGH_FRAMES


def _places(layers: Iterable[Layer]) -> list[tuple[int, int, int]]:
    return [(layer.spatial, layer.temporal, layer.pixels) for layer in layers]


def _first_with(offered: Sequence[tuple[Number, int]], enough: float | None) -> tuple[Number, int]:
    """The least of what is offered that is enough (None: nothing is), else the most."""
    if enough is not None:
        for item in offered:
            if item[0] >= enough:
                return item
    return offered[-1]


def _worth(layer: Layer) -> float:
    """Pixels a second, as a logarithm; of equal ones the publisher's order of encodings counts."""
    return math.log2(max(1, layer.pixels) * max(0.01, layer.fps)) + BETTER_ENCODING * layer.spatial


NOTHING = Rungs((), Reason.PUBLISHER)
"""Of a producer that sends nothing."""
