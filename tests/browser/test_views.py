"""Gallery, speaker view and pins, by keyboard and for those who listen to the page."""

from __future__ import annotations

import re

from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPerson
from tests.browser.crowd import join_crowd
from tests.browser.person import Person
from tests.browser.screen import DESKTOP, PHONE, problems, settled, show
from tests.support.server import RunningServer
from tests.support.waiting import until

NAMES = ("Grace", "Alan", "Katherine", "Edsger")
NAMELESS = re.compile(
    r"- (button|textbox|searchbox|combobox|link|img|dialog|region|list)(?!\s+\")(:| \[|$)", re.MULTILINE
)


async def large(person: Person) -> list[str]:
    """Who is large."""
    return await person.page.locator(".tile.large .tile-name").all_inner_texts()


async def pins_told(person: Person) -> list[str]:
    """The sources that the last layout told names as pinned: it follows what is seen by up to an interval."""
    pins: list[str] = await person.page.evaluate("(__probe.layout()?.pins ?? []).map(({ source }) => source)")
    return pins


async def focused(person: Person) -> str:
    """The name of what has the focus."""
    name: str = await person.page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"
    )
    return name


def tile(person: Person, name: str) -> Locator:
    return person.page.get_by_role("list", name="Participants").get_by_role("listitem", name=re.compile(f"^{name},"))


async def test_views_and_pins_by_keyboard_alone(new_person: NewPerson, server: RunningServer) -> None:
    meeting_id = await server.create_meeting("Weekly review")
    ada, crowd = await new_person("Ada", quality="180"), await new_person("Crowd")
    await ada.page.emulate_media(reduced_motion="reduce")
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")
    await crowd.page.goto(server.url)
    await join_crowd(crowd.page, meeting_id, list(NAMES), cameras=4)
    await settled(ada, DESKTOP, 5)

    await ada.page.keyboard.press("g")
    await until(lambda: large(ada), "the speaker view", good=lambda names: names == ["Grace"])
    await ada.announced("Speaker view")
    await settled(ada, DESKTOP, 5)
    await ada.page.reload()
    await ada.connected()
    await until(lambda: large(ada), "it is remembered", good=lambda names: names == ["Grace"])
    await ada.page.keyboard.press("g")
    await until(lambda: large(ada), "the gallery", good=lambda names: names == [])

    pin = tile(ada, "Katherine").get_by_role("button", name="Pin Katherine")
    while await focused(ada) != "Pin Katherine":
        await ada.page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await ada.page.evaluate(outline) == "solid", "one sees where one is"
    await ada.page.keyboard.press("Enter")
    await until(lambda: large(ada), "Katherine is pinned", good=lambda names: names == ["Katherine"])
    await until(lambda: focused(ada), "the focus stays where it was", good=lambda name: name == "Unpin Katherine")
    await tile(ada, "Edsger").get_by_role("button", name="Pin Edsger").press("Enter")
    await until(lambda: large(ada), "both are pinned", good=lambda names: names == ["Katherine", "Edsger"])
    await settled(ada, DESKTOP, 5)
    await ada.page.mouse.move(5, 5)
    await show(ada, "pinned-desktop")
    await settled(ada, PHONE, 5)
    await show(ada, "pinned-phone")
    await until(lambda: pins_told(ada), "both pins are told", good=lambda told: told == ["camera", "camera"])
    await ada.page.keyboard.press("Escape")
    await until(lambda: large(ada), "nobody is pinned", good=lambda names: names == [])
    await expect(pin).to_have_attribute("aria-pressed", "false")
    assert await ada.page.evaluate("document.getAnimations().length") == 0, "nothing moves for who does not want it"


async def test_everything_in_a_meeting_has_a_name_and_can_be_reached(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting("Weekly review")
    ada, crowd = await new_person("Ada", quality="180"), await new_person("Crowd")
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")
    await crowd.page.goto(server.url)
    await join_crowd(crowd.page, meeting_id, list(NAMES), cameras=1)
    for window in (DESKTOP, {"width": 360, "height": 640}):
        await settled(ada, window, 5)
        await ada.page.keyboard.press("p")
        rows = ada.page.get_by_role("list", name="All participants").get_by_role("listitem")
        await until(rows.count, "the list", good=lambda count: count == 5)
        for name in ("Alan, no microphone, camera off", "Grace, no microphone, camera on"):
            await expect(ada.page.get_by_role("listitem", name=name).first).to_be_visible()
        snapshot = await ada.page.locator("body").aria_snapshot()
        assert not NAMELESS.findall(snapshot), snapshot
        await ada.page.keyboard.press("Escape")
        await rows.first.wait_for(state="detached")
        seen = await settled(ada, window, 5)
        assert not problems(seen, window)
        for control in seen["controls"]:
            if window["width"] < 400 and control["y"] > window["height"] - 80:
                assert control["width"] >= 36, control
                assert control["height"] >= 40, control

    reached = set()
    await ada.page.locator("body").click(position={"x": 1, "y": 1})
    for _ in range(40):
        await ada.page.keyboard.press("Tab")
        reached.add(await focused(ada))
    # On a phone one's hand is raised from the menu of reactions.
    wanted = {"Copy link", "Settings", "Pin Grace", "Mute", "React", "Leave", "Speaker view", "5 participants"}
    assert wanted <= reached, wanted - reached
