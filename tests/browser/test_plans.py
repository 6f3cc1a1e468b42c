"""The home view's list of meetings: planned ones with their time and zone, and planning, with a key and without."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect
from tests.browser.conftest import NewPerson
from tests.support.server import RunningServer, running_server

from sfu.access import ApiKey, Scope


async def plan(page: Page, title: str) -> None:
    await page.get_by_role("button", name="Plan a meeting").click()
    form = page.get_by_role("dialog", name="Plan a meeting")
    await form.get_by_label("Title").fill(title)
    await form.get_by_label(re.compile("^Start, in ")).fill("2031-03-04T09:30")
    await form.get_by_label("Who gets in").select_option("waiting_room")
    await form.get_by_role("button", name="Plan it").click()
    link = await form.get_by_label("Link of the meeting").input_value()
    assert re.search(r"/m/[\w-]+#[\w-]+$", link)
    await form.get_by_role("button", name="Close").click()


async def fits(page: Page) -> bool:
    """Nothing is wider than the window."""
    found: bool = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return found


async def test_meetings_are_planned_and_listed_on_the_home_view(
    new_person: NewPerson, server: RunningServer, tmp_path: Path
) -> None:
    ada = await new_person("Ada")
    page = ada.page
    await page.goto(server.url)
    await plan(page, "Quarterly review")
    row = page.get_by_role("listitem").filter(has_text="Quarterly review")
    await expect(row).to_contain_text("9:30")
    await expect(row).to_contain_text("waiting room")
    zone = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    await expect(page.get_by_text(f"Times in {zone}")).to_be_visible()
    async with page.expect_download() as download:
        await row.get_by_role("link", name="Add Quarterly review to a calendar").click()
    file = tmp_path / "meeting.ics"
    await (await download.value).save_as(file)
    assert "SUMMARY:Quarterly review" in file.read_text()
    for width, height in ((1280, 800), (360, 740)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await fits(page), width
    await row.get_by_role("link", name="Open Quarterly review").click()
    await expect(page.get_by_label("Your name")).to_be_visible()


async def test_a_server_with_keys_lists_meetings_to_who_has_one(new_person: NewPerson, tmp_path: Path) -> None:
    key, secret = ApiKey.create("desk", Scope)
    keys = tmp_path / "keys"
    keys.write_text(f"{key}\n")
    env = {"SFU_STORE__DATA_DIR": str(tmp_path / "data"), "SFU_AUTH__API_KEYS_FILE": str(keys)}
    async with running_server(tmp_path, dev=False, env=env) as server:
        ada = await new_person("Ada")
        page = ada.page
        await page.goto(server.url)
        await page.get_by_text("Plan and see meetings").click()
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
