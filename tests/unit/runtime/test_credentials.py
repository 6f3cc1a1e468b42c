"""API keys in a file count as the file says, without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sfu.access import Access, ApiKey, Scope
from sfu.config import load
from sfu.runtime.credentials import api_keys, keep_api_keys_fresh


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_keys_come_and_go_with_their_file_and_a_spoilt_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ann, ann_secret = ApiKey.create("ann", [Scope.READ])
    bob, bob_secret = ApiKey.create("bob", [Scope.READ])
    path.write_text(f"{ann}\n")
    config = load(overrides={"auth": {"api_keys_file": str(path)}}, environment={})
    access = Access(api_keys=api_keys(config))
    stop = keep_api_keys_fresh(config, access, look_s=0.01)
    try:
        assert access.api_keys.find(ann_secret) == ann
        path.write_text(f"{ann}\n{bob}\n")
        await becomes(lambda: access.api_keys.find(bob_secret) == bob)
        path.write_text("spoilt\n")
        await asyncio.sleep(0.05)
        assert len(access.api_keys) == 2
        path.unlink()
        await asyncio.sleep(0.05)
        assert len(access.api_keys) == 2
        path.write_text(f"# nobody but bob\n{bob}\n")
        await becomes(lambda: access.api_keys.find(ann_secret) is None)
        assert access.api_keys.find(bob_secret) == bob
    finally:
        stop()


async def test_without_a_file_nothing_is_looked_at() -> None:
    config = load(environment={})
    before = asyncio.all_tasks()
    keep_api_keys_fresh(config, Access())()
    assert asyncio.all_tasks() == before
