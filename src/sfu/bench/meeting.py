"""The scenario ``meeting``: one big meeting of our own server. All have microphones, some cameras of three encodings;
everybody sees a page of small tiles and hears who talks. Then, if asked for, many join at once.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sfu.bench import told, whip
from sfu.bench.choices import Control, Noise
from sfu.bench.crowd import SIMULCAST, Crowd, Seat, SlotCheck
from sfu.bench.fanout import join_percentiles_ms
from sfu.bench.load import JoinError, Load
from sfu.bench.meter import Meter, Window
from sfu.bench.participant import Sends, post
from sfu.bench.phases import Phase, Point, Summary, Watch
from sfu.bench.session import JOINS_AT_ONCE, WARM_UP_S, Progress, session
from sfu.bench.talk import microphones
from sfu.bench.target import SHARD, Target, Usage, metrics_of, threads_of
from sfu.dtls.srtp import SrtpProfile

JOINING_GATHER_MS, GATHER_MS = 4, 10
"""How often the generator reads its sockets, while all join and then. It sends each millisecond what is due."""
TILE = (320, 180)
LARGE = (1280, 720)
STORM_S = 2.0
REST_S, LONGEST_REST_S = 5, 30
"""A server that has too much to do is measured when what it may send has been the same for so long, seconds."""
QUIET_S = 3.0
"""How long the meeting is watched before and after a storm."""
_STORMERS = 1
"""Their group: what the storm does to the meeting is counted of those who are in it."""
_CEILING = "sfu_shard_ceiling_bps"
_BUSY, _HELD = "sfu_shard_busy_seconds_total", "sfu_receivers_held"
_SPARE = 50
"""Places of those who tried in vain and could not say goodbye."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. ``url``: a running server of our own kind, in development mode; None starts one."""

    participants: int
    cameras: int
    tiles: int
    talkers: int
    noise: Noise
    fps: int
    large: bool
    spread: bool
    """They look at all full pages of the gallery, in turn, and not all at the first."""
    follow: bool
    """Cameras send only the encodings that the server asks for."""
    storm: int
    duration_s: float
    seed: int
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True
    control: Control = Control.SERVER


_Heard = tuple[dict[str, float], dict[str, int]]
"""Notifications: figures of all, and how many of each kind."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of the server, each as a share of one processor; None when it was not started here."""

    cpu_share: float | None
    shard_share: float | None
    """The data plane's thread."""
    busy_share: float | None
    """The share of time in which the data plane did not wait, by the server's own clock: more than its processor time
    by what others took of the processor meanwhile."""
    control_share: float | None
    """All other threads."""
    us_per_packet: float | None
    """Of everything, divided by forwarded packets."""
    shard_us_per_packet: float | None


@dataclass(frozen=True, slots=True)
class Storm:
    """Many who join at once. ``phases``: what the meeting that ran noticed."""

    joins: int
    failed: int
    errors: dict[str, int]
    duration_s: float
    join_ms: dict[str, float]
    told: dict[str, float]
    """Notifications to those who were there, while the others came."""
    phases: dict[str, Summary]


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured. ``packets_in``: sent to the server; ``packets_out``: received from it. Latency is from send to
    receive.
    """

    options: dict[str, Any]
    duration_s: float
    packets_in_per_s: float
    packets_out_per_s: float
    mbit_out_per_s: float
    cost: Cost
    packets: int
    lost: int
    loss_share: float
    duplicates: int
    damaged: int
    unsent: int
    """Packets that the generator could not give to the kernel."""
    video_latency_us: dict[str, int]
    audio_latency_us: dict[str, int]
    video_latency_counts: list[tuple[int, int]]
    audio_latency_counts: list[tuple[int, int]]
    held: int | None
    """Receivers who got less video than they wished because the data plane had too much to do."""
    slots: SlotCheck
    told_joining: dict[str, float]
    """Notifications while all joined, of those in the meeting: see ``told.together``."""
    told_kinds_joining: dict[str, int]
    told_of_others_joining: dict[str, float]
    """The same from 3 s after one's own coming on."""
    told_running: dict[str, float]
    told_kinds_running: dict[str, int]
    keyframe_requests: int
    busiest_keyframe_requests: int
    join_ms: dict[str, float]
    joins_per_s: float
    joins_again: int
    """Tries that came to nothing, after which the participant tried again."""
    control_ms_per_join: float | None
    """Processor time of the control plane while all joined, what it told the others included, by participants."""
    rss_bytes: int | None
    rss_bytes_per_participant: int | None
    generator_cpu_share: float
    """Of one processor: the clients, their signaling included."""
    generator_late_us: int
    storm: Storm | None
    series: list[Point]
    """Windows around the storm."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when it cannot."""
    most = options.participants + options.storm + _SPARE
    settings = {"SFU_MEETING__MAX_PARTICIPANTS": str(most)}
    async with session(
        options.profile, url=options.url, pin=options.pin, settings=settings, control=options.control
    ) as (target, load):
        load.gather(JOINING_GATHER_MS)
        seats = _seats(options)
        crowd = Crowd(load, list(itertools.islice(seats, options.participants)), follows=options.follow)
        try:
            return await _Run(options, target, load, crowd, seats, progress).measure()
        finally:
            await crowd.close()


