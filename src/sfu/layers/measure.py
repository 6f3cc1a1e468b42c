"""From what the data plane counts of a producer, once a second, to a ladder that changes only when it matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.layers.ladder import Ladder, Layer

SPATIAL_LAYERS = TEMPORAL_LAYERS = 4
"""Rates are numbered spatial * 4 + temporal."""

ALL_LAYERS = SPATIAL_LAYERS * TEMPORAL_LAYERS - 1
"""The number of the rate of everything."""

WIRE_OVERHEAD = 1.05
"""Headers of UDP and IP and the SRTP tag, 44 bytes, on packets of some 1,000."""

RISE, FALL = 0.5, 0.2
"""Weight of a new rate in the smoothed one. What needs more is believed sooner than what needs less."""

MATERIAL = 0.15
"""Rates, sizes and frame rates that moved by less leave the ladder as it is: each new ladder makes work for every
subscriber of the producer."""

HOLD_S = 3.0
"""A layer that is not seen for so long is not there: in a still picture a temporal layer may skip a second."""

FULL_PIXELS = 1280 * 720
FULL_BPS = 1_500_000
FULL_FPS = 30.0
"""A camera's best encoding as long as nothing is known of it."""

SIZE_EXPONENT = 0.8
"""Browsers give half the width and height a third of the rate: 1.5 Mbit/s, 500 and 160 kbit/s at 720, 360 and 180."""

Coordinate = tuple[int, int]


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """One encoding, as the data plane sees it. ``rates_bps``: what a consumer that is limited to a layer gets, at
    ``spatial * 4 + temporal``; 0 where there is no layer. ``withheld``: it is off because nobody wanted it.
    ``layers_asked``: how many spatial layers are wanted, those above are withheld; None: all.
    """

    sent: bool
    rates_bps: Sequence[int] = ()
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    withheld: bool = False
    layers_asked: int | None = None


@dataclass(slots=True)
class _Known:
    rate_bps: float
    seen_at: float


class LadderMeter:
    """Of one producer with ``encodings`` encodings."""

    def __init__(self, encodings: int) -> None:
        self._count = encodings
        self._known: dict[Coordinate, _Known] = {}
        self._pixels: dict[int, int] = {}
        self._fps: dict[int, float] = {}
        self.ladder = Ladder(())

    @property
    def top_spatial(self) -> int:
        """The highest spatial layer on the ladder; where nothing is, the highest that could be."""
        return max((layer.spatial for layer in self.ladder.layers), default=SPATIAL_LAYERS - 1)

    def update(self, now: float, reports: Sequence[EncodingReport]) -> Ladder:
        """The ladder from now on; the same object while nothing material changed."""
        layers: list[Layer] = []
        missing = False
        for index, report in enumerate(reports):
            if report.sent:
                self._measure(now, index, report)
            if report.layers_asked is not None:
                self._hold(now, report.layers_asked)
            if report.sent or report.withheld:
                layers += self._layers(now, index, report)
            else:
                missing = True
                self._forget(index)
        if self._is_material(layers, missing):
            self.ladder = Ladder(layers, incomplete=missing)
        return self.ladder

    def _measure(self, now: float, index: int, report: EncodingReport) -> None:
        if report.width and report.height and self._shows_top(now, report):
            self._pixels[index] = report.width * report.height
        if report.fps:
            self._fps[index] = report.fps
        for place, rate in enumerate(report.rates_bps):
            if rate <= 0:
                continue
            spatial, temporal = divmod(place, TEMPORAL_LAYERS)
            coordinate = (index if self._count > 1 else spatial, temporal)
            known = self._known.get(coordinate)
            if known is None:
                self._known[coordinate] = _Known(rate, now)
            else:
                known.rate_bps += (RISE if rate > known.rate_bps else FALL) * (rate - known.rate_bps)
                known.seen_at = now

    def _shows_top(self, now: float, report: EncodingReport) -> bool:
        """Whether the size that is reported, of the highest layer that comes, is that of the highest of the ladder."""
        if self._count > 1:
            return True
        fresh = (spatial for (spatial, _), known in self._known.items() if now - known.seen_at <= HOLD_S)
        coming = (place // TEMPORAL_LAYERS for place, rate in enumerate(report.rates_bps) if rate > 0)
        return report.layers_asked is None and max(coming, default=0) >= max(fresh, default=0)

    def _hold(self, now: float, layers_asked: int) -> None:
        """What is withheld is there, and has its time to come back when it is no more."""
        for (spatial, _), known in self._known.items():
            if spatial >= layers_asked:
                known.seen_at = now

    def _layers(self, now: float, index: int, report: EncodingReport) -> list[Layer]:
        mine = [key for key in self._known if self._count == 1 or key[0] == index]
        if report.sent:
            fresh = [key for key in mine if now - self._known[key].seen_at <= HOLD_S]
            mine = fresh or mine
        if not mine:
            return [self._assumed(index)]
        top_spatial = max(spatial for spatial, _ in mine)
        top_temporal = max(temporal for _, temporal in mine)
        fps = self._fps.get(index, FULL_FPS)
        return [
            Layer(
                spatial,
                temporal,
                int(self._known[spatial, temporal].rate_bps * WIRE_OVERHEAD),
                # Each spatial layer of SVC has twice the width and height of the one below.
                self._size(index) >> (2 * (top_spatial - spatial) if self._count == 1 else 0),
                fps / (1 << (top_temporal - temporal)),
            )
            for spatial, temporal in mine
        ]

    def _size(self, index: int) -> int:
        return self._pixels.get(index) or FULL_PIXELS >> (2 * (self._count - 1 - index))

    def _assumed(self, index: int) -> Layer:
        pixels = self._size(index)
        rate = FULL_BPS * (pixels / FULL_PIXELS) ** SIZE_EXPONENT
        spatial = index if self._count > 1 else SPATIAL_LAYERS - 1
        return Layer(spatial, TEMPORAL_LAYERS - 1, int(rate), pixels, self._fps.get(index, FULL_FPS))

    def _forget(self, index: int) -> None:
        for key in [key for key in self._known if self._count == 1 or key[0] == index]:
            del self._known[key]

    def _is_material(self, layers: Sequence[Layer], missing: bool) -> bool:
        old = {(layer.spatial, layer.temporal): layer for layer in self.ladder.layers}
        if self.ladder.incomplete != missing or old.keys() != {(layer.spatial, layer.temporal) for layer in layers}:
            return True
        return any(_moved(old[layer.spatial, layer.temporal], layer) for layer in layers)


def _moved(old: Layer, new: Layer) -> bool:
    pairs = ((old.bitrate_bps, new.bitrate_bps), (old.pixels, new.pixels), (old.fps, new.fps))
    return any(abs(after - before) > MATERIAL * before for before, after in pairs)
