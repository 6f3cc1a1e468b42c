"""What the layers of a gallery of cameras can take of a link: steps of encodings rarely add up to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sfu.bench.network.scenario import CAMERA_720P, SCALABLE_720P, Encoding
from sfu.layers import Ladder, Priority, Wish
from sfu.layers.ladder import Layer
from sfu.layers.plan import Plan

AUDIO_BPS = 46_000
"""Opus at 32 kbit/s on the wire, as the simulated microphone sends it."""

WIRE = 1.08
"""Headers, SRTP tags and the simulation's marks, of a simulcast camera's rate."""

PACKET_BYTES, PACKET_ROOM = 97, 1_100
"""The same by packets: what each has beside its part of a frame, and how large that is at most. Frames of the lowest
spatial layer of a scalable stream are smaller than a packet, and pay more."""

SHARES = (0.4, 0.6, 1.0)
"""Of a simulcast encoding's rate, up to each temporal layer."""

SCALABLE_GROUP = ((0, 2.16), (1, 0.653), (2, 0.594), (2, 0.594))
"""Of a scalable stream: temporal layer and share of the mean frame of each picture in a group; as ``crates/netsim``."""


FPS = 30.0


def _ladder(camera: Sequence[Encoding], rates_bps: Sequence[Sequence[float]]) -> Ladder:
    """``rates_bps``: on the wire up to each spatial and temporal layer."""
    return Ladder(
        Layer(sid, tid, int(bps), layer.width * layer.height, FPS / (1 << (len(rates) - 1 - tid)))
        for sid, (layer, rates) in enumerate(zip(camera, rates_bps, strict=True))
        for tid, bps in enumerate(rates)
    )


def _scalable_bps(sid: int, tid: int) -> float:
    """Of everything up to a layer."""
    total = 0.0
    for layer in SCALABLE_720P[: sid + 1]:
        sizes = [layer.bps / 8 / FPS * share for own, share in SCALABLE_GROUP if own <= tid]
        group = sum(size + PACKET_BYTES * math.ceil(size / PACKET_ROOM) for size in sizes)
        total += group * 8 * FPS / len(SCALABLE_GROUP)
    return total


SIMULCAST = _ladder(CAMERA_720P, [[encoding.bps * share * WIRE for share in SHARES] for encoding in CAMERA_720P])
SCALABLE = _ladder(SCALABLE_720P, [[_scalable_bps(sid, tid) for tid in range(3)] for sid in range(3)])
"""Cameras of 30 frames a second with three temporal layers."""


def fitting_bps(room_bps: int, cameras: int, of: Ladder = SIMULCAST) -> int:
    """What the policy's order fills of ``room_bps`` with nothing held back, audio included: no less is left over."""
    rungs = of.rungs(Wish(width=1280, height=720), is_screen=False)
    budget = room_bps - AUDIO_BPS
    return AUDIO_BPS + Plan([(rungs, Priority.VISIBLE)] * cameras).fill(budget, budget).used_bps
