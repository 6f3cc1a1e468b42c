from __future__ import annotations

from playwright.async_api import Browser, expect
from tests.support.server import RunningServer


async def test_the_api_is_shown_and_searched_with_files_of_this_server_alone(
    server: RunningServer, browser: Browser
) -> None:
    page = await browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    await page.goto(f"{server.url}/docs")
    made = page.locator("details", has_text="Create Meeting")
    await made.locator("summary").click()
    await made.get_by_text("scheduled_start").first.wait_for()
    await page.get_by_label("Search").fill("join-token")

    await page.locator("summary:visible").get_by_text("/meetings/{meeting_id}/join-token").wait_for()
    await expect(page.locator("summary:visible")).to_have_count(1)
    assert errors == []
    assert all(url.startswith((server.url, "data:")) for url in asked), asked
    await page.close()
