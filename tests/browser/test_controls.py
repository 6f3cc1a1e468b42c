"""What the buttons do for oneself and for the others."""

from __future__ import annotations

import time
from pathlib import Path

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.noise import steady
from tests.support.server import running_server
from tests.support.waiting import until

WITHOUT_DEVICES = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("none", "NotFoundError"); };
navigator.mediaDevices.enumerateDevices = async () => [];
"""

AT_ONCE_S = 5.0
"""Far below the 30 s after which somebody is gone of whom nothing is heard."""


async def label_of(viewer: Person, name: str) -> str:
    """What the tile of a remote participant says; empty without one."""
    return next((label for label in await viewer.labels() if label.startswith(f"{name},")), "")


async def sees_label(viewer: Person, name: str, *words: str) -> None:
    await until(
        lambda: label_of(viewer, name),
        f"{viewer.name} sees that {name} is {words}",
        good=lambda label: all(word in label for word in words),
    )


async def is_alone(person: Person) -> float:
    """Waits until a person sees nobody else; how many seconds that took."""
    began = time.monotonic()
    await until(person.labels, f"only {person.name} is left", good=lambda labels: len(labels) == 1)
    return time.monotonic() - began


async def pair(new_person: NewPerson, link: str) -> tuple[Person, Person]:
    ada, bo = await new_person("Ada"), await new_person("Bo")
    await ada.open_and_join(link)
    await bo.open_and_join(link)
    await bo.sees(ada)
    return ada, bo


async def test_a_muted_microphone_is_silent_and_shown_as_muted(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await pair(new_person, meeting_link)
    await bo.hears(1)

    await ada.press("microphone")
    await sees_label(bo, "Ada", "muted")

    async def level() -> float:
        inbound = await bo.stats("inbound-rtp")
        return max(entry.get("audioLevel", 0.0) for entry in inbound if entry["kind"] == "audio")

    await until(level, "nothing is heard of Ada", good=lambda loudest: loudest == 0.0)

    await ada.press("microphone")
    await sees_label(bo, "Ada", "microphone on")
    await bo.hears(1)


async def test_a_camera_that_is_off_is_closed_and_comes_back(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await pair(new_person, meeting_link)

    await ada.press("camera")
    await sees_label(bo, "Ada", "camera off")
    sending = "__probe.connection().getSenders().some((sender) => sender.track?.kind === 'video')"
    await until(lambda: ada.page.evaluate(sending), "nothing is sent", good=lambda is_sending: not is_sending)

    await ada.press("camera")
    await sees_label(bo, "Ada", "camera on")
    await bo.sees(ada)


async def test_a_shared_screen_is_large_and_complete_for_the_others(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await pair(new_person, meeting_link)

    await ada.press("screen")
    screen = bo.page.locator(".tile[data-source=screen].has-video.large")
    await screen.wait_for()

    async def frames() -> int:
        return max((tile.frames for tile in await bo.tiles() if tile.source == "screen"), default=0)

    await until(frames, "Bo decodes the screen", good=lambda count: count > 0)
    camera = bo.page.locator(".tile:not(.self)[data-source=camera]")

    async def widths() -> list[float]:
        return [box["width"] if (box := await tile.bounding_box()) else 0.0 for tile in (screen, camera)]

    await until(widths, "the screen is large", good=lambda now: now[0] > 2 * now[1] > 0)
    assert await screen.locator("video").evaluate("video => getComputedStyle(video).objectFit") == "contain"

    await ada.press("screen")
    await screen.wait_for(state="detached")


async def test_who_leaves_is_gone_for_the_others_at_once(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await pair(new_person, meeting_link)

    async def leaves_and_comes_back() -> None:
        await ada.press("leave")
        gone_s = await is_alone(bo)
        await ada.page.get_by_role("heading", name="You left the meeting").wait_for()
        await ada.page.get_by_role("button", name="Join again").click()
        await ada.page.locator(".preview.has-video").wait_for()
        await ada.join()
        await bo.sees(ada)
        assert gone_s < AT_ONCE_S

    await steady(leaves_and_comes_back, "who leaves is gone")


async def test_who_closes_the_page_is_gone_for_the_others_at_once(new_person: NewPerson, meeting_link: str) -> None:
    bo = await new_person("Bo")
    await bo.open_and_join(meeting_link)

    async def comes_and_closes_the_page() -> None:
        ada = await new_person("Ada")
        await ada.open_and_join(meeting_link)
        await bo.sees(ada)
        await ada.page.close(run_before_unload=True)
        assert await is_alone(bo) < AT_ONCE_S

    await steady(comes_and_closes_the_page, "who closes the page is gone")


async def test_one_can_join_without_camera_and_microphone(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await new_person("Ada"), await new_person("Bo", script=WITHOUT_DEVICES)
    await ada.open_and_join(meeting_link)
    await bo.open(meeting_link)
    await bo.page.get_by_text("No camera was found").wait_for()
    await bo.join()

    await bo.sees(ada)
    await bo.hears(1)
    await sees_label(ada, "Bo", "no microphone", "camera off")


async def test_the_link_can_be_copied_and_followed(new_person: NewPerson, meeting_link: str) -> None:
    ada = await new_person("Ada")
    await ada.open_and_join(meeting_link)

    await ada.page.locator(".topbar [data-control=copy-link]").click()

    await ada.told("Link copied")
    assert await ada.page.evaluate("navigator.clipboard.readText()") == meeting_link


async def test_the_start_page_leads_into_a_new_meeting(new_person: NewPerson, meeting_link: str) -> None:
    ada = await new_person("Ada")
    await ada.page.goto(meeting_link.split("/m/", maxsplit=1)[0])

    await ada.page.get_by_role("button", name="Start a meeting").click()
    await ada.page.get_by_label("Your name").fill("Ada")
    await ada.join()

    await ada.page.get_by_text("You are the only one here").wait_for()


async def test_everything_can_be_done_with_the_keyboard(new_person: NewPerson, meeting_link: str) -> None:
    ada = await new_person("Ada")
    await ada.open(meeting_link)
    await ada.page.keyboard.press("Enter")
    await ada.connected()

    await ada.page.keyboard.press("m")
    await ada.page.get_by_role("button", name="Unmute").wait_for()
    await ada.page.keyboard.press("v")
    await ada.page.get_by_role("button", name="Turn on camera").wait_for()
    await ada.page.get_by_role("button", name="Leave").focus()
    await ada.page.keyboard.press("Enter")

    await ada.page.get_by_role("heading", name="You left the meeting").wait_for()


async def test_a_link_that_leads_nowhere_says_so(new_person: NewPerson, tmp_path: Path) -> None:
    async with running_server(tmp_path, dev=False) as server:
        ada = await new_person("Ada")
        await ada.open(f"{server.url}/m/nowhere")
        await ada.page.get_by_text("There is no meeting at this link").wait_for()

        await ada.page.get_by_role("button", name="Join", exact=True).click()

        await ada.page.get_by_role("heading", name="There is no meeting here").wait_for()
