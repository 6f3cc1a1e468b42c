"""Chat, reactions and what hosts do, as people see and do them at the page."""

from __future__ import annotations

import re

from playwright.async_api import Locator, expect
from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.screen import DESKTOP, PHONE, show
from tests.support.server import RunningServer
from tests.support.waiting import until

HOSTILE = '<img src=x onerror="document.title=1"> javascript:alert(1) https://user@evil.example/a?b=<c> \u202eabc'


def chat(person: Person) -> Locator:
    return person.page.get_by_role("complementary", name="Chat")


def lines(person: Person) -> Locator:
    return chat(person).get_by_role("list", name="Messages").get_by_role("listitem")


async def says(person: Person, text: str) -> None:
    box = chat(person).get_by_role("textbox", name="Message")
    await box.fill(text)
    await box.press("Enter")


async def texts(person: Person) -> list[str]:
    return await chat(person).locator(".line-text").all_inner_texts()


async def reads(person: Person, *expected: str) -> None:
    """Waits until these are the lines, in their order."""
    await until(lambda: texts(person), f"{person.name} reads it", good=lambda found: found == list(expected))


async def size(person: Person, window: dict[str, int]) -> None:
    await person.page.set_viewport_size({"width": window["width"], "height": window["height"]})


async def host_of(new_person: NewPerson, server: RunningServer, name: str = "Ada") -> tuple[Person, str]:
    """The host of a new meeting, in it, and the meeting's link."""
    meeting = (await server.http.post("/meetings", json={"title": "Weekly review"})).json()
    host = await new_person(name)
    await host.page.add_init_script(f"sessionStorage.setItem('sfu.host.{meeting['id']}', '{meeting['host_token']}')")
    link = f"{server.url}/m/{meeting['id']}"
    await host.open_and_join(link)
    return host, link


async def menu(host: Person, name: str, item: str) -> None:
    """Chooses something from somebody's menu in the list of participants."""
    if await host.page.get_by_role("complementary", name="Participants").count() == 0:
        await host.page.locator("[data-control=people]").click()
    await host.page.get_by_role("button", name=f"More about {name}").click()
    await host.page.get_by_role("menuitem", name=item, exact=True).click()


