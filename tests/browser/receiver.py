"""What a browser shows and plays of one remote participant, over time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from tests.browser.person import Person
from tests.support.waiting import until

T = TypeVar("T")

PICTURE_S = 90.0
"""An encoder that found its processor too slow sends smaller pictures for a while (RTCRtpSender, "cpu")."""


@dataclass(frozen=True)
class Sound:
    """Counters of everything that is played, of getStats; samples."""

    concealed: int
    received: int

    def concealed_share(self, before: Sound) -> float:
        """Since ``before``, of all samples; silence that was made up for what was not sent is not counted."""
        return (self.concealed - before.concealed) / max(1, self.received - before.received)


class Receiver:
    """Follows the pictures of one video element. Times are the page's, in ms."""

    def __init__(self, person: Person, video: str = "video") -> None:
        self.person = person
        self._video = video

    async def follow(self) -> None:
        """From now on."""
        await self.person.page.evaluate(f"__probe.follow({self._video})")

    async def now(self) -> float:
        """The page's clock."""
        now: float = await self.person.page.evaluate("performance.now()")
        return now

    async def frames(self, since: float) -> list[dict[str, Any]]:
        """``at`` and ``height`` of each frame that was shown since then."""
        frames: list[dict[str, Any]] = await self.person.page.evaluate(
            "(since) => __probe.frames.filter(({ at }) => at >= since)", since
        )
        return frames

    async def shows(self, *heights: int, since: float, frames: int = 5) -> float:
        """Waits until the last frames since then all have one of these heights. The time of the first such."""

        async def last_heights() -> list[int]:
            return [frame["height"] for frame in (await self.frames(since))[-frames:]]

        def good(last: list[int]) -> bool:
            return len(last) == frames and set(last) <= set(heights)

        await self.expect(last_heights, f"pictures of height {heights}", good=good)
        shown = await self.frames(since)
        others = [index for index, frame in enumerate(shown) if frame["height"] not in heights]
        at: float = shown[others[-1] + 1 if others else 0]["at"]
        return at

    async def expect(self, look: Callable[[], Awaitable[T]], what: str, *, good: Callable[[T], object]) -> T:
        """``until``, and where that fails the server's side of it is printed."""
        try:
            return await until(look, what, good=good, within_s=PICTURE_S)
        except AssertionError:
            print(await self.story())
            raise

    async def story(self) -> str:
        """What the server says of the last minute, a line a column."""
        timeline = await self.person.page.evaluate("meeting.timeline(60)")
        slots = [(slot["layers"], slot["reason"]) for slot in timeline["slots"] if any(slot["layers"])]
        columns = {key: timeline[key] for key in ("estimate_kbps", "desired_kbps", "sent_kbps", "loss")}
        return "\n".join(f"{key}: {column}" for key, column in [*columns.items(), ("slots", slots)])

    async def longest_gap_ms(self, since: float) -> float:
        """The longest time without a new picture from then until now."""
        now = await self.now()
        times = [since, *(frame["at"] for frame in await self.frames(since)), now]
        return max(later - earlier for earlier, later in pairwise(times))

    async def sound(self) -> Sound:
        """What was played so far."""
        audio = [entry for entry in await self.person.stats("inbound-rtp") if entry["kind"] == "audio"]
        return Sound(
            sum(entry.get("concealedSamples", 0) - entry.get("silentConcealedSamples", 0) for entry in audio),
            sum(entry.get("totalSamplesReceived", 0) for entry in audio),
        )
