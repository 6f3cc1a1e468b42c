"""What the SDK tells the server of how videos are shown, and what it does when the server wants less."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.sdk import publisher, watcher
from tests.support.server import RunningServer
from tests.support.waiting import until

STORM_MS = 1_500
STORM_FRAMES = 30
STORM = """([ms, frames]) => new Promise((resolve) => {
  const start = performance.now();
  let drawn = 0;
  const step = () => {
    const lasted = performance.now() - start;
    const width = 200 + (lasted % 300);
    Object.assign(video.style, { width: `${width}px`, height: `${(width * 9) / 16}px` });
    drawn += 1;
    if (lasted < ms || drawn < frames) requestAnimationFrame(step); else resolve({ start, lasted });
  };
  step();
})"""
"""Changes the size with every frame that is drawn, for so long and so often: a busy machine draws few."""
HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def told(person: Person, what: str, **wanted: Any) -> dict[str, Any]:
    """The last layout, once its only tile (or, for ``hidden``, itself) is as wanted."""

    def good(layout: dict[str, Any] | None) -> bool:
        flat = {**layout["tiles"][0], "hidden": layout["hidden"]} if layout and layout["tiles"] else {}
        return wanted.items() <= flat.items()

    return await until(lambda: person.page.evaluate("__probe.layout()"), what, good=good)


async def test_the_server_is_told_how_large_a_video_is_drawn_and_whether_it_is_seen(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting()
    await publisher(new_person, server, meeting_id)
    ada = await watcher(new_person, server, meeting_id, density=2.0)
    page = ada.page
    await until(lambda: page.evaluate("video.videoWidth"), "a picture")
    assert await page.evaluate("__probe.layout()") is None, "told without being asked to"

    await page.evaluate("video.style.objectFit = 'contain', show(320, 180)")
    await told(ada, "device pixels", width=640, height=360, fps=30, pinned=False, hidden=False)
    await page.evaluate("video.style.objectFit = 'cover', show(160, 180)")
    await told(ada, "a picture that is wider than its box", width=640, height=360)
    await page.evaluate("video.style.objectFit = 'contain', show(160, 180, { pinned: true, fps: 20 })")
    await told(ada, "a picture that is lower than its box", width=320, height=184, fps=20, pinned=True)
    await page.evaluate("show(160, 90, { pinned: true })")
    await told(ada, "a small picture, of which half the frames will do", width=320, height=184, fps=15)

    await page.evaluate("Object.assign(video.style, { position: 'absolute', top: '3000px' })")
    await told(ada, "scrolled away", width=0, height=0)
    await page.evaluate("scrollTo(0, 3000)")
    await told(ada, "in view again", width=320)

    await page.evaluate(HIDE, "hidden")
    await told(ada, "the tab is in the background", hidden=True)
    quality = "shown().quality"
    paused = {"state": "paused", "reason": "user"}
    await until(lambda: page.evaluate(quality), "the server paused it", good=lambda now: now == paused)
    await page.evaluate(HIDE, "visible")
    await told(ada, "the tab is seen again", hidden=False)
    before = await ada.total("inbound-rtp", "framesDecoded")
    await until(
        lambda: ada.total("inbound-rtp", "framesDecoded"), "pictures are back", good=lambda now: now > before + 5
    )


async def test_a_storm_of_changes_is_told_in_a_few_messages_of_which_the_last_is_right(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting()
    await publisher(new_person, server, meeting_id, size=(320, 180))
    ada = await watcher(new_person, server, meeting_id)
    await ada.page.evaluate("show(160, 90)")
    await told(ada, "the first", width=160)

    storm = await ada.page.evaluate(STORM, [STORM_MS, STORM_FRAMES])
    await ada.page.evaluate("show(400, 225)")
    await told(ada, "the last", width=400)

    told_at = [
        request["at"]
        for request in await ada.page.evaluate("__probe.requests")
        if request["type"] == "layout" and request["at"] >= storm["start"]
    ]
    assert 2 <= len(told_at) <= storm["lasted"] / 400 + 3
    assert all(later - earlier > 390 for earlier, later in pairwise(told_at))


async def test_what_nobody_looks_at_is_not_encoded_and_comes_back_when_somebody_does(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting()
    sender = await publisher(new_person, server, meeting_id)
    ada = await watcher(new_person, server, meeting_id)

    async def active() -> dict[str, bool]:
        camera = "__probe.connection().getTransceivers()[1].sender.getParameters().encodings"
        return {encoding["rid"]: encoding["active"] for encoding in await sender.page.evaluate(camera)}

    async def height() -> int:
        stats = await ada.stats("inbound-rtp")
        return max((entry.get("frameHeight", 0) for entry in stats if entry["kind"] == "video"), default=0)

    await until(height, "the best picture", good=lambda now: now == 360)
    # 640x360 has no use for a third.
    await until(active, "two are on", good=lambda now: now == {"q": True, "h": True, "f": False})

    await ada.page.evaluate("show(160, 90)")
    await until(height, "the small picture", good=lambda now: now == 180)
    await until(active, "the large one is off", good=lambda now: now == {"q": True, "h": False, "f": False})

    await ada.page.evaluate("show(640, 360)")
    await until(height, "the large picture is back", good=lambda now: now == 360)
    assert (await active())["h"]
