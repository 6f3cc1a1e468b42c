"""A whole server, as users start it: ``sfu serve`` in a process of its own, on free loopback ports."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.support.waiting import until

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 40.0
PORTS = range(12_000, 32_768)
"""Below those that Linux gives to sockets that do not care which (ip(7), ip_local_port_range)."""


@dataclass
class RunningServer:
    """Where it is and how to look into it."""

    host: str
    port: int
    media_port: int
    process: asyncio.subprocess.Process
    log_path: Path
    http: httpx.AsyncClient = field(repr=False)
    was_stopped: bool = False
    was_killed: bool = False

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    def log(self) -> str:
        """Everything that it has written so far."""
        return self.log_path.read_text(errors="replace")

    async def create_meeting(self, title: str = "") -> str:
        """A new meeting's id."""
        response = await self.http.post("/meetings", json={"title": title})
        response.raise_for_status()
        meeting_id: str = response.json()["id"]
        return meeting_id

    async def metrics(self) -> dict[str, float]:
        """``/metrics`` as {name{labels}: value}."""
        response = await self.http.get("/metrics")
        response.raise_for_status()
        samples = (line.rpartition(" ") for line in response.text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def kill(self) -> None:
        """SIGKILL: nothing is said or written any more."""
        self.was_stopped = self.was_killed = True
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.was_stopped = True
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"the server did not stop within {STOP_TIMEOUT_S} s\n{self.log()}") from None


def free_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    """A port that nothing has at the moment, and that nothing is given by chance before the server takes it."""
    for _ in range(1_000):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket(socket.AF_INET, kind) as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise AssertionError(f"no port is free in {PORTS}")


@asynccontextmanager
async def running_server(
    folder: Path,
    *,
    dev: bool = True,
    config: str = "",
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningServer]:
    """Starts a server with ``config`` (TOML) and waits until it is ready; at the end stops it and wants exit status 0.

    Its log is ``folder / "server.log"``; pytest shows it when a test fails.
    """
    host, port, media_port = "127.0.0.1", free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    config_path, log_path = folder / "sfu.toml", folder / "server.log"
    config_path.write_text(config)
    command = [sys.executable, "-m", "sfu", "serve", "--config", str(config_path), "--host", host]
    command += ["--port", str(port), "--media-port", str(media_port), *(["--dev"] if dev else []), *args]
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, env={**os.environ, **(env or {})}
        )
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=REQUEST_TIMEOUT_S) as http:
        server = RunningServer(host, port, media_port, process, log_path, http)
        try:
            await _wait_until_ready(server)
            yield server
            assert server.was_stopped or server.is_running, f"the server ended by itself\n{server.log()}"
        finally:
            status = await server.stop()
            print(f"--- log of the server, exit status {status} ---\n{server.log()}")  # pytest shows it on failure
    assert status == 0 or server.was_killed


async def _wait_until_ready(server: RunningServer) -> None:
    async def is_ready() -> bool:
        assert server.is_running, f"the server did not start\n{server.log()}"
        try:
            return (await server.http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    try:
        await until(is_ready, "the server is ready", within_s=START_TIMEOUT_S)
    except AssertionError:
        print(server.log())
        raise
