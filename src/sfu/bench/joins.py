"""The scenario ``joins``: a storm of joins at a steady rate beside a meeting that runs.

The storm is open-loop: a join starts when its time has come, whether or not the ones before it are done, and its time
counts from then on. Those who join come to other meetings, ten to each, in which nobody publishes, and stay.

They come by WHEP, which is one request; or, ``whole``, as the page does: to meetings that were made before, with the
token of their links, by a request that is noted in the store, a WebSocket, an offer and an answer. With ``places`` they
all come to one meeting that has only so many: the others are to be refused in words that a client can go by.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from sfu.bench.ask import Refusal, look_up
from sfu.bench.fanout import join_percentiles_ms
from sfu.bench.load import JoinError, Load
from sfu.bench.loop import young_garbage_alone
from sfu.bench.meter import Meter
from sfu.bench.participant import JoinRefusedError, Participant, post
from sfu.bench.phases import Phase, Point, Summary, Watch
from sfu.bench.session import WARM_UP_S, Progress, publish, session, subscribe
from sfu.bench.target import Target, control_cpu_s
from sfu.bench.whip import SignalingError
from sfu.dtls.srtp import SrtpProfile

QUIET_S = 3.0
"""How long the running meeting is watched before and after."""
MEETING_SIZE = 10
TILES = 4
"""Cameras of others for which a whole participant has places from the beginning."""
MAX_JOINS = 9_000
"""Sockets of one process."""
AT_ONCE = 100
"""Participants between the answer to their request and their keys: a generator that begins with all of them is done
with none before the server gives them up. Where joins keep up there are fewer by themselves.
"""
_BYSTANDERS = 1
"""The group of those who join: the running meeting alone is counted."""


FULL = Refusal(409, "meeting_full", tells_when=True)
"""What who finds no place is to be told."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. The running meeting has ``publishers`` and ``subscribers``, as in ``fanout``."""

    rate: float
    duration_s: float
    publishers: int
    subscribers: int
    video_kbps: int
    audio: bool
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True
    whole: bool = False
    places: int | None = None
    """Of the one meeting that all come to (``whole``); None: there is a place for everybody, ten in a meeting."""

    @property
    def joins(self) -> int:
        """In all."""
        return round(self.rate * self.duration_s)


@dataclass(frozen=True, slots=True)
class Result:
    """``phases``: the running meeting before, during and after the storm."""

    options: dict[str, Any]
    joins: int
    failed: int
    refused: int
    """Where there are fewer ``places`` than joins: by 409 ``meeting_full`` that says when to come again. Every other
    end of a join is a failure.
    """
    refused_ms: dict[str, float]
    present: int | None
    """How many the server says are in the one meeting after the storm; None: there was not one."""
    errors: dict[str, int]
    """The first few kinds of failure, and how often each happened."""
    joins_per_s: float
    """Joins that came about, from the start of the first to the end of the last."""
    join_ms: dict[str, float]
    cpu_ms_per_join: float | None
    """Of the server without its data plane, from the first join to the last, milliseconds; None: not known."""
    most_at_once: int
    """Joins under way at the same time: it grows when the server or the generator does not keep up."""
    rss_bytes: int | None
    phases: dict[str, Summary]
    series: list[Point]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Joins(Protocol):
    """How those of the storm come in."""

    async def join(self, number: int) -> None:
        """Those with neighbouring numbers come to the same meeting. JoinError."""

    async def close(self) -> None:
        """All of them leave."""


class Viewers:
    """By WHEP, to meetings that there are when somebody comes."""

    def __init__(self, target: Target, load: Load) -> None:
        self._target, self._load, self._name = target, load, f"storm-{secrets.token_hex(4)}"

    async def join(self, number: int) -> None:
        """See ``Joins``."""
        meeting = f"{self._name}-{number // MEETING_SIZE}"
        await self._load.subscribe(self._target.subscriber(meeting), audio=True, group=_BYSTANDERS)

    async def close(self) -> None:
        """They go with the generator."""


