"""A private PostgreSQL: a cluster in a folder of its own, reached by a unix socket alone, that tests may kill.

PostgreSQL refuses to run as root, so there it runs as another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

START_TIMEOUT_S = 30.0
USER = "sfu"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # a killed process loses nothing that it wrote; only a machine that stops would
    "shared_buffers": "16MB",
    "max_connections": "50",
}


def program(name: str) -> str | None:
    """Where it is: on the path, or where Debian puts the newest of several versions."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


def is_installed() -> bool:
    return program("initdb") is not None and program("postgres") is not None


class Postgres:
    """``start`` it, ``kill`` it and ``start`` it again, as often as it pleases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: dict[str, str] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres" if _has_account("postgres") else "nobody")
            self._identity = {"user": account.pw_name, "group": str(account.pw_gid)}
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder))}"

    def start(self) -> None:
        """Until it takes connections."""
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = [self._path("postgres"), "-D", str(self._data), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert self._process.poll() is None, f"PostgreSQL ended\n{self.log()}"
            assert time.monotonic() < deadline, f"PostgreSQL did not start\n{self.log()}"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server and all that it started, as when the machine is taken away."""
        assert self._process is not None
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """In order; idempotent."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": sessions are cut
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def create_database(self, name: str) -> str:
        """An empty one; its URL."""
        self._run("createdb", "-h", str(self.folder), "-U", USER, name)
        return self.url(name)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _is_ready(self) -> bool:
        command = [self._path("pg_isready"), "-q", "-h", str(self.folder), "-U", USER, "-d", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, name: str, *args: str) -> None:
        done = subprocess.run(
            [self._path(name), *args], check=False, capture_output=True, text=True, cwd=self.folder, **self._as_user()
        )
        assert done.returncode == 0, f"{name} failed\n{done.stdout}{done.stderr}"

    def _path(self, name: str) -> str:
        path = program(name)
        assert path is not None, f"{name} of PostgreSQL is not installed"
        return path

    def _as_user(self) -> dict[str, object]:
        if not self._identity:
            return {}
        return {"user": self._identity["user"], "group": int(self._identity["group"]), "extra_groups": []}


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """A running one; its folder is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="sfu-pg-"))  # short: a socket's path has 107 bytes at most
    try:
        postgres = Postgres(folder)
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
