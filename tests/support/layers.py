"""Ladders and demands as meetings have them."""

from __future__ import annotations

import random

from sfu.layers import Demand, Ladder, Layer, Priority, Wish

CAMERA = ((320 * 180, 150_000), (640 * 360, 500_000), (1280 * 720, 1_500_000))
TEMPORAL_SHARES = (0.5, 0.7, 1.0)
TILES = ((1280, 720), (640, 360), (320, 180), (160, 90))


def camera(scale: float = 1.0, encodings: int = 3, *, incomplete: bool = False) -> Ladder:
    """Simulcast of up to three sizes with three temporal layers each."""
    return Ladder(
        (
            Layer(spatial, temporal, int(bps * share * scale), pixels, 30.0 / (1 << (2 - temporal)))
            for spatial, (pixels, bps) in enumerate(CAMERA[:encodings])
            for temporal, share in enumerate(TEMPORAL_SHARES)
        ),
        incomplete=incomplete,
    )


def screen(scale: float = 1.0, spatial_layers: int = 1) -> Ladder:
    """A shared screen of 1920 x 1080, 5 to 30 frames a second."""
    return Ladder(
        Layer(
            s,
            t,
            int(share * scale * 1_800_000 / 4 ** (spatial_layers - 1 - s)),
            1920 * 1080 >> 2 * (spatial_layers - 1 - s),
            fps,
        )
        for s in range(spatial_layers)
        for t, (share, fps) in enumerate(((0.2, 5.0), (0.6, 15.0), (1.0, 30.0)))
    )


def demand(key: str = "7", ladder: Ladder | None = None, *, is_screen: bool = False, **wish: object) -> Demand:
    """``wish``: fields of ``Wish``."""
    return Demand(key, ladder or (screen() if is_screen else camera()), Wish(**wish), is_screen)  # type: ignore[arg-type]


def random_demands(rng: random.Random, count: int) -> tuple[Demand, ...]:
    """A gallery: cameras of every kind, now and then a screen, somebody pinned, somebody who speaks."""
    demands = []
    for index in range(count):
        width, height = rng.choice(TILES)
        is_screen = rng.random() < 0.1
        ladder = screen(rng.uniform(0.3, 2)) if is_screen else camera(rng.uniform(0.3, 2), rng.randint(1, 3))
        priority = Priority.SCREEN if is_screen else rng.choice([*Priority, Priority.VISIBLE, Priority.VISIBLE])
        wish = Wish(width, height, rng.choice((30.0, 15.0)), priority, paused=rng.random() < 0.05)
        demands.append(Demand(str(index), ladder, wish, is_screen))
    return tuple(demands)