def _seats(options: Options) -> Iterator[Seat]:
    """The first ones have cameras, the first ones talk; those of the storm come last."""
    hearing = microphones(options.seed, options.talkers, options.noise)
    # Who has a camera has one fewer to look at.
    pages = max(1, (options.cameras - 1) // max(1, options.tiles)) if options.spread else 1
    for number, microphone in enumerate(hearing):
        camera = number < options.cameras
        sends = Sends(camera=camera, microphone=True, encodings=SIMULCAST if camera else ())
        large = LARGE if options.large else None
        page = number % pages
        yield Seat(f"bench-{number}", sends, microphone, options.tiles, TILE, large, options.fps, page)


@dataclass(slots=True)
class _Found:
    """Beside the window: what is known of a run so far."""

    empty: Usage | None
    """Of the server before anybody came; ``full`` is when all are there."""
    full: Usage | None = None
    joins_s: float = 0.0
    joins_again: int = 0
    control_s: float | None = None
    """Processor time of the control plane while they joined."""
    join_times_s: list[float] = field(default_factory=list)
    joining: _Heard = ({}, {})
    joining_others: dict[str, float] = field(default_factory=dict)
    running: _Heard = ({}, {})
    busy_s: float | None = None
    """How long the data plane did not wait while it was measured."""
    held: int | None = None
    storm: Storm | None = None
    series: list[Point] = field(default_factory=list)

    def note(self, before: Mapping[str, float], after: Mapping[str, float]) -> None:
        """The server's own numbers around the measurement."""
        if _BUSY in before and _BUSY in after:
            self.busy_s = after[_BUSY] - before[_BUSY]
        if _HELD in after:
            self.held = int(after[_HELD])


@dataclass(slots=True)
class _Run:
    options: Options
    target: Target
    load: Load
    crowd: Crowd
    seats: Iterator[Seat]
    progress: Progress

    async def measure(self) -> Result:
        options, progress, load, crowd = self.options, self.progress, self.load, self.crowd
        found, before = _Found(self.target.usage()), self._threads()
        start, address = time.monotonic(), await self._make_meeting()
        again = await crowd.enter_all(address, JOINS_AT_ONCE, lambda done, total: progress("joining", done, total))
        found.joins_again, found.joins_s = again, time.monotonic() - start
        found.join_times_s = list(load.join_times_s)
        if self.target.pid is not None:
            found.control_s = _control_s(self._used(before))
        found.joining = told.together(crowd.told(), found.joins_s), told.kinds(crowd.told())
        found.joining_others = told.together(crowd.told_later(), found.joins_s)
        await crowd.settle(options.tiles, lambda done, total: progress("filling the slots", done, total))
        load.gather(GATHER_MS)
        progress("warming up", 0, 1)
        await asyncio.sleep(WARM_UP_S)
        await self._come_to_rest()
        crowd.forget_told()
        numbers = await metrics_of(self.target)
        threads, meter = self._threads(), Meter(self.target, load)
        window = await meter.measure(options.duration_s, progress)
        used = self._used(threads) if self.target.pid is not None else None
        found.note(numbers, await metrics_of(self.target))
        found.running = told.together(crowd.told(), window.duration_s), told.kinds(crowd.told())
        crowd.check()
        slots, found.full = await crowd.check_slots(options.tiles), self.target.usage()
        if options.storm:
            found.storm, found.series = await self._storm(address)
            crowd.check()
        return _result(options, window, _cost(window, used, found.busy_s), slots, found)

    async def _come_to_rest(self) -> None:
        """Waits while the server, with too much to do, still looks for what it has time for."""
        rested = ceiling = 0.0
        for second in range(LONGEST_REST_S):
            self.progress("until the server has found its load", second, LONGEST_REST_S)
            now = (await metrics_of(self.target)).get(_CEILING, 0.0)
            rested, ceiling = rested + 1 if now == ceiling else 0.0, now
            if rested >= (REST_S if ceiling else 1):
                return
            await asyncio.sleep(1)

    async def _make_meeting(self) -> str:
        try:
            made = await asyncio.to_thread(post, f"{self.target.url}/meetings", {"id": f"bench-{secrets.token_hex(4)}"})
            return f"{self.target.url}/meetings/{made['id']}"
        except (whip.SignalingError, KeyError) as error:
            raise JoinError(str(error)) from error

    def _threads(self) -> dict[str, float]:
        return {} if self.target.pid is None else threads_of(self.target.pid)

    def _used(self, since: dict[str, float]) -> dict[str, float]:
        return {name: used - since.get(name, 0.0) for name, used in self._threads().items()}

    async def _storm(self, address: str) -> tuple[Storm, list[Point]]:
        watch = Watch(Meter(self.target, self.load))
        watch.start()
        try:
            self.progress("before the storm", 0, 1)
            await asyncio.sleep(QUIET_S)
            watch.phase, start = Phase.DURING, time.monotonic()
            self.progress("storm", 0, 1)
            newcomers = list(itertools.islice(self.seats, self.options.storm))
            self.crowd.forget_told()
            times_s = await self.crowd.storm(newcomers, address, STORM_S, _STORMERS)
            duration_s = time.monotonic() - start
            noticed = told.together(self.crowd.told()[: self.options.participants], duration_s)
            watch.phase = Phase.AFTER
            self.progress("after the storm", 0, 1)
            await asyncio.sleep(QUIET_S)
        finally:
            await watch.stop()
        storm = Storm(
            joins=len(newcomers),
            failed=self.crowd.errors.total(),
            errors=dict(self.crowd.errors.most_common(5)),
            duration_s=duration_s,
            join_ms=join_percentiles_ms(times_s),
            told=noticed,
            phases={phase.value: watch.summary(phase) for phase in Phase},
        )
        return storm, watch.series()


def _cost(window: Window, threads: dict[str, float] | None, busy_s: float | None) -> Cost:
    """``threads``: what each used meanwhile, seconds."""
    busy_share = busy_s / window.duration_s if busy_s is not None else None
    if threads is None or window.server_cpu_s is None:
        return Cost(None, None, busy_share, None, None, None)
    control_s = _control_s(threads)
    shard_s = sum(threads.values()) - control_s
    return Cost(
        cpu_share=window.cpu_share,
        shard_share=shard_s / window.duration_s,
        busy_share=busy_share,
        control_share=control_s / window.duration_s,
        us_per_packet=window.cpu_us_per_packet,
        shard_us_per_packet=shard_s * 1e6 / window.packets if window.packets else None,
    )


def _control_s(threads: dict[str, float]) -> float:
    return sum(used for name, used in threads.items() if not name.startswith(SHARD))


def _result(options: Options, window: Window, cost: Cost, slots: SlotCheck, found: _Found) -> Result:
    counted, full = window.counted, found.full
    grown = full.rss_bytes - found.empty.rss_bytes if full is not None and found.empty is not None else None
    return Result(
        options=asdict(options),
        duration_s=window.duration_s,
        packets_in_per_s=counted["published"] / window.duration_s,
        packets_out_per_s=window.packets_per_s,
        mbit_out_per_s=counted["bytes"] * 8 / 1e6 / window.duration_s,
        cost=cost,
        packets=window.packets,
        lost=window.lost,
        loss_share=window.loss_share,
        duplicates=counted["duplicates"],
        damaged=counted["damaged"],
        unsent=counted["unsent"],
        video_latency_us=counted["video_latency_us"],
        audio_latency_us=counted["audio_latency_us"],
        video_latency_counts=counted["video_latency_counts"],
        audio_latency_counts=counted["audio_latency_counts"],
        held=found.held,
        slots=slots,
        told_joining=found.joining[0],
        told_kinds_joining=found.joining[1],
        told_of_others_joining=found.joining_others,
        told_running=found.running[0],
        told_kinds_running=found.running[1],
        keyframe_requests=counted["keyframe_requests"],
        busiest_keyframe_requests=counted["busiest_keyframe_requests"],
        join_ms=join_percentiles_ms(found.join_times_s),
        joins_per_s=len(found.join_times_s) / found.joins_s,
        joins_again=found.joins_again,
        control_ms_per_join=found.control_s * 1e3 / options.participants if found.control_s is not None else None,
        rss_bytes=full.rss_bytes if full is not None else None,
        rss_bytes_per_participant=grown // options.participants if grown is not None else None,
        generator_cpu_share=window.generator_cpu_share,
        generator_late_us=counted["late_us"],
        storm=found.storm,
        series=found.series,
    )
