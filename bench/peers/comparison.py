"""Runs of ours and of each peer in turn, and their ratios within a round, so that moods of the machine cancel."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.peers.adapter import Peer, PeerTarget
from sfu.bench.fanout import Options, Result, run
from sfu.bench.load import JoinError
from sfu.bench.target import Target, TargetError

OURS = "ours"
OURS_ALONE = "ours, forwarding alone"
"""Without estimating networks and pacing: what servers that do neither are compared with."""
JUDGED_AT = 200
"""Subscribers for which targets are set."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One fresh server under load; ``result`` is None when it could not be measured, and ``failure`` says why."""

    server: str
    subscribers: int
    round: int
    audio: bool
    adaptive: bool
    """Of a peer: whether ours is to estimate each subscriber's network beside it."""
    result: Result | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Over rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of nothing."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Row:
    """A server at one number of subscribers."""

    server: str
    subscribers: int
    audio: bool
    rounds: int
    """That were measured."""
    cpu_us_per_packet: Spread | None
    ratio: Spread | None
    """Of the server's CPU time per packet to that of ours with the same media and purpose in the same round."""
    target_ratio: float | None
    p50_ms: Spread | None
    p99_ms: Spread | None
    loss: float
    """Of all rounds; 1 when nothing came."""
    silent_streams: int
    damaged: int
    rss_kib_per_subscriber: Spread | None
    failures: Sequence[str]

    @property
    def misses(self) -> bool:
        """The target, by more than the rounds differ, or there is no figure for it."""
        if self.target_ratio is None:
            return False
        return self.ratio is None or self.ratio.most < self.target_ratio


def measure(
    peers: Sequence[Peer], options: Options, subscribers: Sequence[int], rounds: int, say: Say
) -> Iterator[Run]:
    """Ours and all of them, round by round. Every other round goes backwards, so that nobody is always the first."""
    theirs = [(peer, options.audio and peer.audio, peer.adaptive) for peer in peers]
    kinds = dict.fromkeys((audio, adaptive) for _, audio, adaptive in theirs) or {(options.audio, True): None}
    plan: list[tuple[Peer | None, bool, bool]] = [*((None, *kind) for kind in sorted(kinds, reverse=True)), *theirs]
    for number in range(rounds):
        for count in subscribers:
            for peer, audio, adaptive in plan if number % 2 == 0 else reversed(plan):
                say(f"round {number + 1} of {rounds}: {name_of(peer, adaptive)}, {count} subscribers")
                yield _measured(peer, replace(options, subscribers=count, audio=audio, adaptive=adaptive), number)


def name_of(peer: Peer | None, adaptive: bool) -> str:
    """In the report."""
    if peer is not None:
        return peer.name
    return OURS if adaptive else OURS_ALONE


def rows(runs: Sequence[Run], peers: Sequence[Peer]) -> list[Row]:
    """In the order in which they were first measured, by number of subscribers."""
    targets = {peer.name: peer.target_ratio for peer in peers}
    keys = dict.fromkeys((run.subscribers, run.server, run.audio) for run in runs if run.round == 0)
    return [_row(runs, server, count, audio, targets.get(server)) for count, server, audio in sorted(keys, key=_count)]


def as_dict(run: Run) -> dict[str, Any]:
    """For JSON."""
    return asdict(run)


def _count(key: tuple[int, str, bool]) -> int:
    return key[0]


def _measured(peer: Peer | None, options: Options, number: int) -> Run:
    processors = os.sched_getaffinity(0)
    result, failure = None, None
    try:
        serve = None if peer is None else _serve(peer)
        result = asyncio.run(run(options, lambda *_: None, serve))
    except (TargetError, JoinError) as error:
        failure = str(error)
    finally:
        # A run keeps the load on its processor.
        os.sched_setaffinity(0, processors)
    name = name_of(peer, options.adaptive)
    return Run(name, options.subscribers, number, options.audio, options.adaptive, result, failure)


def _serve(peer: Peer) -> Callable[[int | None], AbstractAsyncContextManager[Target]]:
    @asynccontextmanager
    async def serve(cpu: int | None) -> AsyncIterator[Target]:
        with tempfile.TemporaryDirectory(prefix="sfu-peer-") as folder:
            running = await peer.start(cpu, Path(folder))
            try:
                yield PeerTarget("", None, running)
            finally:
                await running.stop()

    return serve


def _row(runs: Sequence[Run], server: str, count: int, audio: bool, target: float | None) -> Row:
    mine = [run for run in runs if (run.server, run.subscribers, run.audio) == (server, count, audio)]
    beside = name_of(None, mine[0].adaptive)
    results = [run.result for run in mine if run.result is not None]
    costs = {run.round: run.result.cpu_us_per_packet for run in mine if run.result is not None}
    ours = {
        run.round: run.result.cpu_us_per_packet
        for run in runs
        if (run.server, run.subscribers, run.audio) == (beside, count, audio) and run.result is not None
    }
    ratios = [cost / base for number, cost in costs.items() if cost and (base := ours.get(number))]
    lost = sum(result.lost for result in results)
    expected = sum(result.packets - result.duplicates + result.lost for result in results)
    rss = [result.rss_bytes_per_subscriber / 1024 for result in results if result.rss_bytes_per_subscriber is not None]
    return Row(
        server=server,
        subscribers=count,
        audio=audio,
        rounds=len(results),
        cpu_us_per_packet=Spread.of([cost for cost in costs.values() if cost]),
        ratio=Spread.of(ratios),
        target_ratio=target if count == JUDGED_AT else None,
        p50_ms=Spread.of([result.latency_us["p50"] / 1e3 for result in results]),
        p99_ms=Spread.of([result.latency_us["p99"] / 1e3 for result in results]),
        loss=lost / expected if expected else 1.0,
        silent_streams=sum(result.silent_streams for result in results),
        damaged=sum(result.damaged for result in results),
        rss_kib_per_subscriber=Spread.of(rss),
        failures=[run.failure for run in mine if run.failure is not None],
    )
