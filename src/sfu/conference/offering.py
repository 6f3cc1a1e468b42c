"""A video producer as allocation sees it: the ladder that it offers, and which of its encodings anybody needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sfu.conference.track import NO_LIMITS, Limits
from sfu.layers import Economy, EncodingReport, Ladder, LadderMeter
from sfu.layers.economy import wanted_encodings, wanted_layers
from sfu.layers.ladder import Layer
from sfu.layers.measure import ALL_LAYERS, SPATIAL_LAYERS
from sfu.media.producer import Producer

COMING_S = 3.0
"""How long an encoding that should come may take: the client is asked, its encoder starts, a report counts it."""

USUAL_ASPECT = 16 / 9
ABOUT = 1.05
"""Encoders round sizes."""

_NO_LAYERS = (0,) * ALL_LAYERS


@dataclass(frozen=True, slots=True)
class Asked:
    """What a publisher should send: bits of encodings, the lowest quality in bit 0, and how many spatial layers of the
    only one; None: all that it has.
    """

    active: int
    spatial_layers: int | None = None


TellEncodings = Callable[[Producer, Asked], None]
"""Tells the publisher."""


class Offering:
    """``tell`` is None for a publisher that cannot be told, whose encodings are never switched off.

    What is switched is an encoding, or, where there is but one, each of its spatial layers.
    """

    def __init__(self, producer: Producer, tell: TellEncodings | None, now: float) -> None:
        self.producer = producer
        self._tell = tell
        self._count = len(producer.encodings)
        self._meter = LadderMeter(self._count)
        self._economy = Economy(self._count if self._count > 1 else SPATIAL_LAYERS)
        self._is_warm = False
        self._expected_since = [now] * self._count
        self._meter.update(now, [EncodingReport(sent=True)] * self._count)
        self._limits = NO_LIMITS
        self._top: int | None = None
        """The highest spatial layer within the limits; None: there are none."""
        self._ladder = self._meter.ladder

    @property
    def ladder(self) -> Ladder:
        """What can be had of it."""
        return self._ladder

    def limit(self, limits: Limits) -> bool:
        """No more than this can be had of it from now on. True: there is a new ladder."""
        if limits == self._limits:
            return False
        self._limits = limits
        self._ladder, self._top = self._limited(self._meter.ladder)
        return True

    @property
    def asked(self) -> Asked:
        """What its client should send."""
        active = self._economy.active
        if self._count > 1:
            return Asked(active)
        return Asked(int(active > 0), self._layers_asked)

    @property
    def is_whole(self) -> bool:
        """Whether that is all of it."""
        return self._economy.is_whole

    @property
    def _layers_asked(self) -> int | None:
        is_limited = self._count == 1 and self._economy.active and not self._economy.is_whole
        return self._economy.active.bit_length() if is_limited else None

    def tick(self, now: float) -> bool:
        """Reads what was counted and sees what is needed. True: there is a new ladder."""
        if self.producer.paused:
            self._expected_since = [now] * self._count  # when it goes on, everything may take its time to come
            return False
        before = self._meter.ladder
        reports = self._reports(now)
        after = self._meter.update(now, reports)
        late = sum(self._bits(i) for i, report in enumerate(reports) if not report.sent and not report.withheld)
        # What should come and does not costs nothing, and comes as soon as its sender can.
        self._want(now, self._wanted() | late)
        if after is before:
            return False
        self._ladder, self._top = self._limited(after)
        return True

    def want(self, now: float, spatial: int) -> None:
        """A consumer has another target: if that is off it goes on at once. Called for every one of thousands."""
        wanted = self._needed((spatial,))
        if wanted & ~self._economy.active:
            self._want(now, wanted | self._economy.active)

    def keep_warm(self, now: float, *, warm: bool) -> None:
        """The smallest encoding is wanted from now on, whether anybody consumes it or not; or no longer."""
        self._is_warm = warm
        if warm:
            self.want(now, 0)

    def _wanted(self) -> int:
        targets = [c.preferred_layers.spatial for c in self.producer.consumers if not c.paused]
        return self._needed([*targets, 0] if self._is_warm else targets)

    def _limited(self, ladder: Ladder) -> tuple[Ladder, int | None]:
        if self._limits == NO_LIMITS or not ladder.layers:
            return ladder, None
        layers = [layer for layer in ladder.layers if self._is_within(layer)]
        lowest = ladder.layers[0].spatial
        layers = layers or [layer for layer in ladder.layers if layer.spatial == lowest]
        return Ladder(layers), layers[-1].spatial

    def _is_within(self, layer: Layer) -> bool:
        most, height = self._limits.max_encodings, self._limits.max_height
        if most is not None and layer.spatial >= most:
            return False
        return height is None or layer.pixels <= height * height * self._aspect() * ABOUT

    def _aspect(self) -> float:
        """The longer side of the picture by the shorter one."""
        for counted in self.producer.stats().get("encodings", ()):
            width, height = counted.get("width"), counted.get("height")
            if width and height:
                return float(max(width, height) / min(width, height))
        return USUAL_ASPECT

    def _needed(self, targets: Iterable[int]) -> int:
        if self._top is not None:
            top = self._top
            targets = [min(target, top) for target in targets]
        if self._count > 1:
            return wanted_encodings(targets, self._count)
        return wanted_layers(targets, self._meter.top_spatial)

    def _bits(self, index: int) -> int:
        """Of one encoding."""
        return 1 << index if self._count > 1 else (1 << SPATIAL_LAYERS) - 1

    def _want(self, now: float, wanted: int) -> None:
        before = self._economy.active
        if self._tell is None or not self._economy.update(now, wanted):
            return
        for index in range(self._count):
            if self._economy.active & self._bits(index) and not before & self._bits(index):
                self._expected_since[index] = now
        self._tell(self.producer, self.asked)

    def _reports(self, now: float) -> list[EncodingReport]:
        counted = self.producer.stats().get("encodings", ())
        return [
            _report(
                counted[index] if index < len(counted) else {},
                expected=now - self._expected_since[index] < COMING_S,
                withheld=not self._economy.active & self._bits(index),
                layers_asked=self._layers_asked,
            )
            for index in range(self._count)
        ]


def _report(stats: Mapping[str, Any], *, expected: bool, withheld: bool, layers_asked: int | None) -> EncodingReport:
    """``stats``: ``EncodingStats`` in stats.rs."""
    return EncodingReport(
        sent=bool(stats.get("active")) or (expected and not withheld),
        # Where its layers are not told apart all of it is one.
        rates_bps=stats.get("layer_bitrates_bps") or (*_NO_LAYERS, stats.get("bitrate_bps", 0)),
        width=stats.get("width"),
        height=stats.get("height"),
        fps=stats.get("frame_rate"),
        withheld=withheld,
        layers_asked=layers_asked,
    )