async def test_two_talk_one_comes_late_and_what_a_host_deletes_is_gone_for_all(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada, link = await host_of(new_person, server)
    bo = await new_person("Bo")
    await bo.open_and_join(link)
    await ada.page.keyboard.press("c")
    await says(ada, "Good morning! The agenda: https://example.org/agenda(v2).")
    unread = bo.page.get_by_role("button", name="Chat, 1 unread")
    await unread.wait_for()
    await bo.announced("Ada: Good morning")
    await unread.click()
    first = "Good morning! The agenda: https://example.org/agenda(v2)."
    await reads(bo, first)
    found = chat(bo).get_by_role("link")
    assert await found.get_attribute("href") == "https://example.org/agenda(v2)"
    assert await found.get_attribute("rel") == "noopener noreferrer nofollow"
    await says(bo, HOSTILE)
    await reads(ada, first, HOSTILE)
    assert await ada.page.locator(".line img").count() == 0
    assert await ada.page.title() != "1"
    hrefs = await chat(ada).get_by_role("link").evaluate_all("(links) => links.map((link) => link.href)")
    assert hrefs == ["https://example.org/agenda(v2)", "https://user@evil.example/a?b="]

    await chat(ada).get_by_label("Send to").select_option(label="Bo")
    await says(ada, "Only between us: shall we wait for Cleo?")
    await reads(bo, first, HOSTILE, "Only between us: shall we wait for Cleo?")
    await chat(bo).get_by_text("to you only").wait_for()

    cleo = await new_person("Cleo")
    await cleo.open_and_join(link)
    await cleo.page.keyboard.press("c")
    await reads(cleo, first, HOSTILE)
    await chat(ada).get_by_label("Send to").select_option(label="Everyone")
    await says(ada, "Hello Cleo")
    await reads(cleo, first, HOSTILE, "Hello Cleo")
    for person in (ada, cleo):
        await size(person, DESKTOP)
    await show(ada, "chat-desktop")
    await size(cleo, PHONE)
    await show(cleo, "chat-phone")
    fills = (0, PHONE["width"])
    await until(
        chat(cleo).bounding_box, "the chat fills a phone", good=lambda box: box and (box["x"], box["width"]) == fills
    )

    bad = lines(ada).filter(has_text="evil.example")
    await bad.hover()
    await bad.get_by_role("button", name="Delete").click()
    await reads(cleo, first, "Message deleted", "Hello Cleo")
    await reads(bo, first, "Message deleted", "Only between us: shall we wait for Cleo?", "Hello Cleo")

    await chat(ada).get_by_label("Who can write").select_option("hosts")
    to = chat(cleo).get_by_label("Send to").locator("option")
    await until(to.all_inner_texts, "only hosts", good=lambda names: names == ["Ada"])
    await chat(ada).get_by_label("Who can write").select_option("off")
    await chat(cleo).get_by_text("The chat is switched off.").wait_for()
    await expect(chat(cleo).get_by_role("textbox", name="Message")).to_be_hidden()
    await cleo.page.keyboard.press("Escape")
    await chat(cleo).wait_for(state="detached")


async def test_what_was_said_while_the_socket_was_away_comes_once_and_in_order(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada, link = await host_of(new_person, server)
    bo = await new_person("Bo")
    await bo.page.add_init_script(
        "const Real = WebSocket; globalThis.sockets = [];"
        "globalThis.WebSocket = class extends Real { constructor(...how) { super(...how); sockets.push(this); } };"
        "globalThis.WebSocket.OPEN = 1;"
    )
    await bo.open_and_join(link)
    for person in (ada, bo):
        await person.page.keyboard.press("c")
    await says(ada, "one")
    await reads(bo, "one")
    await bo.page.context.set_offline(True)
    await bo.page.evaluate("sockets.at(-1).close(4000)")
    await until(bo.badge, "the socket is gone", good=lambda state: state == "reconnecting")
    await says(bo, "said into the air")
    await says(ada, "two")
    await says(ada, "three")
    await reads(ada, "one", "two", "three")
    await bo.page.context.set_offline(False)
    await reads(bo, "one", "two", "three", "said into the air")
    await reads(ada, "one", "two", "three", "said into the air")


async def test_a_host_mutes_asks_to_unmute_and_mutes_all(new_person: NewPerson, server: RunningServer) -> None:
    ada, link = await host_of(new_person, server)
    bo = await new_person("Bo")
    await bo.open_and_join(link)
    await ada.hears(1)
    await size(ada, DESKTOP)
    await ada.page.locator("[data-control=people]").click()
    await ada.page.get_by_role("button", name="More about Bo").click()
    await show(ada, "host-menu-desktop")
    await ada.page.keyboard.press("Escape")
    await menu(ada, "Bo", "Mute")
    await bo.told("Ada muted you")
    await bo.page.get_by_role("button", name="Unmute").wait_for()
    row = ada.page.get_by_role("listitem", name=re.compile("^Bo, muted"))
    await row.first.wait_for()

    await menu(ada, "Bo", "Ask to unmute")
    question = bo.page.get_by_role("dialog", name="Ada asks you to unmute")
    await question.wait_for()
    await show(bo, "asked-to-unmute")
    await question.get_by_role("button", name="Unmute").click()
    await bo.page.get_by_role("button", name="Mute", exact=True).wait_for()
    await ada.hears(1)

    await ada.page.get_by_role("button", name="Mute all").click()
    dialog = ada.page.get_by_role("dialog", name="Mute everyone?")
    await dialog.get_by_label("People may unmute themselves").uncheck()
    await show(ada, "mute-all-desktop")
    await dialog.get_by_role("button", name="Mute all").click()
    await bo.told("Raise your hand to speak")
    await bo.press("microphone")
    await bo.told("The host has muted you")
    await expect(bo.page.get_by_role("button", name="Unmute")).to_be_visible()
    await ada.page.get_by_role("button", name="Let them unmute").click()
    await bo.told("You may unmute yourself again")
    await bo.press("microphone")
    await ada.hears(1)


async def test_the_spotlight_is_large_for_all_who_pinned_nobody_and_a_co_host_may_set_it(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada, link = await host_of(new_person, server)
    bo, cleo = await new_person("Bo"), await new_person("Cleo")
    await bo.open_and_join(link)
    await cleo.open_and_join(link)
    await menu(ada, "Bo", "Make co-host")
    await bo.told("You are a co-host now")
    await menu(bo, "Cleo", "Spotlight for everyone")
    await cleo.told("You are in the spotlight")
    for person in (ada, bo):
        large = person.page.locator(".tile.large .tile-name")
        await until(large.all_inner_texts, "Cleo is large", good=lambda names: names == ["Cleo"])
    await size(ada, DESKTOP)
    await show(ada, "spotlight-desktop")
    await ada.page.locator(".tile", has_text="Bo").dblclick()
    large = ada.page.locator(".tile.large .tile-name")
    await until(large.all_inner_texts, "one's own pin counts", good=lambda names: names == ["Bo"])
    await ada.page.keyboard.press("Escape")
    await cleo.press("leave")
    await until(large.count, "nobody is large", good=lambda count: count == 0)


async def test_a_reaction_floats_for_everybody_and_is_told_once(new_person: NewPerson, server: RunningServer) -> None:
    ada, link = await host_of(new_person, server)
    bo = await new_person("Bo")
    await bo.open_and_join(link)
    await size(bo, PHONE)
    await ada.page.keyboard.press("r")
    await ada.page.get_by_role("menu", name="Reactions").wait_for()
    await ada.page.keyboard.press("ArrowRight")
    await ada.page.keyboard.press("Enter")
    await bo.sees_floating("👏")
    await show(bo, "reaction-phone")
    await bo.announced("Ada: 👏")
    await expect(bo.page.locator(".float")).to_have_count(0)
    await bo.press("react")
    await show(bo, "react-menu-phone")
    await bo.page.get_by_role("menuitem", name="Raise hand").click()
    await ada.page.locator(".tile-hand:visible").wait_for()
