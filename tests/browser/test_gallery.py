"""Meetings of 2 to 60 people on the screen: pages, views, pins, by pointer and by keyboard."""

from __future__ import annotations

from typing import Any

from playwright.async_api import expect
from tests.browser.conftest import NewPerson
from tests.browser.crowd import join_crowd
from tests.browser.person import Person
from tests.browser.screen import DESKTOP, PHONE, look, settled, show
from tests.support.server import RunningServer
from tests.support.waiting import until

NAMES = (
    "Grace Hopper",
    "Alan Turing",
    "Katherine Johnson",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Radia Perlman",
    "Ken Thompson",
    "Frances Allen",
    "Margaret Hamilton",
    "Maximiliane von Hohenstein-Wittelsbach",
)


def people(first: int, count: int) -> list[str]:
    return [NAMES[index] if index < len(NAMES) else f"Guest {index}" for index in range(first, first + count)]


async def tiles_of(person: Person) -> list[str]:
    """The names on the tiles, in the order in which they are read out."""
    return [tile["name"] for tile in (await look(person))["tiles"]]


async def has_pictures(person: Person, count: int) -> None:
    """Waits until so many tiles show a picture that was decoded."""
    pictures = "[...document.querySelectorAll('.tile.has-video video')].filter((it) => it.videoWidth > 0).length"
    await until(lambda: person.page.evaluate(pictures), f"{count} pictures", good=lambda n: n == count, within_s=60)


async def in_order(person: Person, name: str, *, count: int) -> dict[str, Any]:
    """Looks at both window sizes; what was seen at the desktop."""
    await settled(person, PHONE, min(6, count))
    await show(person, f"{name}-phone")
    return await settled(person, DESKTOP, count)


WATCH_TILES = """() => {
  globalThis.touched = new Set();
  let last = performance.now();
  const what = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const tile = (target.closest ? target : target.parentElement).closest(".tile");
      touched.add(tile);
      if (tile?.dataset.key !== "self") last = performance.now();
    }
  }).observe(document.querySelector(".tiles"), what);
  globalThis.quietFor = (ms) => {
    if (performance.now() - last < ms) return false;
    touched.clear();
    return true;
  };
}"""
QUIET_MS = 1_000


SWIPE = """(across) => {
  const target = document.querySelector(".tiles");
  const at = (clientX) => new Touch({ identifier: 1, target, clientX, clientY: 300 });
  const fire = (type, touches, changedTouches) => target.dispatchEvent(
    new TouchEvent(type, { bubbles: true, touches, changedTouches }));
  fire("touchstart", [at(200)], [at(200)]);
  fire("touchend", [], [at(200 + across)]);
}"""


async def one_change_touches_one_tile(person: Person, crowd: Person) -> None:
    """Somebody among many raises a hand: no other tile is worked on."""
    tile = person.page.locator(".tile", has=person.page.get_by_text("Guest 20", exact=True))
    await person.page.mouse.move(1, 1)
    await person.page.evaluate(WATCH_TILES)
    # What came before, as the size of a picture that is still changing, is over.
    await until(
        lambda: person.page.evaluate("(ms) => quietFor(ms)", QUIET_MS),
        "nobody's tile changes",
        good=lambda quiet: quiet,
    )
    await crowd.page.evaluate("crowd[20].raiseHand()")
    await tile.locator(".tile-hand").wait_for()
    touched = set(await person.page.evaluate("[...touched].map((tile) => tile?.dataset.key ?? 'the list')"))
    assert touched - {"self"} == {await tile.get_attribute("data-key")}, "but for one's own: that microphone beeps"


async def test_2_9_25_and_49_people_fit_on_one_page_and_more_on_several(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting("Weekly review")
    ada, crowd = await new_person("Ada", quality="180"), await new_person("Crowd")
    await ada.page.add_init_script("sessionStorage.first ??= localStorage.setItem('sfu.preferences', '{\"tiles\":49}')")
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")
    await crowd.page.goto(server.url)
    there = 1
    for count in (2, 9, 25, 49):
        await join_crowd(crowd.page, meeting_id, people(there - 1, count - there), cameras=count - there)
        there = count
        desktop = await in_order(ada, f"gallery-{count}", count=count)
        await has_pictures(ada, count)
        await show(ada, f"gallery-{count}-desktop")
        assert not [tile["name"] for tile in desktop["tiles"] if tile["isCut"] and len(tile["name"]) < 15]
        await expect(ada.page.get_by_role("navigation", name="Pages")).to_have_count(0)

    await one_change_touches_one_tile(ada, crowd)

    await join_crowd(crowd.page, meeting_id, people(48, 3), cameras=2)
    pages = ada.page.get_by_role("navigation", name="Pages: 1 of 2")
    await pages.wait_for()
    first = set(await tiles_of(ada))
    await ada.page.keyboard.press("PageDown")
    await ada.page.get_by_role("navigation", name="Pages: 2 of 2").wait_for()
    await until(
        lambda: tiles_of(ada),
        "who is left, those without a picture last",
        good=lambda names: set(names[:-2]) == {"Guest 48", "Guest 49"} and names[-2:] == ["Guest 50", "Ada (you)"],
    )
    await has_pictures(ada, 3)
    await show(ada, "gallery-second-page-desktop")
    await ada.page.get_by_role("button", name="Previous page").click()
    await until(lambda: tiles_of(ada), "the first page again", good=lambda names: set(names) == first)
    await ada.page.evaluate(SWIPE, -120)
    await ada.page.get_by_role("navigation", name="Pages: 2 of 2").wait_for()
    await ada.page.evaluate(SWIPE, 120)
    await pages.wait_for()
