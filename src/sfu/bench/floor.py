"""The floor under a server's cost, measured beside it: a bare reflector of the same datagrams, and the cipher alone.

``crates/loadgen/src/floor.rs`` says what the reflector does. Cost above the floor is the server's to answer for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sfu._native import measure_floor
from sfu.bench import fanout, session
from sfu.dtls.srtp import SrtpProfile

DURATION_S = 5.0
"""Of the reflector, each time."""


class FloorError(Exception):
    """The floor could not be measured. The text is for people."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Of one measurement, or the mean of several. Processor time is that of the sending thread."""

    bare_us_per_packet: float
    """Receiving, and ``sendmmsg`` with a segmentation train for each destination."""
    aead_us_per_packet: float
    us_per_packet: float
    """Both together."""
    packets: int
    lost: int
    latency_us: dict[str, int]
    each_us_per_packet: tuple[float, ...] = ()
    """``us_per_packet`` of each measurement: how far they differ is how little the ratio can be trusted."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(
    subscribers: int,
    video_kbps: int,
    *,
    audio: bool,
    duration_s: float,
    profile: SrtpProfile,
    processors: tuple[int | None, int | None],
) -> Floor:
    """Blocks for the duration and a second or two: call it in a thread. ``processors``: the server's, the load's.

    FloorError when sockets or threads cannot be had, or nothing arrived.
    """
    try:
        counted = measure_floor(subscribers, video_kbps, audio, duration_s, profile, *processors)
    except OSError as error:
        raise FloorError(f"the floor: {error}") from error
    packets = counted["packets"]
    if not packets:
        raise FloorError("the floor: nothing of what the reflector sent arrived")
    bare, aead = counted["cpu_us"] / packets, counted["aead_us_per_packet"]
    return Floor(bare, aead, bare + aead, packets, counted["expected"] - packets, counted["latency_us"])


def mean(floors: Sequence[Floor]) -> Floor:
    """Of costs and latencies; packets and losses are added up."""
    count = len(floors)
    return Floor(
        bare_us_per_packet=sum(floor.bare_us_per_packet for floor in floors) / count,
        aead_us_per_packet=sum(floor.aead_us_per_packet for floor in floors) / count,
        us_per_packet=sum(floor.us_per_packet for floor in floors) / count,
        packets=sum(floor.packets for floor in floors),
        lost=sum(floor.lost for floor in floors),
        latency_us={name: sum(floor.latency_us[name] for floor in floors) // count for name in floors[0].latency_us},
        each_us_per_packet=tuple(floor.us_per_packet for floor in floors),
    )


async def run(options: fanout.Options, progress: session.Progress, serve: session.Serve | None = None) -> fanout.Result:
    """``fanout.run`` between two measurements of the floor, so that whatever the machine does meanwhile meets both.

    One floor is for one publisher's subscribers: with several publishers it is that of each one's share.
    FloorError, and the errors of ``fanout.run``.
    """
    # Asked for before `fanout.run` keeps this process on the load's.
    processors = session.processors() if options.pin else (None, None)

    async def once() -> Floor:
        progress("measuring the floor", 0, 1)
        return await asyncio.to_thread(
            measure,
            max(1, options.subscribers // options.publishers),
            options.video_kbps,
            audio=options.audio,
            duration_s=min(DURATION_S, options.duration_s),
            profile=options.profile,
            processors=processors,
        )

    before = await once()
    result = await fanout.run(options, progress, serve)
    floor = mean((before, await once()))
    cost = result.cpu_us_per_packet
    return replace(result, floor=floor.as_dict(), cost_to_floor=None if cost is None else cost / floor.us_per_packet)
