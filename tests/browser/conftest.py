"""A real server, a real Chromium with fake devices, and people who meet in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright
from tests.browser.person import Person
from tests.support.server import RunningServer

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

NewPerson = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser; without one it says so, in one line."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.timeout(240))
        if CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine: apt-get install chromium"))


_measured: list[str] = []


@pytest.fixture
def report() -> Callable[[str], None]:
    """Takes a line with a measured number; all of them are printed when the tests are done."""
    return _measured.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Numbers that were measured on the way."""
    for line in _measured:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium as a person has it, but for its devices."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture
async def meeting_link(server: RunningServer) -> str:
    """The link of a new meeting."""
    return f"{server.url}/m/{await server.create_meeting()}"


@pytest.fixture
async def new_person(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[NewPerson]:
    """Makes people: ``await new_person("Ada", quality="360")``. On a failure their consoles are printed."""
    people: list[Person] = []

    async def make(name: str, *, quality: str = "360", script: str = "", density: float = 1.0) -> Person:
        context = await browser.new_context(viewport=VIEWPORT, device_scale_factor=density)
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
