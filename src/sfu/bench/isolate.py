"""The scenario ``isolate``: the server's control plane is blocked under load; what do packets notice?

That it is blocked is checked from outside: the server must not answer HTTP until the time is over.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any

from sfu.bench import block_plugin
from sfu.bench.meter import Meter
from sfu.bench.phases import Phase, Point, Summary, Watch
from sfu.bench.session import TICK_S, WARM_UP_S, Progress, publish, session, subscribe
from sfu.bench.target import TargetError
from sfu.config import BUILT_IN_PLUGINS
from sfu.dtls.srtp import SrtpProfile

QUIET_S = 3.0
"""How long the meeting is watched before and after."""
_ANSWER_S = 20.0
"""How much longer than the time of blocking its answer may take."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run; always of a server of our own. The meeting is as in ``fanout``."""

    block_s: float
    publishers: int
    subscribers: int
    video_kbps: int
    audio: bool
    profile: SrtpProfile
    pin: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """``phases``: media before, during and after."""

    options: dict[str, Any]
    blocked_s: float
    """By the server's own clock."""
    silent_s: float
    """How long a request for ``/readyz``, sent when blocking had begun, waited for its answer."""
    phases: dict[str, Summary]
    series: list[Point]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def run(options: Options, progress: Progress) -> Result:
    """Measures once. TargetError, JoinError when it cannot."""
    settings = {"SFU_PLUGINS": json.dumps([*BUILT_IN_PLUGINS, block_plugin.NAME])}
    async with session(options.profile, url=None, pin=options.pin, settings=settings) as (target, load):
        meetings = [f"bench-{secrets.token_hex(4)}-{number}" for number in range(options.publishers)]
        await publish(target, load, meetings, video_kbps=options.video_kbps, audio=options.audio, progress=progress)
        numbers = range(options.subscribers)
        await subscribe(target, load, meetings, numbers, audio=options.audio, progress=progress)
        await asyncio.sleep(WARM_UP_S)
        watch = Watch(Meter(target, load))
        watch.start()
        try:
            progress("before", 0, 1)
            await asyncio.sleep(QUIET_S)
            watch.phase = Phase.DURING
            blocked_s, silent_s = await _block(target.url, options.block_s, progress)
            watch.phase = Phase.AFTER
            progress("after", 0, 1)
            await asyncio.sleep(QUIET_S)
        finally:
            await watch.stop()
    phases = {phase.value: watch.summary(phase) for phase in Phase}
    return Result(asdict(options), blocked_s, silent_s, phases, watch.series())


async def _block(url: str, seconds: float, progress: Progress) -> tuple[float, float]:
    """(how long the server was blocked, how long it was silent). TargetError when it was not."""
    start = time.monotonic()
    limit_s = seconds + _ANSWER_S
    blocking = asyncio.create_task(
        asyncio.to_thread(_request, "POST", f"{url}{block_plugin.PATH}?seconds={seconds}", limit_s)
    )
    # The request is on its way; the probe follows it by a moment in which the server can only have begun to block.
    await asyncio.sleep(min(TICK_S, seconds / 4))
    asked = time.monotonic()
    probe = asyncio.create_task(asyncio.to_thread(_request, "GET", f"{url}/readyz", limit_s))
    while not blocking.done():
        progress("control plane blocked", time.monotonic() - start, seconds)
        await asyncio.wait([blocking], timeout=TICK_S)
    answer = json.loads(await blocking)
    await probe
    silent_s = time.monotonic() - asked
    if silent_s < seconds / 2:
        raise TargetError(f"the server answered after {silent_s:.2f} s while it should have been blocked")
    return float(answer["blocked_s"]), silent_s


def _request(method: str, url: str, timeout_s: float) -> bytes:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            body: bytes = response.read(65_536)
            return body
    except urllib.error.HTTPError as error:
        raise TargetError(f"{method} {url}: {error.code} {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise TargetError(f"{method} {url}: {error}") from error
