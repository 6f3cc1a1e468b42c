"""The server under test: our own as a child on a processor of its own, or one that runs; and what it costs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sfu.bench.whip import Exchange, exchange_at

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
_POLL_S = 0.05
_METRICS_TIMEOUT_S = 5.0
_MAX_METRICS = 1 << 20
_SETTINGS = {"SFU_MEETING__MAX_VIEWERS": "10000"}
"""What a run may need beyond the defaults."""
SHARD = "sfu-shard"
"""How names of the data plane's threads begin."""
_CPUCLOCK_SCHED = 2
"""linux/posix-timers.h: user and system time, by the scheduler."""


class TargetError(Exception):
    """The server did not start, or does not run. The text is for people."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process at one moment."""

    cpu_s: float
    """User and system, all threads."""
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Target:
    """``pid`` is None when the server is not ours: its cost is not known then."""

    url: str
    pid: int | None

    def usage(self) -> Usage | None:
        """Now; None when the process is not known."""
        return None if self.pid is None else usage_of(self.pid)

    def publisher(self, meeting: str) -> Exchange:
        """How a publisher of this meeting joins."""
        return exchange_at(f"{self.url}/whip/{meeting}")

    def subscriber(self, meeting: str) -> Exchange:
        """How a subscriber of this meeting joins."""
        return exchange_at(f"{self.url}/whep/{meeting}")


def usage_of(pid: int) -> Usage:
    """TargetError when there is no such process.

    Processor time is that of the process's clock, as clock_getcpuclockid(3) makes it: it counts nanoseconds, while
    ``/proc/…/stat`` counts ticks of 10 ms, too coarse for a short run.
    """
    try:
        cpu_s = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
        pages = int((Path("/proc") / str(pid) / "statm").read_text().split()[1])
    except OSError as error:
        raise TargetError(f"the server (process {pid}) is gone") from error
    return Usage(cpu_s, pages * os.sysconf("SC_PAGE_SIZE"))


def threads_of(pid: int) -> dict[str, float]:
    """Processor time of the process's threads so far, by name, seconds; threads of one name together. TargetError."""
    times: dict[str, float] = {}
    try:
        for task in (Path("/proc") / str(pid) / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it may end just now
                name = (task / "comm").read_text().strip()
                times[name] = times.get(name, 0.0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    except OSError as error:
        raise TargetError(f"the server (process {pid}) is gone") from error
    return times


def control_cpu_s(target: Target) -> float:
    """Processor time of all threads but the data plane's so far, seconds; 0: the process is not known. TargetError."""
    times = {} if target.pid is None else threads_of(target.pid)
    return sum(time_s for name, time_s in times.items() if not name.startswith(SHARD))


async def metrics_of(target: Target) -> dict[str, float]:
    """The server's own numbers, those with several labels together; none where it does not tell them."""
    numbers: dict[str, float] = {}
    with suppress(urllib.error.URLError, OSError, ValueError):
        text = await asyncio.to_thread(_read, f"{target.url}/metrics")
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                numbers[name] = numbers.get(name, 0.0) + float(value)
    return numbers


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_METRICS_TIMEOUT_S) as response:  # noqa: S310 - ours
        return str(response.read(_MAX_METRICS).decode())


@asynccontextmanager
async def own_server(
    cpu: int | None, settings: Mapping[str, str] | None = None, *, control_cpu: int | None = None
) -> AsyncIterator[Target]:
    """``sfu serve --dev`` on free ports, kept on processor ``cpu``. TargetError when it does not start.

    ``settings``: environment variables beside those that every run needs. ``control_cpu``: where all but the data
    plane runs, if not there too.
    """
    port, media_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
    command = [sys.executable, "-m", "sfu", "serve", "--dev", "--host", HOST, "--port", str(port)]
    command += ["--media-port", str(media_port), "--log-level", "warning"]
    # The shard keeps to its own processor by itself.
    alone = {} if control_cpu is None else {"SFU_MEDIA__CPUS": json.dumps([cpu])}
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | _SETTINGS | alone | dict(settings or {}),
        )
        try:
            if cpu is not None:
                # Before it has threads: they inherit it.
                os.sched_setaffinity(process.pid, {cpu if control_cpu is None else control_cpu})
            target = Target(f"http://{HOST}:{port}", process.pid)
            try:
                await _wait_until_ready(target, process)
            except TargetError as error:
                log.seek(0)
                raise TargetError(f"{error}: {log.read(2_000).decode(errors='replace').strip()}") from None
            yield target
        finally:
            await _stop(process)


async def _wait_until_ready(target: Target, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not await asyncio.to_thread(_is_ready, target.url):
        if process.returncode is not None:
            raise TargetError(f"the server ended with exit status {process.returncode}")
        if time.monotonic() > deadline:
            raise TargetError(f"the server was not ready within {START_TIMEOUT_S:.0f} s")
        await asyncio.sleep(_POLL_S)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1.0) as response:  # noqa: S310 - ours
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
