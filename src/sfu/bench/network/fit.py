"""What the layers of a gallery of cameras can take of a link: steps of encodings rarely add up to it."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.bench.network.scenario import CAMERA_720P, Encoding
from sfu.layers import Ladder, Priority, Wish
from sfu.layers.ladder import Layer
from sfu.layers.plan import Plan

AUDIO_BPS = 46_000
"""Opus at 32 kbit/s on the wire, as the simulated microphone sends it."""

WIRE = 1.08
"""Headers, SRTP tags and the simulation's marks, of a camera's rate."""

SHARES = (0.4, 0.6, 1.0)
"""Of the rate, up to each temporal layer."""


def ladder(camera: Sequence[Encoding] = CAMERA_720P, frame_rate: float = 30.0) -> Ladder:
    """Of a camera with three temporal layers, at the rates on the wire."""
    top = len(SHARES) - 1
    return Ladder(
        Layer(
            place,
            tid,
            int(encoding.bps * share * WIRE),
            encoding.width * encoding.height,
            frame_rate / (1 << (top - tid)),
        )
        for place, encoding in enumerate(camera)
        for tid, share in enumerate(SHARES)
    )


def fitting_bps(room_bps: int, cameras: int) -> int:
    """What the policy's order fills of ``room_bps`` with nothing held back, audio included: no less is left over."""
    rungs = ladder().rungs(Wish(width=1280, height=720), is_screen=False)
    budget = room_bps - AUDIO_BPS
    return AUDIO_BPS + Plan([(rungs, Priority.VISIBLE)] * cameras).fill(budget, budget).used_bps
