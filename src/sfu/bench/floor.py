"""The floor under a server's cost, measured beside it: reflectors of the same datagrams, bare and encrypting, and the
cipher alone.

``crates/loadgen/src/floor.rs`` says what the reflectors do. Cost above the floor is the server's to answer for.
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
"""Of each reflector, each time."""


class FloorError(Exception):
    """The floor could not be measured. The text is for people."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Of one measurement, or the mean of several. Processor time is that of the sending thread."""

    bare_us_per_packet: float
    """Receiving, and ``sendmmsg`` with a segmentation train for each destination."""
    aead_us_per_packet: float
    """Protecting alone, over and over."""
    us_per_packet: float
    """Both together."""
    sealed_us_per_packet: float
    """As the bare reflector, and each datagram protected just before it is sent."""
    packets: int
    lost: int
    """These two are of both reflectors."""
    latency_us: dict[str, int]
    sealed_latency_us: dict[str, int]
    each_us_per_packet: tuple[float, ...] = ()
    """``us_per_packet`` of each measurement: how far they differ is how little the ratio can be trusted."""
    each_sealed_us_per_packet: tuple[float, ...] = ()

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
    sealed_first: bool = False,
) -> Floor:
    """Blocks for twice the duration and two or three seconds: call it in a thread. ``processors``: the server's, the
    load's.

    FloorError when sockets or threads cannot be had, or nothing arrived.
    """

    def reflect(sealed: bool) -> dict[str, Any]:
        try:
            counted = measure_floor(subscribers, video_kbps, audio, duration_s, profile, sealed, *processors)
        except OSError as error:
            raise FloorError(f"the floor: {error}") from error
        if not counted["packets"]:
            raise FloorError("the floor: nothing of what the reflector sent arrived")
        return counted

    of = {sealed: reflect(sealed) for sealed in (sealed_first, not sealed_first)}
    bare, sealed = (of[is_sealed]["cpu_us"] / of[is_sealed]["packets"] for is_sealed in (False, True))
    aead = sum(counted["aead_us_per_packet"] for counted in of.values()) / len(of)
    packets = sum(counted["packets"] for counted in of.values())
    lost = sum(counted["expected"] for counted in of.values()) - packets
    return Floor(bare, aead, bare + aead, sealed, packets, lost, of[False]["latency_us"], of[True]["latency_us"])


def mean(floors: Sequence[Floor]) -> Floor:
    """Of costs and latencies; packets and losses are added up."""
    count = len(floors)

    def latency(each: Sequence[dict[str, int]]) -> dict[str, int]:
        return {name: sum(one[name] for one in each) // count for name in each[0]}

    return Floor(
        bare_us_per_packet=sum(floor.bare_us_per_packet for floor in floors) / count,
        aead_us_per_packet=sum(floor.aead_us_per_packet for floor in floors) / count,
        us_per_packet=sum(floor.us_per_packet for floor in floors) / count,
        sealed_us_per_packet=sum(floor.sealed_us_per_packet for floor in floors) / count,
        packets=sum(floor.packets for floor in floors),
        lost=sum(floor.lost for floor in floors),
        latency_us=latency([floor.latency_us for floor in floors]),
        sealed_latency_us=latency([floor.sealed_latency_us for floor in floors]),
        each_us_per_packet=tuple(floor.us_per_packet for floor in floors),
        each_sealed_us_per_packet=tuple(floor.sealed_us_per_packet for floor in floors),
    )


async def run(options: fanout.Options, progress: session.Progress, serve: session.Serve | None = None) -> fanout.Result:
    """``fanout.run`` between two measurements of the floor, so that whatever the machine does meanwhile meets both.

    One floor is for one publisher's subscribers: with several publishers it is that of each one's share.
    FloorError, and the errors of ``fanout.run``.
    """
    # Asked for before `fanout.run` keeps this process on the load's.
    processors = session.processors() if options.pin else (None, None)

    async def once(sealed_first: bool) -> Floor:
        progress("measuring the floor", 0, 1)
        return await asyncio.to_thread(
            measure,
            max(1, options.subscribers // options.publishers),
            options.video_kbps,
            audio=options.audio,
            duration_s=min(DURATION_S, options.duration_s),
            profile=options.profile,
            processors=processors,
            sealed_first=sealed_first,
        )

    # The encrypting reflector next to the server both times: bare, sealed, server, sealed, bare.
    before = await once(sealed_first=False)
    result = await fanout.run(options, progress, serve)
    floor = mean((before, await once(sealed_first=True)))
    cost = result.cpu_us_per_packet
    return replace(
        result,
        floor=floor.as_dict(),
        cost_to_floor=None if cost is None else cost / floor.us_per_packet,
        cost_to_sealed=None if cost is None else cost / floor.sealed_us_per_packet,
    )
