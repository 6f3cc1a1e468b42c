"""The scenario ``fanout``: publishers at a steady rate, each in a meeting of its own, subscribers spread over them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any

from sfu.bench.meter import Meter, Window, quantile
from sfu.bench.session import JOINS_AT_ONCE, WARM_UP_S, Progress, Serve, publish, session, subscribe
from sfu.bench.target import Target, Usage, own_server
from sfu.dtls.srtp import SrtpProfile


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. ``url``: a running server's; None starts one."""

    publishers: int
    subscribers: int
    video_kbps: int
    audio: bool
    duration_s: float
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True
    joins_at_once: int = JOINS_AT_ONCE
    adaptive: bool = True
    """Whether the server that is started measures each subscriber's network and paces by it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured. Rates are those of packets that subscribers received; latency is from send to receive."""

    options: dict[str, Any]
    duration_s: float
    packets_per_s: float
    mbit_per_s: float
    cpu_us_per_packet: float | None
    cpu_share: float | None
    """Of one processor; None, as all costs, for a server that was not started here."""
    published: int
    packets: int
    probes: int
    """Packets beside these that are no media: by them the server learns what paths carry."""
    lost: int
    loss_share: float
    """Of what was expected."""
    duplicates: int
    damaged: int
    silent_streams: int
    """Expected streams on which nothing came."""
    keyframe_requests: int
    latency_us: dict[str, int]
    latency_counts: list[tuple[int, int]]
    """The distribution: (largest value of a bucket in us, packets of the sample)."""
    rss_bytes: int | None
    rss_bytes_per_subscriber: int | None
    join_ms: dict[str, float]
    joins_per_s: float
    generator_late_us: int
    """The longest that the generator was late with a frame; latency is counted from the true time of sending."""
    generator_cpu_share: float
    """Of one processor: the clients, signaling and handshakes included."""
    floor: dict[str, Any] | None = None
    """See ``sfu.bench.floor.Floor``; None when it was not measured."""
    cost_to_floor: float | None = None
    """The server's cost per packet divided by the floor's: bare reflector and cipher alone."""
    cost_to_sealed: float | None = None
    """The same divided by the encrypting reflector's."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def run(options: Options, progress: Progress, serve: Serve | None = None) -> Result:
    """Measures once. TargetError, JoinError when it cannot.

    ``serve`` starts another server than ours on the processor that it is told.
    """
    if serve is None and not options.adaptive:
        serve = forwarding_alone
    async with session(options.profile, url=options.url, pin=options.pin, serve=serve) as (target, load):
        meetings = [f"bench-{secrets.token_hex(4)}-{number}" for number in range(options.publishers)]
        await publish(target, load, meetings, video_kbps=options.video_kbps, audio=options.audio, progress=progress)
        before_joins, joins_start = target.usage(), time.monotonic()
        already = len(load.join_times_s)
        await subscribe(
            target,
            load,
            meetings,
            range(options.subscribers),
            audio=options.audio,
            progress=progress,
            at_once=options.joins_at_once,
        )
        joins_s, join_times_s = time.monotonic() - joins_start, sorted(load.join_times_s[already:])
        progress("warming up", 0, 1)
        await asyncio.sleep(WARM_UP_S)
        window = await Meter(target, load).measure(options.duration_s, progress)
        expected = (options.subscribers, options.subscribers * (2 if options.audio else 1))
        return result_of(asdict(options), expected, window, (before_joins, target.usage()), (join_times_s, joins_s))


def forwarding_alone(cpu: int | None) -> AbstractAsyncContextManager[Target]:
    """Our own server, which neither measures networks nor paces."""
    return own_server(cpu, {"SFU_LAYERS__ADAPTIVE": "false"})


def result_of(
    options: dict[str, Any],
    expected: tuple[int, int],
    window: Window,
    usages: tuple[Usage | None, Usage | None],
    joins: tuple[Sequence[float], float],
) -> Result:
    """``expected``: clients that receive, and the streams that they should get together. ``usages``: before the joins,
    after the measurement. ``joins``: the time that each took, and all together.
    """
    (receivers, expected_streams), (join_times_s, joins_s) = expected, joins
    counted = window.counted
    before_joins, after = usages
    rss = after.rss_bytes if after is not None else None
    grown = rss - before_joins.rss_bytes if rss is not None and before_joins is not None else None
    return Result(
        options=options,
        duration_s=window.duration_s,
        packets_per_s=window.packets_per_s,
        mbit_per_s=counted["bytes"] * 8 / 1e6 / window.duration_s,
        cpu_us_per_packet=window.cpu_us_per_packet,
        cpu_share=window.cpu_share,
        published=counted["published"],
        packets=window.packets,
        probes=counted["probes"],
        lost=window.lost,
        loss_share=window.loss_share,
        duplicates=counted["duplicates"],
        damaged=counted["damaged"],
        # A stream on which never anything came is not known to the generator.
        silent_streams=counted["silent_streams"] + max(0, expected_streams - counted["streams"]),
        keyframe_requests=counted["keyframe_requests"],
        latency_us=counted["latency_us"],
        latency_counts=counted["latency_counts"],
        rss_bytes=rss,
        rss_bytes_per_subscriber=grown // receivers if grown is not None else None,
        join_ms=join_percentiles_ms(join_times_s),
        joins_per_s=len(join_times_s) / joins_s,
        generator_late_us=counted["late_us"],
        generator_cpu_share=window.generator_cpu_share,
    )


def join_percentiles_ms(times_s: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    ascending = sorted(times_s)
    return {name: quantile(ascending, share) * 1e3 for name, share in shares.items()}
