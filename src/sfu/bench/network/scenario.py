"""What a run is made of, as data: links, people, what they send and watch, when the control plane stands still."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

MBPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a path. ``rates``: (seconds from the beginning, bit/s), the last holds for ever."""

    rates: tuple[tuple[float, int], ...]
    delay_ms: float = 25.0
    queue_ms: float = 300.0
    """Depth of the queue, of the lowest rate above zero."""
    codel: bool = False
    jitter_ms: float = 0.0
    loss: float = 0.0
    loss_burst: float = 1.0
    """Packets lost in a row, on average; 1: each by itself."""
    reorder: float = 0.0
    reorder_ms: float = 0.0

    @classmethod
    def steady(cls, bps: int, **how: Any) -> Link:
        """One rate for ever."""
        return cls(((0.0, bps),), **how)

    def with_(self, **how: Any) -> Link:
        """The same but for."""
        return replace(self, **how)

    def native(self) -> dict[str, Any]:
        """In the words of ``sfu._native``."""
        lowest = min((bps for _, bps in self.rates if bps > 0), default=MBPS)
        return {
            "rates": [(round(at * 1e6), bps) for at, bps in self.rates],
            "queue_bytes": max(6_000, round(max(lowest, 300_000) / 8 * self.queue_ms / 1e3)),
            "codel": self.codel,
            "delay_us": round(self.delay_ms * 1e3),
            "jitter_us": round(self.jitter_ms * 1e3),
            "loss": self.loss,
            "loss_burst": self.loss_burst,
            "reorder": self.reorder,
            "reorder_by_us": round(self.reorder_ms * 1e3),
        }


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of a camera's encodings, or one spatial layer of its only one: then ``bps`` is of the layer alone."""

    rid: str
    width: int
    height: int
    bps: int


CAMERA_720P = (
    Encoding("q", 320, 180, 200_000),
    Encoding("h", 640, 360, 700_000),
    Encoding("f", 1280, 720, 2_500_000),
)
"""What libwebrtc gives the encodings of 720p (``kSimulcastFormats``)."""

SCALABLE_720P = (
    Encoding("", 320, 180, 142_000),
    Encoding("", 640, 360, 418_000),
    Encoding("", 1280, 720, 1_524_000),
)
"""What libwebrtc gives the spatial layers of 720p at most (``ConfigureSvcNormalVideo``): 2.1 Mbit/s in all."""

Scalability = Literal["vp9", "vp9_key", "av1"]
"""L3T3 of VP9 and AV1; ``vp9_key``: L3T3_KEY, whose layers refer to the ones below in keyframes alone."""


@dataclass(frozen=True, slots=True)
class Person:
    """A participant. ``tile``: how large it shows each of the others, pixels; None: watches nobody."""

    camera: tuple[Encoding, ...] = ()
    scalability: Scalability | None = None
    """``camera`` are spatial layers of one stream; None: simulcast encodings of VP8."""
    microphone: bool = False
    tile: tuple[int, int] | None = None
    downlink: int = 0
    """Index into ``Scenario.downlinks``."""
    uplink: Link = field(default_factory=lambda: Link.steady(20 * MBPS))
    joins_s: float = 0.0
    frame_rate: float = 30.0
    temporal_layers: int = 3


@dataclass(frozen=True, slots=True)
class Download:
    """TCP beside the media."""

    algorithm: str
    start_s: float
    stop_s: float
    downlink: int
    return_delay_ms: float = 25.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole run. ``watched``: the people whose reception is judged, by index."""

    length_s: float
    downlinks: tuple[Link, ...]
    people: tuple[Person, ...]
    watched: tuple[int, ...]
    downloads: tuple[Download, ...] = ()
    stalls: tuple[tuple[float, float], ...] = ()
    """When the control plane does nothing: (from, to), seconds."""


FAST = Link.steady(50 * MBPS)
"""For those whose network is not the question."""


def watch(
    link: Link,
    length_s: float,
    *,
    publishers: int = 1,
    tile: tuple[int, int] = (1280, 720),
    joins_s: float = 3.0,
    watchers: int = 1,
    downloads: tuple[Download, ...] = (),
    scalability: Scalability | None = None,
) -> Scenario:
    """``publishers`` cameras, of whom the first also speaks, watched over one link. The watchers join once the
    publishers' rates are known.
    """
    camera = CAMERA_720P if scalability is None else SCALABLE_720P
    senders = tuple(
        Person(camera=camera, scalability=scalability, microphone=number == 0, downlink=1)
        for number in range(publishers)
    )
    viewers = tuple(Person(tile=tile, downlink=0, joins_s=joins_s) for _ in range(watchers))
    return Scenario(
        length_s=length_s,
        downlinks=(link, FAST),
        people=(*senders, *viewers),
        watched=tuple(range(publishers, publishers + watchers)),
        downloads=downloads,
    )
