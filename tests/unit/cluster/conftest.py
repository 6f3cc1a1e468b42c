"""Processes that share a real Redis, all in this one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.redis import PrivateRedis
from tests.support.waiting import until

from sfu.cluster.cluster import Cluster
from sfu.cluster.leases import Patience
from sfu.runtime.clock import LoopClock

PATIENT = Patience(lease_s=60.0, grace_s=10.0, dead_s=0.2, claim_every_s=0.02, claim_for_s=12.0)
"""Nothing happens here because a machine is busy."""

Start = Callable[..., Any]


@pytest.fixture
async def start(redis: PrivateRedis) -> AsyncIterator[Start]:
    """Starts a process; ``patience`` as given."""
    started: list[Cluster] = []
    prefix = f"test-{os.urandom(4).hex()}:"

    async def start(app: Any = None, patience: Patience = PATIENT, meetings: dict[str, Any] | None = None) -> Any:
        cluster = Cluster(redis.url, prefix, LoopClock(asyncio.get_running_loop()), patience)
        started.append(cluster)
        await cluster.start(SimpleNamespace(meetings=meetings or {}, meeting=no_meeting, settle=settled))  # type: ignore[arg-type]
        routed = cluster.around(app or nothing)
        await until(lambda: cluster.redis.is_up, "a connection")
        if len(started) == 1:
            await cluster.redis.ask("DEL", cluster._keys.grace)  # nobody has anything to say first
        return SimpleNamespace(cluster=cluster, app=routed, id=cluster.process_id, leases=cluster.leases)

    yield start
    for cluster in started:
        await cluster.close()


async def no_meeting(_meeting_id: str) -> None:
    """It is opened elsewhere."""


async def settled() -> bool:
    """There is no store."""
    return True


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("nobody asked for that")


async def vanish(process: Any) -> None:
    """As after SIGKILL: its connections are closed, and it says nothing any more."""
    for task in process.cluster._tasks:
        task.cancel()
    await process.cluster.redis.close()
