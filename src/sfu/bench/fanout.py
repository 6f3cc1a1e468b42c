"""The scenario ``fanout``: publishers at a steady rate, each in a meeting of its own, subscribers spread over them."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sfu.bench.load import Load
from sfu.bench.target import Target, Usage, own_server
from sfu.dtls.srtp import SrtpProfile

JOINS_AT_ONCE = 4
"""A storm of joins is another scenario."""
WARM_UP_S = 1.5
"""After the last join: keyframes have been asked for and come, and each client's first second has been decrypted."""

Progress = Callable[[str, float, float], None]
"""Told (what happens, how much of it is done, of how much)."""
Serve = Callable[[int | None], AbstractAsyncContextManager[Target]]


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
    lost: int
    duplicates: int
    damaged: int
    silent_streams: int
    """Expected streams on which nothing came."""
    keyframe_requests: int
    latency_us: dict[str, int]
    rss_bytes: int | None
    rss_bytes_per_subscriber: int | None
    join_ms: dict[str, float]
    joins_per_s: float
    generator_late_us: int
    """The longest that the generator was late with a frame; latency is counted from the true time of sending."""
    floor: dict[str, Any] | None = None
    """See ``sfu.bench.floor.Floor``; None when it was not measured."""
    cost_to_floor: float | None = None
    """The server's cost per packet divided by the floor's."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def run(options: Options, progress: Progress, serve: Serve | None = None) -> Result:
    """Measures once. TargetError, JoinError when it cannot.

    ``serve`` starts another server than ours on the processor that it is told.
    """
    server_cpu, load_cpu = processors() if options.pin else (None, None)
    async with target_of(options.url, server_cpu) if serve is None else serve(server_cpu) as target:
        if load_cpu is not None:
            os.sched_setaffinity(0, {load_cpu})
        load = Load(options.profile)
        try:
            return await _measure(options, target, load, progress)
        finally:
            load.close()


@asynccontextmanager
async def target_of(url: str | None, cpu: int | None) -> AsyncIterator[Target]:
    """The server at ``url``, or one of our own."""
    if url is not None:
        yield Target(url.rstrip("/"), None)
        return
    async with own_server(cpu) as target:
        yield target


def processors() -> tuple[int | None, int | None]:
    """One for the server, another for the load; none when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


async def _measure(options: Options, target: Target, load: Load, progress: Progress) -> Result:
    run_id = secrets.token_hex(4)
    meetings = [f"bench-{run_id}-{number}" for number in range(options.publishers)]
    for meeting in meetings:
        await load.publish(target.publisher(meeting), video_kbps=options.video_kbps, audio=options.audio)
    before_joins, joins_start = target.usage(), time.monotonic()
    already = len(load.join_times_s)
    await _join_subscribers(options, target, load, meetings, progress)
    joins_s, join_times_s = time.monotonic() - joins_start, sorted(load.join_times_s[already:])
    progress("warming up", 0, 1)
    await asyncio.sleep(WARM_UP_S)
    load.reset()
    before, start = target.usage(), time.monotonic()
    while (elapsed_s := time.monotonic() - start) < options.duration_s:
        progress("measuring", elapsed_s, options.duration_s)
        await asyncio.sleep(min(0.2, options.duration_s - elapsed_s))
    counted, after = load.report(), target.usage()
    return result_of(
        asdict(options),
        (options.subscribers, options.subscribers * (2 if options.audio else 1)),
        counted,
        (before_joins, before, after),
        (join_times_s, joins_s),
    )


async def _join_subscribers(
    options: Options, target: Target, load: Load, meetings: Sequence[str], progress: Progress
) -> None:
    places = asyncio.Semaphore(options.joins_at_once)
    joined = 0

    async def join(number: int) -> None:
        nonlocal joined
        async with places:
            meeting = meetings[number % len(meetings)]
            await load.subscribe(target.subscriber(meeting), audio=options.audio)
        joined += 1
        progress("joining", joined, options.subscribers)

    tasks = [asyncio.create_task(join(number)) for number in range(options.subscribers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        # The first failure ends the others.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def result_of(
    options: dict[str, Any],
    expected: tuple[int, int],
    counted: dict[str, Any],
    usages: tuple[Usage | None, Usage | None, Usage | None],
    joins: tuple[Sequence[float], float],
) -> Result:
    """``expected``: clients that receive, and the streams that they should get together. ``usages``: before the joins,
    before and after the measurement. ``joins``: the time that each took, ascending, and all together.
    """
    (receivers, expected_streams), (join_times_s, joins_s) = expected, joins
    duration_s, packets = counted["elapsed_us"] / 1e6, counted["packets"]
    before_joins, before, after = usages
    cpu_s = after.cpu_s - before.cpu_s if before is not None and after is not None else None
    rss = after.rss_bytes if after is not None else None
    grown = rss - before_joins.rss_bytes if rss is not None and before_joins is not None else None
    return Result(
        options=options,
        duration_s=duration_s,
        packets_per_s=packets / duration_s,
        mbit_per_s=counted["bytes"] * 8 / 1e6 / duration_s,
        cpu_us_per_packet=cpu_s * 1e6 / packets if cpu_s is not None and packets else None,
        cpu_share=cpu_s / duration_s if cpu_s is not None else None,
        published=counted["published"],
        packets=packets,
        lost=counted["lost"],
        duplicates=counted["duplicates"],
        damaged=counted["damaged"],
        # A stream on which never anything came is not known to the generator.
        silent_streams=counted["silent_streams"] + max(0, expected_streams - counted["streams"]),
        keyframe_requests=counted["keyframe_requests"],
        latency_us=counted["latency_us"],
        rss_bytes=rss,
        rss_bytes_per_subscriber=grown // receivers if grown is not None else None,
        join_ms={name: _share(join_times_s, share) * 1e3 for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))},
        joins_per_s=len(join_times_s) / joins_s,
        generator_late_us=counted["late_us"],
    )


def _share(ascending: Sequence[float], share: float) -> float:
    """The value that ``share`` of them does not exceed."""
    return ascending[max(0, min(len(ascending) - 1, round(share * len(ascending)) - 1))]
