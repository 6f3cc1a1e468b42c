"""Getting in: waiting to be let in, what hosts see and do at the door, staying out once removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.conftest import VIEWPORT, NewPerson
from tests.browser.person import Person
from tests.browser.screen import PHONE, show
from tests.support.server import RunningServer, running_server

SLOWLY = "[admission]\nadmit_per_s = 0.5\n"


@pytest_asyncio.fixture(loop_scope="session")
async def slow_server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server whose waiting rooms let in one person every two seconds."""
    async with running_server(tmp_path, config=SLOWLY) as server:
        yield server


async def make(server: RunningServer, **fields: object) -> dict[str, str]:
    """A meeting: its link, its host token."""
    answer = await server.http.post("/meetings", json={"title": "Review", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def as_host(person: Person, made: dict[str, str]) -> None:
    """Joins with the host token, as the page of who made the meeting does."""
    await person.page.goto(made["join_url"])
    await person.page.evaluate(
        "([id, token]) => sessionStorage.setItem(`sfu.host.${id}`, token)", [made["id"], made["host_token"]]
    )
    await person.page.reload()
    await person.page.get_by_label("Your name").fill(person.name)
    await person.join()


async def knock(person: Person, link: str) -> None:
    """Joins, as far as one gets."""
    await person.open(link)
    await person.page.get_by_role("button", name="Join", exact=True).click()


def heading(person: Person, text: str) -> Locator:
    """What the page says in large."""
    return person.page.get_by_role("heading", name=text)


def waiting(person: Person) -> Locator:
    """Those who wait, in the list of people."""
    return person.page.get_by_role("list", name="People who wait").get_by_role("listitem")


async def test_one_waits_and_comes_in_with_the_hosts_word(new_person: NewPerson, server: RunningServer) -> None:
    made = await make(server, access="waiting_room")
    host, ann, bob = [await new_person(name) for name in ("Hannah", "Ann", "Bob")]
    await as_host(host, made)
    await ann.page.set_viewport_size(PHONE)
    await knock(ann, made["join_url"])
    await expect(heading(ann, "Waiting for the host to let you in")).to_be_focused()
    await expect(ann.page.get_by_text("You are next in line.")).to_be_visible()
    await knock(bob, made["join_url"])
    await expect(bob.page.get_by_text("You are number 2 in line.")).to_be_visible()
    await show(ann, "waiting-phone")
    await show(bob, "waiting-desktop")

    banner = host.page.locator(".door-banner")
    await expect(banner).to_contain_text("2 people are waiting")
    await host.announced("2 people are waiting")
    await banner.get_by_role("button", name="View").click()
    await expect(waiting(host)).to_have_count(2)
    await show(host, "door-desktop")
    await host.page.get_by_role("button", name="Admit Ann").press("Enter")
    await ann.connected()
    await expect(bob.page.get_by_text("You are next in line.")).to_be_visible()
    await host.page.get_by_role("button", name="Deny Bob").focus()
    await host.page.keyboard.press("Enter")
    await expect(heading(bob, "You were not let in")).to_be_visible()
    await expect(waiting(host)).to_have_count(0)
    await ann.sees(host, fps=1)

    await bob.page.get_by_role("button", name="Try again").click()
    await bob.page.get_by_role("button", name="Join", exact=True).click()
    await expect(heading(bob, "You were not let in")).to_be_visible()  # for some minutes

    cid = await new_person("Cid")
    await knock(cid, made["join_url"])
    await expect(heading(cid, "Waiting for the host to let you in")).to_be_visible()
    await cid.page.reload()
    await expect(heading(cid, "Waiting for the host to let you in")).to_be_visible()
    await host.page.get_by_role("button", name="Close the list").click()
    await expect(banner).to_contain_text("Cid is waiting")
    await banner.get_by_role("button", name="Admit").click()
    await cid.connected()


async def test_who_was_removed_stays_out_and_a_locked_door_is_locked(
    new_person: NewPerson, server: RunningServer
) -> None:
    made = await make(server)
    host, ann, bob = [await new_person(name) for name in ("Hannah", "Ann", "Bob")]
    await as_host(host, made)
    await ann.open_and_join(made["join_url"])
    await host.page.locator("[data-control=people]").click()
    await host.page.get_by_role("listitem", name="Ann").get_by_role("button").last.click()
    await host.page.get_by_role("menuitem", name="Remove").click()
    await show(host, "remove-desktop")
    await host.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(heading(ann, "You were removed from the meeting")).to_be_visible()
    await expect(ann.page.get_by_role("button", name="Try again")).to_have_count(0)
    await show(ann, "removed-desktop")
    await ann.page.reload()
    await knock(ann, made["join_url"])
    await expect(heading(ann, "You were removed from the meeting")).to_be_visible()

    out = host.page.get_by_role("listitem", name="Ann, kept out")
    await host.page.get_by_text("Kept out (1)").click()
    await expect(out).to_contain_text("Removed at")
    await show(host, "kept-out-desktop")
    await host.page.set_viewport_size(PHONE)
    await show(host, "kept-out-phone")
    await host.page.set_viewport_size(VIEWPORT)
    await out.get_by_role("button", name="Let Ann come again").press("Enter")
    await host.page.get_by_role("dialog").get_by_role("button", name="Let them come").press("Enter")
    await expect(out).to_have_count(0)
    await ann.page.reload()
    await knock(ann, made["join_url"])
    await ann.connected()

    lock = host.page.locator("[data-control=lock]")
    await lock.click()
    await expect(lock).to_have_attribute("aria-pressed", "true")
    await knock(bob, made["join_url"])
    await expect(heading(bob, "The meeting is locked")).to_be_visible()
    await lock.click()
    await expect(lock).to_have_attribute("aria-pressed", "false")
    await bob.page.get_by_role("button", name="Try again").click()
    await bob.join()


async def test_before_the_host_comes_one_waits_and_the_link_must_be_whole(
    new_person: NewPerson, server: RunningServer
) -> None:
    made = await make(server, access="token", lobby=True)
    ann, host = [await new_person(name) for name in ("Ann", "Hannah")]
    await knock(ann, made["join_url"].partition("#")[0])
    await expect(heading(ann, "This link is not complete")).to_be_visible()
    await ann.page.goto("about:blank")
    await knock(ann, made["join_url"])
    await expect(heading(ann, "The host has not come yet")).to_be_visible()
    await as_host(host, made)
    await ann.connected()
    await ann.sees(host, fps=1)


async def test_a_waiting_room_may_let_people_in_by_itself_in_their_order(
    new_person: NewPerson, slow_server: RunningServer
) -> None:
    made = await make(slow_server, access="waiting_room")
    ann = await new_person("Ann")
    await knock(ann, made["join_url"])
    await ann.connected()
