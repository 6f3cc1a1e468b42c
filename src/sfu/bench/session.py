"""What every scenario stands on: a server on one processor, the clients on another, and subscribers who join."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sfu.bench.choices import Control
from sfu.bench.load import Load
from sfu.bench.target import Target, own_server
from sfu.dtls.srtp import SrtpProfile

JOINS_AT_ONCE = 4
"""A storm of joins is a scenario of its own."""
WARM_UP_S = 4.0
"""After the last join: keyframes have been asked for and come, each client's first second has been decrypted, and what
its network carries has been probed."""
TICK_S = 0.2
"""How often progress is told."""

Progress = Callable[[str, float, float], None]
"""Told (what happens, how much of it is done, of how much)."""
Serve = Callable[[int | None], AbstractAsyncContextManager[Target]]


@asynccontextmanager
async def session(
    profile: SrtpProfile,
    *,
    url: str | None,
    pin: bool,
    serve: Serve | None = None,
    settings: Mapping[str, str] | None = None,
    control: Control = Control.SERVER,
) -> AsyncIterator[tuple[Target, Load]]:
    """A server and the clients' generator. TargetError when the server does not start.

    ``url``: that of a running one. ``serve`` starts another server than ours on the processor that it is told;
    ``settings`` are environment variables for ours, and ``control`` says where its control plane runs.
    """
    _allow_many_sockets()
    usable = os.sched_getaffinity(0)
    server_cpu, load_cpu = processors() if pin else (None, None)
    beside = load_cpu if control is Control.LOAD else None
    try:
        async with _target(url, server_cpu, settings, beside) if serve is None else serve(server_cpu) as target:
            if load_cpu is not None:
                os.sched_setaffinity(0, {load_cpu})
            load = Load(profile)
            try:
                yield target, load
            finally:
                load.close()
    finally:
        # The next round chooses anew.
        os.sched_setaffinity(0, usable)


@asynccontextmanager
async def _target(
    url: str | None, cpu: int | None, settings: Mapping[str, str] | None, control_cpu: int | None
) -> AsyncIterator[Target]:
    if url is not None:
        yield Target(url.rstrip("/"), None)
        return
    async with own_server(cpu, settings, control_cpu=control_cpu) as target:
        yield target


def processors() -> tuple[int | None, int | None]:
    """One for the server, another for the load; none when there is only one."""
    first, *others = sorted(os.sched_getaffinity(0))
    return (first, others[0]) if others else (None, None)


def _allow_many_sockets() -> None:
    """One a client: as many as the machine lets this user have. The server inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def publish(
    target: Target, load: Load, meetings: Sequence[str], *, video_kbps: int, audio: bool, progress: Progress
) -> None:
    """One publisher in each. JoinError when one cannot join."""
    for number, meeting in enumerate(meetings):
        await load.publish(target.publisher(meeting), video_kbps=video_kbps, audio=audio)
        progress("joining publishers", number + 1, len(meetings))


async def subscribe(
    target: Target,
    load: Load,
    meetings: Sequence[str],
    numbers: range,
    *,
    audio: bool,
    progress: Progress,
    at_once: int = JOINS_AT_ONCE,
) -> None:
    """Subscriber ``n`` joins meeting ``n mod len(meetings)``, ``at_once`` at a time.

    The first JoinError ends the others.
    """
    places = asyncio.Semaphore(at_once)
    joined = 0

    async def join(number: int) -> None:
        nonlocal joined
        async with places:
            await load.subscribe(target.subscriber(meetings[number % len(meetings)]), audio=audio)
        joined += 1
        progress("joining", joined, len(numbers))

    tasks = [asyncio.create_task(join(number)) for number in numbers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
