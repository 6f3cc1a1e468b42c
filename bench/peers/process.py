"""A server's process: started on its processor, waited for, ended, its last words kept."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.peers.adapter import PeerError

START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05
_TOLD_BYTES = 2_000


class ServerProcess:
    """One process, with what it prints in a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], folder: Path, cpu: int | None, env: Mapping[str, str] | None = None
    ) -> ServerProcess:
        """Runs ``command`` in ``folder`` on processor ``cpu``, ``env`` added to ours. PeerError when it cannot."""
        log = folder / "log"
        ours = os.sched_getaffinity(0)
        with log.open("wb") as output:
            if cpu is not None:
                # A child has its parent's processors from its first thread on.
                os.sched_setaffinity(0, {cpu})
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=folder,
                    env=os.environ | (env or {}),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            except OSError as error:
                raise PeerError(f"{name} cannot be run: {error}") from error
            finally:
                os.sched_setaffinity(0, ours)
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Of the one process."""
        return self._process.pid

    def last_words(self) -> str:
        """The end of what it printed."""
        return self._log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace").strip()

    async def wait_until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """PeerError with its last words when it ends before, or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await is_ready():
            if self._process.returncode is not None:
                raise PeerError(f"{self.name} ended with status {self._process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise PeerError(f"{self.name} was not ready within {START_TIMEOUT_S:.0f} s: {self.last_words()}")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Asks, then insists. Idempotent."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def free_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    """One that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
