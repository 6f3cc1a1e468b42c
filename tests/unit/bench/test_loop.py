"""What a bench runs on."""

from __future__ import annotations

import asyncio
import gc

import uvloop

from sfu.bench import loop
from sfu.bench.loop import young_garbage_alone


def test_a_bench_runs_on_the_loop_of_the_server() -> None:
    async def kind() -> type[asyncio.AbstractEventLoop]:
        return type(asyncio.get_running_loop())

    assert loop.run(kind()) is uvloop.Loop


def test_old_objects_are_left_alone_until_it_is_over() -> None:
    before = gc.get_threshold()
    with young_garbage_alone():
        young, old, oldest = gc.get_threshold()
        assert young > before[0]
        assert min(old, oldest) > 1_000_000
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
