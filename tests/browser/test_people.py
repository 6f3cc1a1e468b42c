"""The list of participants, hands, permissions and presenters: what people see and can do of them."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPerson
from tests.browser.crowd import fill, join_crowd
from tests.browser.person import Person
from tests.browser.screen import DESKTOP, PHONE, settled, show
from tests.support.noise import steady
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until

BIG = "[meeting]\nmax_participants = 1100\nresume_window_s = 900.0\n"
FOUND_WITHIN_S = 3.0
"""From the last key to the list: a pause for the next key, and one page from the server. 0.4 s were measured."""


@pytest_asyncio.fixture(loop_scope="session")
async def big_server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server for a thousand people in a meeting."""
    async with running_server(tmp_path, config=BIG) as server:
        yield server


def panel(person: Person) -> Locator:
    """The list of participants."""
    return person.page.get_by_role("complementary", name="Participants")


def row(person: Person, name: str) -> Locator:
    """Somebody in the list of all."""
    return panel(person).get_by_role("list", name="All participants").get_by_role("listitem", name=name)


async def test_somebody_is_found_at_once_among_a_thousand(
    new_person: NewPerson, big_server: RunningServer, report: Callable[[str], None]
) -> None:
    meeting_id = await big_server.create_meeting("All hands")
    ada = await new_person("Ada")
    await ada.page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})
    await ada.open_and_join(f"{big_server.url}/m/{meeting_id}")
    before = [f"Guest {number}" for number in range(1, 500)]
    await fill(big_server, meeting_id, [*before, "Katherine Johnson", *(f"Visitor {number}" for number in range(499))])
    await ada.page.reload()  # of those who were there already the page knows a hundred
    await ada.connected()
    people = ada.page.get_by_role("button", name="1000 participants")
    await people.wait_for()
    assert await ada.page.locator(".toast").count() == 0, "nobody wants to hear of a thousand who come"

    await people.click()
    rows = panel(ada).get_by_role("list", name="All participants").get_by_role("listitem")
    await until(rows.count, "rows", good=lambda count: count >= 10)
    await show(ada, "people-1000-desktop")
    assert await rows.count() < 60, "rows that nobody sees"
    await expect(rows.first).to_have_attribute("aria-setsize", "1000")

    async def search() -> None:
        started = time.monotonic()
        await ada.page.get_by_label("Search participants").fill("johns")
        await row(ada, "Katherine Johnson").wait_for()
        found_s = time.monotonic() - started
        report(f"search among 1,000 participants: {found_s:.2f} s")
        await until(rows.count, "nobody else", good=lambda count: count == 1)
        await panel(ada).get_by_text("1 found", exact=True).wait_for()
        await ada.page.get_by_label("Search participants").fill("")
        await until(rows.count, "everybody again", good=lambda count: count >= 10)
        assert found_s < FOUND_WITHIN_S

    await steady(search, "a search among 1,000")
    scroller = panel(ada).get_by_role("list", name="All participants")

    async def at_the_end() -> bool:
        await scroller.evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
        return await panel(ada).locator("[aria-posinset='1000']").count() == 1

    await until(at_the_end, "the last of all")
    assert await rows.count() < 60

    await ada.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await scroller.evaluate("(list) => { list.scrollTop = 0; }")
    fills = (0, PHONE["width"])
    await until(
        panel(ada).bounding_box, "the list fills a phone", good=lambda box: box and (box["x"], box["width"]) == fills
    )
    await show(ada, "people-1000-phone")
    await ada.page.get_by_role("button", name="Close the list").click()
    await panel(ada).wait_for(state="detached")

    await ada.page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})
    others = ada.page.get_by_role("button", name="more", exact=False)

    async def on_the_last_page() -> bool:
        await ada.page.keyboard.press("PageDown")
        return await others.count() == 1

    await until(on_the_last_page, "those whom no tile shows are counted")
    assert re.fullmatch(r"\d{3} more", await others.inner_text())
    await show(ada, "gallery-1000-desktop")
    await others.click()
    await panel(ada).wait_for()