class Participants:
    """Whole participants, to meetings that nobody enters without the token of its link."""

    def __init__(self, load: Load, meetings: Sequence[tuple[str, str]], size: int) -> None:
        """``meetings``: address and token of each, to which so many come."""
        self._load, self._meetings, self._size = load, meetings, size
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._inside: list[Participant] = []

    @classmethod
    async def make(cls, target: Target, load: Load, options: Options, progress: Progress) -> Self:
        """Makes the meetings. JoinError."""
        size = MEETING_SIZE if options.places is None else options.joins
        total = -(-options.joins // size)
        wish = {"title": "Storm", "access": "token"} | (
            {} if options.places is None else {"max_participants": options.places}
        )
        meetings: list[tuple[str, str]] = []
        for number in range(total):
            try:
                made = await asyncio.to_thread(post, f"{target.url}/meetings", wish)
                meetings.append((f"{target.url}/meetings/{made['id']}", made["join_token"]))
            except (SignalingError, KeyError) as error:
                raise JoinError(f"a meeting was not made: {error}") from error
            progress("making meetings", number + 1, total)
        return cls(load, meetings, size)

    async def present(self) -> int:
        """How many the server says are in the first meeting. JoinError."""
        try:
            found = await asyncio.to_thread(look_up, self._meetings[0][0])
            return int(found["participants"])
        except (SignalingError, KeyError, TypeError) as error:
            raise JoinError(f"the meeting does not say how many are in it: {error}") from error

    async def join(self, number: int) -> None:
        """See ``Joins``."""
        address, token = self._meetings[number // self._size]
        one = Participant(self._load, f"storm-{number}", lambda: None, group=_BYSTANDERS)
        try:
            await one.join(address, TILES, token, turn=self._turns)
        except JoinError:
            await one.close()
            raise
        self._inside.append(one)

    async def close(self) -> None:
        """See ``Joins``."""
        await asyncio.gather(*(one.close() for one in self._inside))


@dataclass(slots=True)
class _Storm:
    """What is known of it so far."""

    times_s: list[float]
    errors: Counter[str]
    refused_s: list[float] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    duration_s: float = 0.0

    async def join(self, joins: Joins, number: int, due: float, *, may_refuse: bool) -> None:
        """One of the joins; ``due`` is when it was to start."""
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await joins.join(number)
            self.times_s.append(time.monotonic() - due)
        except JoinRefusedError as error:
            if may_refuse and error.refusal == FULL:
                self.refused_s.append(time.monotonic() - due)
            else:
                self.errors[str(error)] += 1
        except JoinError as error:
            self.errors[str(error)] += 1
        finally:
            self.under_way -= 1

    async def run(self, options: Options, joins: Joins, progress: Progress) -> None:
        """Starts each join when it is due, and waits for the last."""
        start = time.monotonic()
        total = options.joins
        async with asyncio.TaskGroup() as tasks:
            for number in range(total):
                due = start + number / options.rate
                # Also without waiting: the others must have their turn.
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.create_task(self.join(joins, number, due, may_refuse=options.places is not None))
                progress("joining", number + 1, total)
        self.duration_s = time.monotonic() - start


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when the running meeting does not come about."""
    settings = {"SFU_MEETING__MAX_MEETINGS": "10000", "SFU_MEETING__MAX_PARTICIPANTS": "10000"}
    async with session(options.profile, url=options.url, pin=options.pin, settings=settings) as (target, load):
        with young_garbage_alone():
            return await _measure(options, target, load, progress)


async def _measure(options: Options, target: Target, load: Load, progress: Progress) -> Result:
    meetings = [f"bench-{secrets.token_hex(4)}-{number}" for number in range(options.publishers)]
    await publish(target, load, meetings, video_kbps=options.video_kbps, audio=options.audio, progress=progress)
    numbers = range(options.subscribers)
    await subscribe(target, load, meetings, numbers, audio=options.audio, progress=progress)
    await asyncio.sleep(WARM_UP_S)
    joins: Joins = Viewers(target, load)
    if options.whole:
        joins = await Participants.make(target, load, options, progress)
    present = None
    storm, watch = _Storm([], Counter()), Watch(Meter(target, load))
    watch.start()
    try:
        progress("before the storm", 0, 1)
        await asyncio.sleep(QUIET_S)
        watch.phase = Phase.DURING
        control_before_s = control_cpu_s(target)
        await storm.run(options, joins, progress)
        control_s = control_cpu_s(target) - control_before_s
        watch.phase = Phase.AFTER
        if options.places is not None and isinstance(joins, Participants):
            present = await joins.present()
        progress("after the storm", 0, 1)
        await asyncio.sleep(QUIET_S)
    finally:
        await watch.stop()
        await joins.close()
    usage = target.usage()
    return _result(
        options,
        storm,
        watch,
        cpu_ms_per_join=control_s * 1e3 / len(storm.times_s) if usage is not None and storm.times_s else None,
        rss_bytes=usage.rss_bytes if usage is not None else None,
        present=present,
    )


def _result(
    options: Options,
    storm: _Storm,
    watch: Watch,
    *,
    cpu_ms_per_join: float | None,
    rss_bytes: int | None,
    present: int | None,
) -> Result:
    failed = storm.errors.total()
    return Result(
        options=asdict(options),
        joins=len(storm.times_s) + failed + len(storm.refused_s),
        failed=failed,
        refused=len(storm.refused_s),
        refused_ms=join_percentiles_ms(storm.refused_s),
        present=present,
        errors=dict(storm.errors.most_common(5)),
        joins_per_s=len(storm.times_s) / storm.duration_s if storm.duration_s else 0.0,
        join_ms=join_percentiles_ms(storm.times_s),
        cpu_ms_per_join=cpu_ms_per_join,
        most_at_once=storm.most_at_once,
        rss_bytes=rss_bytes,
        phases={phase.value: watch.summary(phase) for phase in Phase},
        series=watch.series(),
    )
