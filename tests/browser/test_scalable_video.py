"""Layers of one stream (SVC), as Chromium sends and decodes them: each can be had, by the size and the frame rate that
a layout asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.receiver import Receiver
from tests.browser.sdk import scalable_publisher, watcher
from tests.support.server import RunningServer
from tests.support.waiting import until

FPS = 15
WINDOW_S = 1.0
SIZES = {540: 960, 270: 480, 135: 240}
"""Height and width of each spatial layer. Chromium decodes the smallest with a line more."""
LOST_SHARE = 0.01
RATES = {FPS: 30, FPS / 2: 8, FPS / 4: 4}
"""Frames a second that are decoded, and the wish that asks for so many."""


async def decoded(person: Person) -> tuple[int, float]:
    """Height of the picture, and frames that were decoded a second, over ``WINDOW_S``."""

    async def video() -> dict[str, float]:
        entries = [entry for entry in await person.stats("inbound-rtp") if entry["kind"] == "video"]
        return max(entries, key=lambda entry: entry.get("framesDecoded", 0), default={"timestamp": 0.0})

    before = await video()
    await asyncio.sleep(WINDOW_S)
    after = await video()
    seconds = (after["timestamp"] - before["timestamp"]) / 1000
    frames = after.get("framesDecoded", 0) - before.get("framesDecoded", 0)
    return int(after.get("frameHeight", 0)), frames / seconds if seconds else 0.0


@pytest.mark.parametrize(("codec", "mode"), [("VP9", "L3T3_KEY"), ("AV1", "L3T3")])
async def test_every_layer_of_a_scalable_stream_can_be_had(
    new_person: NewPerson, server: RunningServer, codec: str, mode: str, report: Callable[[str], None]
) -> None:
    meeting_id = await server.create_meeting()
    await scalable_publisher(new_person, server, meeting_id, codec, mode, fps=FPS)
    ada = await watcher(new_person, server, meeting_id)
    await ada.page.evaluate("show(960, 540)")
    await until(
        lambda: decoded(ada), "the whole stream", good=lambda now: now[0] == 540 and now[1] > 0.7 * FPS, within_s=40
    )

    seen = {}
    for height, width in SIZES.items():
        for fps, wish in RATES.items():
            await ada.page.evaluate(f"show({width}, {height}, {{ fps: {wish} }})")

            def good(now: tuple[int, float], height: int = height, fps: float = fps) -> bool:
                return abs(now[0] - height) <= 1 and 0.6 * fps < now[1] < 1.4 * fps

            try:
                seen[height, fps] = await until(
                    lambda: decoded(ada), f"{height} lines, {fps} frames a second", good=good, within_s=20
                )
            except AssertionError:
                print(await Receiver(ada).story(), await ada.page.evaluate("__probe.layout()"), seen)
                raise

    report(f"{codec} {mode}: {seen}")
    # Of the packets most were left out. A few are lost by a browser that does not get its processor.
    lost, received = [await ada.total("inbound-rtp", counter) for counter in ("packetsLost", "packetsReceived")]
    assert lost <= LOST_SHARE * received
