"""The home view's list of meetings: planned ones with their time and zone; planning, changing and cancelling them,
with a key and without.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect
from tests.browser.conftest import NewPerson
from tests.browser.screen import show
from tests.support.server import RunningServer, running_server

from sfu.access import ApiKey, Scope


async def plan(page: Page, title: str, access: str = "waiting_room") -> str:
    """The link that the page tells."""
    await page.get_by_role("button", name="Plan a meeting").click()
    form = page.get_by_role("dialog", name="Plan a meeting")
    await form.get_by_label("Title").fill(title)
    await form.get_by_label(re.compile("^Start, in ")).fill("2031-03-04T09:30")
    await form.get_by_label("Who gets in").select_option(access)
    await form.get_by_role("button", name="Plan it").click()
    link = await form.get_by_label("Link of the meeting").input_value()
    assert re.search(r"/m/[\w-]+#[\w-]+$", link)
    await form.get_by_role("button", name="Close").click()
    return link


async def fits(page: Page) -> bool:
    """Nothing is wider than the window, or than the dialog that is open."""
    boxes = "[document.documentElement, ...document.querySelectorAll('dialog[open]')]"
    found: bool = await page.evaluate(f"{boxes}.every((box) => box.scrollWidth <= box.clientWidth)")
    return found


async def test_meetings_are_planned_and_listed_on_the_home_view(
    new_person: NewPerson, server: RunningServer, tmp_path: Path
) -> None:
    ada = await new_person("Ada")
    page = ada.page
    await page.goto(server.url)
    link = await plan(page, "Quarterly review")
    row = page.get_by_role("listitem").filter(has_text="Quarterly review")
    await expect(row).to_contain_text("9:30")
    await expect(row).to_contain_text("waiting room")
    zone = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    await expect(page.get_by_text(f"Times in {zone}")).to_be_visible()
    async with page.expect_download() as download:
        await row.get_by_role("link", name="Add Quarterly review to a calendar").click()
    file = tmp_path / "meeting.ics"
    await (await download.value).save_as(file)
    entry = file.read_bytes().replace(b"\r\n ", b"").decode().split("\r\n")
    assert "SUMMARY:Quarterly review" in entry
    assert f"URL:{link}" in entry, "who opens it from the calendar gets in, as with the link"
    for width, height in ((1280, 800), (390, 844), (320, 640)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await fits(page), width
        await show(ada, f"plans-{width}")
    await row.get_by_role("link", name="Open Quarterly review").click()
    await expect(page.get_by_label("Your name")).to_be_visible()


async def test_a_planned_meeting_is_changed_and_cancelled_by_keyboard(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada = await new_person("Ada")
    page, keys = ada.page, ada.page.keyboard
    await page.set_viewport_size({"width": 320, "height": 640})
    await page.goto(server.url)
    await plan(page, "Draft", access="token")
    rows = page.get_by_role("listitem")
    await page.get_by_role("button", name="More about Draft").press("Enter")
    await expect(page.get_by_role("menuitem", name="Change")).to_be_focused()
    await keys.press("Enter")
    form = page.get_by_role("dialog", name="Change Draft")
    await expect(form.get_by_label("Title")).to_be_focused()
    await expect(form.get_by_label(re.compile("^Start, in "))).to_have_value("2031-03-04T09:30")
    await expect(form.get_by_label("Length")).to_have_value("30")
    assert await fits(page)
    await show(ada, "plan-change-320")
    await form.get_by_label("Title").fill("Final")
    await form.get_by_label(re.compile("^Start, in ")).fill("2031-03-05T16:45")
    await keys.press("Enter")
    final = rows.filter(has_text="Final")
    await expect(final).to_contain_text("4:45")
    await expect(final).to_contain_text("by its link")
    await expect(rows.filter(has_text="Draft")).to_have_count(0)
    assert await fits(page)

    for answer in ("Keep it", "Cancel the meeting"):
        await page.get_by_role("button", name="More about Final").press("Enter")
        await keys.press("ArrowDown")
        await keys.press("Enter")
        question = page.get_by_role("dialog", name="Cancel Final?")
        await expect(question.get_by_role("button", name="Keep it")).to_be_focused()
        assert await fits(page)
        await show(ada, "plan-cancel-320")
        if answer != "Keep it":
            await keys.press("Tab")
        await expect(question.get_by_role("button", name=answer)).to_be_focused()
        await keys.press("Enter")
        await expect(question).to_have_count(0)
        await expect(final).to_have_count(1 if answer == "Keep it" else 0)
    await expect(page.get_by_role("button", name="Upcoming")).to_be_focused()
    await page.get_by_role("button", name="Past").click()
    await expect(final).to_be_visible()
    await expect(final.get_by_role("button")).to_have_count(0)


async def test_what_somebody_else_changed_meanwhile_is_not_written_over(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada = await new_person("Ada")
    page = ada.page
    await page.goto(server.url)
    link = await plan(page, "Shared")
    await page.get_by_role("button", name="More about Shared").click()
    await page.get_by_role("menuitem", name="Change").click()
    [_, meeting_id] = link.partition("#")[0].rsplit("/", 1)
    answer = await server.http.patch(f"/meetings/{meeting_id}", json={"title": "Theirs"})
    assert answer.status_code == 200, answer.text
    form = page.get_by_role("dialog", name="Change Shared")
    await form.get_by_label("Title").fill("Mine")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_role("alert")).to_contain_text("Somebody else has changed it")
    assert (await server.http.get(f"/meetings/{meeting_id}")).json()["title"] == "Theirs"


async def test_a_server_with_keys_lists_meetings_to_who_has_one(new_person: NewPerson, tmp_path: Path) -> None:
    key, secret = ApiKey.create("desk", Scope)
    keys = tmp_path / "keys"
    keys.write_text(f"{key}\n")
    env = {"SFU_STORE__DATA_DIR": str(tmp_path / "data"), "SFU_AUTH__API_KEYS_FILE": str(keys)}
    async with running_server(tmp_path, dev=False, env=env) as server:
        ada = await new_person("Ada")
        page = ada.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(server.url)
        await page.get_by_text("Plan and see meetings").click()
        assert not [url for url in asked if "/meetings" in url], "nobody asks for what is refused without a key"
        for given in ("sfu_wrong", secret):
            await expect(page.get_by_role("button", name="Plan a meeting")).to_be_hidden()
            await page.get_by_label("API key").fill(given)
            await page.get_by_role("button", name="Open", exact=True).click()
            if given != secret:
                await expect(page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
        await plan(page, "Board")
        await expect(page.get_by_role("listitem").filter(has_text="Board")).to_be_visible()
        assert "Board" not in await page.evaluate("JSON.stringify(localStorage)")
        assert secret not in await page.evaluate("JSON.stringify(localStorage)")
