"""The page's view of how good pictures are, and why: by keyboard, for a screen reader, on a phone."""

from __future__ import annotations

from playwright.async_api import FloatRect
from tests.browser.conftest import NewPerson
from tests.support.waiting import until

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE = {"width": 390, "height": 844}


def fits_a_phone(box: FloatRect | None) -> bool:
    return bool(
        box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] and box["height"] <= PHONE["height"]
    )


async def test_the_quality_of_each_picture_can_be_seen_and_read_out(new_person: NewPerson, meeting_link: str) -> None:
    ada, grace = await new_person("Ada"), await new_person("Grace")
    await ada.open_and_join(meeting_link)
    await grace.open_and_join(meeting_link)
    await ada.sees(grace)

    await ada.page.keyboard.press("q")
    dialog = ada.page.get_by_role("dialog", name="Connection")
    row = dialog.get_by_role("listitem").filter(has_text="Grace")
    await row.wait_for()
    await until(row.inner_text, "size and frame rate", good=lambda text: "640×360" in text and " fps" in text)
    state = row.locator(".picture-state")
    await until(
        state.inner_text, "how good it is", good=lambda said: said in {"Best quality", "As large as it is shown"}
    )
    network = dialog.get_by_role("region", name="Network").get_by_role("img")
    await until(
        lambda: network.get_attribute("aria-label"),
        "what is received, in words",
        good=lambda words: words is not None and "Received now" in words and "bit/s" in words,
    )
    await until(lambda: row.locator("path").get_attribute("d"), "a line of what was sent")

    await ada.page.set_viewport_size(PHONE)
    await until(lambda: ada.page.evaluate(OVERFLOW), "as wide as the window", good=lambda beside: beside == 0)
    await until(dialog.bounding_box, "it fits", good=fits_a_phone)

    await ada.page.keyboard.press("Escape")
    await dialog.wait_for(state="detached")
