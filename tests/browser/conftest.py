"""A real server, a real Chromium with fake devices, and people who meet in it.

Server and browser take seconds to start, so tests share them: each has a meeting of its own and pages in contexts of
their own, as strangers who share nothing. All run on one event loop, as the browser's connection belongs to one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect
from tests.browser.person import Person
from tests.support.server import RunningServer, running_server
from tests.support.waiting import PATIENCE_S

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=20",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 800, "height": 520}
"""Small: pages are composed in software here, and four of them share two cores with their codecs."""
PROBE = Path(__file__).with_name("probe.js")
TIMEOUT_S = 600
"""Of a test, measurements that are made twice and waits on a busy machine included."""

NewPerson = Callable[..., Awaitable[Person]]

expect.set_options(timeout=1000 * PATIENCE_S)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser; without one it says so, in one line."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    _last.extend(ours[-1:])
    for item in ours:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.timeout(TIMEOUT_S))
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine: apt-get install chromium"))


_last: list[pytest.Item] = []
"""The last test of this folder."""
_measured: list[str] = []


@pytest.fixture
def report() -> Callable[[str], None]:
    """Takes a line with a measured number; all of them are printed when the tests are done."""
    return _measured.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Numbers that were measured on the way."""
    for line in _measured:
        terminalreporter.write_line(f"measured: {line}")


class SharedBrowser:
    """Chromium as a person has it, but for its devices. One that crashed is replaced for the next test."""

    def __init__(self) -> None:
        self._started = AsyncExitStack()
        self._browser: Browser | None = None

    async def running(self) -> Browser:
        if self._browser is None or not self._browser.is_connected():
            playwright = await self._started.enter_async_context(async_playwright())
            self._browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=1000 * PATIENCE_S
            )
            self._started.push_async_callback(self._browser.close)
        return self._browser

    async def close(self) -> None:
        await self._started.aclose()


class SharedServer:
    """In development mode, in a process of its own. One that a test brought down is replaced for the next test."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._started = AsyncExitStack()
        self._server: RunningServer | None = None

    async def running(self) -> RunningServer:
        if self._server is None or not self._server.is_running:
            server = running_server(self._folders.mktemp("server"))
            self._server = await self._started.enter_async_context(server)
        return self._server

    async def close(self) -> None:
        """Wants an exit status of 0."""
        await self._started.aclose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[SharedBrowser]:
    shared = SharedBrowser()
    yield shared
    await shared.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServer]:
    shared = SharedServer(tmp_path_factory)
    yield shared
    await shared.close()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_stays(
    request: pytest.FixtureRequest, shared_browser: SharedBrowser, shared_server: SharedServer
) -> AsyncIterator[None]:
    """After the last test here, neither runs beside those that follow."""
    yield
    if request.node in _last:
        await shared_browser.close()
        await shared_server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(shared_browser: SharedBrowser) -> Browser:
    """The browser, running."""
    return await shared_browser.running()


@pytest_asyncio.fixture(loop_scope="session")
async def server(shared_server: SharedServer) -> AsyncIterator[RunningServer]:
    """A server that others have used and will use. Who wants to stop it, or another one, starts one."""
    server = await shared_server.running()
    begun = len(server.log())
    yield server
    print(f"--- the server's log of this test ---\n{server.log()[begun:]}")  # pytest shows it on failure
    assert server.is_running, "the server ended by itself"


@pytest_asyncio.fixture(loop_scope="session")
async def meeting_link(server: RunningServer) -> str:
    """The link of a new meeting."""
    return f"{server.url}/m/{await server.create_meeting()}"


@pytest_asyncio.fixture(loop_scope="session")
async def new_person(browser: Browser) -> AsyncIterator[NewPerson]:
    """Makes people: ``await new_person("Ada", quality="360")``. On a failure their consoles are printed."""
    people: list[Person] = []

    async def make(name: str, *, quality: str = "360", script: str = "", density: float = 1.0) -> Person:
        context = await browser.new_context(viewport=VIEWPORT, device_scale_factor=density)
        context.set_default_timeout(1000 * PATIENCE_S)
        await context.grant_permissions(["camera", "microphone", "clipboard-read", "clipboard-write"])
        await context.add_init_script(path=PROBE)
        preferences = json.dumps({"quality": quality})
        await context.add_init_script(
            f"localStorage.getItem('sfu.preferences') ?? localStorage.setItem('sfu.preferences', {preferences!r})"
        )
        if script:
            await context.add_init_script(script)
        people.append(Person(await context.new_page(), name))
        return people[-1]

    yield make
    for person in people:
        print(f"{person.name}: {person.page.url}", *person.log, sep="\n  ")
        await person.page.context.close()
