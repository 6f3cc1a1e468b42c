"""The scenario ``mesh``: one meeting of our own server in which some publish and everybody sees and hears them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sfu.bench import whip
from sfu.bench.fanout import Result, result_of
from sfu.bench.load import JoinError, Load
from sfu.bench.meter import Meter
from sfu.bench.participant import Participant, Sends, post
from sfu.bench.session import JOINS_AT_ONCE, WARM_UP_S, Progress, session
from sfu.bench.target import Target
from sfu.dtls.srtp import SrtpProfile

MAX_CAMERAS = 49
"""Video slots that a participant may ask for."""
SETTLE_TIMEOUT_S = 20.0
"""How long after the last join the slots may take to show what they should. What is missing then is reported."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run. ``url``: a running server of our own kind, in development mode; None starts one."""

    participants: int
    publishers: int
    video_kbps: int
    audio: bool
    duration_s: float
    profile: SrtpProfile
    url: str | None = None
    pin: bool = True


class _Meeting:
    """The participants, and a way to wait until their slots show what they should."""

    def __init__(self, options: Options, load: Load) -> None:
        self._options = options
        self._changed = asyncio.Event()
        publisher = Sends(camera=True, microphone=options.audio)
        self.participants = [
            Participant(
                load, f"bench-{number}", self._changed.set, publisher if number < options.publishers else Sends()
            )
            for number in range(options.participants)
        ]

    def expected(self, number: int) -> tuple[int, int]:
        """Streams (audio, video) for a participant: those of all others who publish, audio as far as slots go."""
        others = self._options.publishers - (number < self._options.publishers)
        audio = min(others, self.participants[number].count("audio")) if self._options.audio else 0
        return audio, min(others, MAX_CAMERAS)

    def expected_streams(self) -> int:
        """Of all participants together."""
        return sum(sum(self.expected(number)) for number in range(len(self.participants)))

    async def enter(self, number: int, meeting_url: str) -> None:
        """Joins; the first ones publish."""
        participant, publishes = self.participants[number], number < self._options.publishers
        await participant.join(meeting_url)
        if publishes:
            await participant.publish(self._options.video_kbps)
        await participant.see(self.expected(number)[1])

    async def settle(self, progress: Callable[[int], None]) -> None:
        """Until every slot shows what it should, or the time is over. JoinError when somebody fell out."""
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while True:
            self._changed.clear()
            self.check()
            settled = sum(self._is_settled(number) for number in range(len(self.participants)))
            progress(settled)
            left_s = deadline - time.monotonic()
            if settled == len(self.participants) or left_s <= 0:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), left_s)
            except TimeoutError:
                return

    def check(self) -> None:
        """JoinError when somebody fell out of the meeting."""
        for participant in self.participants:
            if participant.failure is not None:
                raise JoinError(f"a participant fell out of the meeting: {participant.failure}")

    def _is_settled(self, number: int) -> bool:
        participant = self.participants[number]
        return (participant.showing("audio"), participant.showing("video")) == self.expected(number)

    async def close(self) -> None:
        await asyncio.gather(*(participant.close() for participant in self.participants), return_exceptions=True)


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when it cannot."""
    async with session(options.profile, url=options.url, pin=options.pin) as (target, load):
        meeting = _Meeting(options, load)
        try:
            return await _measure(options, target, load, meeting, progress)
        finally:
            await meeting.close()


async def _measure(options: Options, target: Target, load: Load, meeting: _Meeting, progress: Progress) -> Result:
    before_joins, joins_start = target.usage(), time.monotonic()
    await _enter_all(meeting, await _make_meeting(target), progress)
    joins_s, join_times_s = time.monotonic() - joins_start, list(load.join_times_s)
    await meeting.settle(lambda settled: progress("filling the slots", settled, options.participants))
    progress("warming up", 0, 1)
    await asyncio.sleep(WARM_UP_S)
    window = await Meter(target, load).measure(options.duration_s, progress)
    meeting.check()
    return result_of(
        asdict(options),
        (options.participants, meeting.expected_streams()),
        window,
        (before_joins, target.usage()),
        (join_times_s, joins_s),
    )


async def _make_meeting(target: Target) -> str:
    """The meeting's address."""
    try:
        made = await asyncio.to_thread(post, f"{target.url}/meetings", {"id": f"bench-{secrets.token_hex(4)}"})
        return f"{target.url}/meetings/{made['id']}"
    except (whip.SignalingError, KeyError) as error:
        raise JoinError(str(error)) from error


async def _enter_all(meeting: _Meeting, meeting_url: str, progress: Progress) -> None:
    """A few at a time. The first failure ends the others."""
    places = asyncio.Semaphore(JOINS_AT_ONCE)
    count, entered = len(meeting.participants), 0

    async def enter(number: int) -> None:
        nonlocal entered
        async with places:
            await meeting.enter(number, meeting_url)
        entered += 1
        progress("joining", entered, count)

    tasks = [asyncio.create_task(enter(number)) for number in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