async def test_a_listener_raises_a_hand_is_permitted_and_speaks_and_listens_again(
    new_person: NewPerson, server: RunningServer
) -> None:
    answer = await server.http.post("/meetings", json={"title": "Lecture", "options": {"audience": True}})
    meeting = answer.json()
    host, bo, crowd = await new_person("Ada"), await new_person("Bo"), await new_person("Crowd")
    await host.page.add_init_script(f"sessionStorage.setItem('sfu.host.{meeting['id']}', '{meeting['host_token']}')")
    link = f"{server.url}/m/{meeting['id']}"
    await host.open_and_join(link)
    await crowd.page.goto(server.url)
    await join_crowd(crowd.page, meeting["id"], ["Cleo", "Dara"])
    await bo.open_and_join(link)

    await bo.announced("You are in the audience")
    for control in ("microphone", "camera", "screen"):
        await expect(bo.page.locator(f"[data-control={control}]")).to_be_hidden()
    await crowd.page.evaluate("crowd[1].raiseHand()")
    await bo.page.get_by_role("button", name="Raise hand").click()
    await bo.page.get_by_role("button", name="Lower hand").wait_for()
    await bo.announced("Your hand is raised")
    await host.announced("raised a hand")
    await host.page.keyboard.press("p")
    hands = panel(host).get_by_role("list", name="Raised hands").get_by_role("listitem")
    await until(hands.count, "two hands", good=lambda count: count == 2)
    await expect(hands.locator(".row-name")).to_have_text(["Dara", "Bo"])
    await show(host, "hands-desktop")
    await hands.nth(0).get_by_role("button", name="Lower Dara’s hand").click()
    await until(hands.count, "one hand", good=lambda count: count == 1)

    await hands.nth(0).get_by_role("button", name="Let Bo speak").click()
    await bo.announced("You can speak now")
    await until(hands.count, "no hand", good=lambda count: count == 0)
    microphone = bo.page.get_by_role("button", name="Unmute")
    await microphone.click()
    await bo.page.get_by_role("button", name="Turn on camera").click()
    await host.hears(1)
    await host.page.locator(".tile:not(.self).has-video").wait_for()
    assert await bo.page.evaluate("__probe.connections.length") == 1, "without joining again"

    await row(host, "Bo").get_by_role("button", name="Move Bo to the audience").click()
    await bo.announced("You are in the audience now")
    await expect(bo.page.locator("[data-control=microphone]")).to_be_hidden()
    await host.page.locator(".tile:not(.self).has-video").wait_for(state="detached")
    sending = "__probe.connection().getSenders().filter((sender) => sender.track).length"
    await until(lambda: bo.page.evaluate(sending), "nothing is sent", good=lambda count: count == 0)


async def test_a_presenter_hands_over_to_who_asks(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await new_person("Ada"), await new_person("Bo")
    await ada.open_and_join(meeting_link)
    await bo.open_and_join(meeting_link)
    await ada.press("screen")
    screen = bo.page.locator(".tile.large[data-source=screen].has-video")
    await screen.wait_for()
    await show(bo, "presented-desktop")

    await bo.press("screen")
    question = bo.page.get_by_role("dialog", name="Ada is presenting. Take over?")
    await question.get_by_role("button", name="Cancel").click()
    await bo.page.get_by_role("button", name="Share screen").wait_for()
    assert await ada.page.get_by_role("button", name="Stop sharing").count() == 1

    await bo.press("screen")
    await question.wait_for()
    await bo.page.keyboard.press("Enter")
    await ada.announced("Bo is presenting now")
    await ada.page.get_by_role("button", name="Share screen").wait_for()
    await ada.page.locator(".tile.large[data-source=screen].has-video").wait_for()
    await bo.page.get_by_role("button", name="Stop sharing").wait_for()


SHARE = """async (title) => {
  for (const meeting of crowd) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const drawing = canvas.getContext("2d");
    let line = 0;
    const draw = () => {
      drawing.fillStyle = "#f4f4f0";
      drawing.fillRect(0, 0, 640, 360);
      drawing.fillStyle = "#222";
      drawing.font = "28px sans-serif";
      drawing.fillText(`${title} of ${meeting.name}: ${(line += 1)}`, 40, 80);
    };
    draw();
    setInterval(draw, 200);
    await meeting.publish("screen", canvas.captureStream(5).getVideoTracks()[0], { content: "text" });
  }
}"""


async def test_of_several_screens_the_newest_is_large_and_each_can_be_chosen(
    new_person: NewPerson, server: RunningServer
) -> None:
    answer = await server.http.post("/meetings", json={"title": "Weekly review", "options": {"max_screens": 2}})
    meeting_id = answer.json()["id"]
    ada, crowd = await new_person("Ada", quality="180"), await new_person("Crowd")
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")
    await crowd.page.goto(server.url)
    await join_crowd(crowd.page, meeting_id, ["Grace", "Alan"], cameras=2)
    await crowd.page.evaluate(SHARE, "Slides")

    large = ada.page.locator(".tile.large.has-video.pictured .tile-name")
    await until(large.all_inner_texts, "the newest screen", good=lambda names: names == ["Alan’s screen"])
    chooser = ada.page.get_by_role("group", name="Shared screens")
    await expect(chooser.get_by_role("button", pressed=True)).to_have_text("Alan")
    # Oneself, two cameras, and the screen that is not large.
    await settled(ada, DESKTOP, 5)
    await show(ada, "screens-desktop")
    await chooser.get_by_role("button", name="Grace").focus()
    await ada.page.keyboard.press("Enter")
    await until(large.all_inner_texts, "the other one", good=lambda names: names == ["Grace’s screen"])
    await settled(ada, PHONE, 4)
    await show(ada, "screens-phone")

    await crowd.page.evaluate("crowd[0].unpublish('screen')")
    await until(large.all_inner_texts, "the one that is left", good=lambda names: names == ["Alan’s screen"])
    await chooser.wait_for(state="hidden")
