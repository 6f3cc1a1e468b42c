"""The life of a whole server process: ready, told to stop, gone within the grace period."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.server import free_port
from websockets.asyncio.client import connect

from sfu.media.engine import THREAD_PREFIX
from sfu.runtime.priority import NICENESS

pytestmark = pytest.mark.e2e

WAIT_S = 45.0

STUCK_PLUGIN = """
import asyncio

class StuckPlugin:
    name = "stuck"

    def setup(self, context):
        self.logger = context.logger
        context.on_stop(self.never)

    async def never(self):
        self.logger.info("stuck")
        await asyncio.Event().wait()
"""

GARBAGE_PLUGIN = """
import gc

class GarbagePlugin:
    name = "garbage"

    def setup(self, context):
        self.logger = context.logger
        context.on_stop(self.tell)

    async def tell(self):
        self.logger.info("collected", objects=len(gc.get_objects()), left_out=gc.get_freeze_count())
"""


class Process:
    """``sfu serve --dev`` with its output."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = ""

    async def until(self, text: str) -> None:
        """Reads the output until ``text`` has come."""
        async with asyncio.timeout(WAIT_S):
            while text not in self.log:
                line = await self.process.stdout.readline()
                assert line, f"ended before it said {text!r}:\n{self.log}"
                self.log += line.decode()

    async def ends_with(self) -> int:
        """The exit status."""
        async with asyncio.timeout(WAIT_S):
            self.log += (await self.process.stdout.read()).decode()
            return await self.process.wait()


@asynccontextmanager
async def serving(folder: Path, config: str = "") -> AsyncIterator[Process]:
    file = folder / "sfu.toml"
    file.write_text(config)
    port, media_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    command = [sys.executable, "-m", "sfu", "serve", "--dev", "--config", str(file)]
    command += ["--port", str(port), "--media-port", str(media_port)]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"},
    )
    server = Process(process, port)
    try:
        await server.until(f"Ready. Open {server.url}")
        yield server
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def serving_from_shell(
    *, before: str = "", by: str = "", after: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """``sfu serve --dev`` with shell words around it, once it answers."""
    port, media_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    command = f"{before} exec {by} {sys.executable} -m sfu serve --dev --port {port} --media-port {media_port} {after}"
    process = await asyncio.create_subprocess_shell(command)
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8)) as http:
            assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_stop_tells_participants_and_exits_with_0(tmp_path: Path):
    async with serving(tmp_path) as server, httpx.AsyncClient(base_url=server.url) as http:
        meeting = (await http.post("/meetings", json={})).json()["id"]
        joined = (await http.post(f"/meetings/{meeting}/join", json={"name": "Ann"})).json()
        async with connect(joined["signaling_url"], subprotocols=["sfu.v1.json"]) as signaling:
            await signaling.send(json.dumps({"type": "hello", "id": 1, "token": joined["token"]}))
            assert json.loads(await signaling.recv())["type"] == "welcome"
            server.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_S):
                heard = [json.loads(message) async for message in signaling]
        assert heard[-1] == {"type": "meeting_ended", "reason": "server_stopping"}
        assert signaling.close_code == 1001
        assert await server.ends_with() == 0, server.log
        assert joined["token"] not in server.log


async def test_ctrl_c_is_a_stop_like_any_other(tmp_path: Path):
    async with serving(tmp_path) as server:
        server.process.send_signal(signal.SIGINT)
        assert await server.ends_with() == 0, server.log


@pytest.mark.parametrize(
    ("grace_period_s", "signals", "reason"), [(0.5, 1, "grace period is over"), (300, 2, "signal")]
)
async def test_what_does_not_stop_is_cut_short_by_the_grace_period_or_a_second_signal(
    tmp_path: Path, grace_period_s: float, signals: int, reason: str
):
    (tmp_path / "stuck_plugin.py").write_text(STUCK_PLUGIN)
    config = f"plugins = ['observability', 'stuck_plugin:StuckPlugin']\n[server]\ngrace_period_s = {grace_period_s}"
    async with serving(tmp_path, config) as server:
        server.process.send_signal(signal.SIGTERM)
        await server.until("stuck  ")
        with pytest.raises(httpx.TransportError):
            await httpx.AsyncClient(base_url=server.url).get("/healthz")
        for _ in range(signals - 1):
            server.process.send_signal(signal.SIGTERM)
        assert await server.ends_with() == 1, server.log
        assert "stop_cut_short" in server.log
        assert reason in server.log


async def test_what_start_made_is_left_out_of_garbage_collection(tmp_path: Path):
    (tmp_path / "garbage_plugin.py").write_text(GARBAGE_PLUGIN)
    async with serving(tmp_path, "plugins = ['observability', 'garbage_plugin:GarbagePlugin']") as server:
        server.process.send_signal(signal.SIGTERM)
        assert await server.ends_with() == 0, server.log
    objects, left_out = (int(re.search(rf"{name}=(\d+)", server.log)[1]) for name in ("objects", "left_out"))
    assert left_out > 10_000
    assert objects < left_out / 5


@pytest.mark.parametrize("redirections", [">/dev/full 2>/dev/full", "<&- >&- 2>&-"], ids=["disk full", "closed"])
async def test_it_serves_whatever_became_of_its_output(redirections: str):
    async with serving_from_shell(after=redirections) as process:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0


async def test_it_takes_as_many_descriptors_as_it_may_have():
    async with serving_from_shell(before="ulimit -S -n 100; ulimit -H -n 5000;") as process:
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (5000, 5000)


def niceness_of_planes(pid: int) -> tuple[set[int], int]:
    """Of all shards, and of the control plane."""
    threads = {int(task.name): (task / "comm").read_text() for task in Path(f"/proc/{pid}/task").iterdir()}
    shards = [thread for thread, name in threads.items() if name.startswith(THREAD_PREFIX)]
    return {os.getpriority(os.PRIO_PROCESS, shard) for shard in shards}, os.getpriority(os.PRIO_PROCESS, pid)


async def test_the_packet_path_comes_before_python():
    async with serving_from_shell() as process:
        shards, control = niceness_of_planes(process.pid)
    assert shards == {control - NICENESS}


async def test_without_the_right_to_raise_the_packet_path_python_steps_back():
    own = os.getpriority(os.PRIO_PROCESS, 0)
    # Who is not root does not have it, and could not give it away.
    without = "setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice" if os.geteuid() == 0 else ""
    async with serving_from_shell(by=without) as process:
        assert niceness_of_planes(process.pid) == ({own}, own + NICENESS)
