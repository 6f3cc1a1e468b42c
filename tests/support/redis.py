"""A private Redis: on a unix socket in a folder of its own, that tests may kill, stop and go on with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 60.0


def is_installed() -> bool:
    return shutil.which("redis-server") is not None


class PrivateRedis:
    """``start`` it, ``kill`` it and ``start`` it again, as often as it pleases. It keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _socket(self) -> Path:
        return self._folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Until it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, f"Redis ended\n{self.log()}"
            assert time.monotonic() < deadline, f"Redis did not start\n{self.log()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: all that it had is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """It takes connections and says nothing, until ``thaw``."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Idempotent."""
        if self._process is not None:
            self.thaw()
            self.kill()

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def private_redis() -> Iterator[PrivateRedis]:
    """A running one; its folder is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="sfu-redis-"))  # short: a socket's path has 107 bytes at most
    try:
        redis = PrivateRedis(folder)
        redis.start()
        try:
            yield redis
        finally:
            redis.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
