"""Fixtures for tests of the whole server, the rule for machines that must have a browser, and how far property tests
look.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from tests.support import redis as redis_support
from tests.support.examples import load_profile
from tests.support.noise import repeated
from tests.support.postgres import Postgres, is_installed, private_postgres
from tests.support.redis import PrivateRedis, private_redis
from tests.support.server import RunningServer, running_server

load_profile()
# No test leaves anything in the home of who runs it.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="sfu-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server in development mode, in a process of its own."""
    async with running_server(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Running; who kills it starts it again."""
    if not is_installed():
        assert "SFU_REQUIRE_POSTGRES" not in os.environ, "PostgreSQL is not installed"
        pytest.skip("PostgreSQL is not installed")
    with private_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def redis() -> Iterator[PrivateRedis]:
    """Running; who kills it starts it again."""
    if not redis_support.is_installed():
        assert "SFU_REQUIRE_REDIS" not in os.environ, "Redis is not installed"
        pytest.skip("Redis is not installed")
    with private_redis() as redis:
        yield redis


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where SFU_REQUIRE_BROWSER is set, a browser test that is skipped has failed."""
    report = yield
    if report.skipped and "SFU_REQUIRE_BROWSER" in os.environ and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but SFU_REQUIRE_BROWSER is set: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What had to be measured twice."""
    for line in repeated:
        terminalreporter.write_line(f"repeated: {line}")
