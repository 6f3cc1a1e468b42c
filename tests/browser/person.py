"""A person at a browser: does what a person does at the page, and reads what the browser reports."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page
from tests.support.waiting import PATIENCE_S, until

FPS_WINDOW_MS = 1_000.0


@dataclass(frozen=True)
class Tile:
    """One tile of the meeting view. ``fps`` counts decoded frames over the last ``FPS_WINDOW_MS``."""

    key: str
    label: str
    source: str
    own: bool
    has_video: bool
    frames: int
    height: int
    fps: float
    freezes_s: float


class Person:
    """One page of one browser context."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.log: list[str] = []
        page.on("console", lambda message: self.log.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.log.append(f"error: {error}"))

    async def open(self, link: str) -> None:
        """Follows a meeting's link, as far as the pre-join view with its devices open."""
        await self.page.goto(link)
        await self.page.get_by_label("Your name").fill(self.name)

    async def join(self, *, within_s: float = PATIENCE_S) -> None:
        """Presses "Join" and waits until the page says that it is connected."""
        await self.page.get_by_role("button", name="Join", exact=True).click()
        await self.connected(within_s=within_s)

    async def open_and_join(self, link: str) -> None:
        """Both, with camera and microphone."""
        await self.open(link)
        await self.page.locator(".preview.has-video").wait_for()
        await self.join()

    async def connected(self, *, within_s: float = PATIENCE_S) -> None:
        """Waits until the connection badge says so."""
        await until(self.badge, f"{self.name} is connected", good=lambda state: state == "connected", within_s=within_s)

    async def badge(self) -> str | None:
        """The connection state that the page shows; None outside of a meeting."""
        state: str | None = await self.page.evaluate("document.querySelector('.badge')?.dataset.state ?? null")
        return state

    async def press(self, control: str) -> None:
        """Presses one of the round buttons: microphone, camera, screen, settings, leave, copy-link."""
        await self.page.locator(f"[data-control={control}]").click()

    async def stats(self, kind: str) -> list[dict[str, Any]]:
        """Entries of that type of the browser's statistics report."""
        entries: list[dict[str, Any]] = await self.page.evaluate("__probe.stats()")
        return [entry for entry in entries if entry["type"] == kind]

    async def tiles(self) -> list[Tile]:
        """All tiles as they are now; their frame rates need ``FPS_WINDOW_MS``."""
        before = {tile["key"]: tile for tile in await self.page.evaluate("__probe.tiles()")}
        await asyncio.sleep(FPS_WINDOW_MS / 1000)
        return [_tile(before.get(now["key"]), now) for now in await self.page.evaluate("__probe.tiles()")]

    async def announced(self, text: str) -> None:
        """Waits until a screen reader was told so, after what was waited for last."""
        await self._came("said", text)

    async def told(self, text: str) -> None:
        """Waits until a toast said so, after what was waited for last."""
        await self._came("toasts", text)

    async def sees_floating(self, text: str) -> None:
        """Waits until a reaction with this text floated over the stage, after what was waited for last."""
        await self._came("floats", text)

    async def _came(self, where: str, text: str) -> None:
        async def came() -> bool | list[str]:
            return await self.page.evaluate("([where, text]) => __probe.came(where, text)", [where, text])

        await until(came, f"{text!r} among what {self.name} is told ({where})", good=lambda found: found is True)

    async def labels(self) -> list[str]:
        """What the tiles say, one sentence each."""
        return [tile["label"] for tile in await self.page.evaluate("__probe.tiles()")]

    async def sees(self, *others: Person, fps: float = 10.0, within_s: float = 60.0) -> list[Tile]:
        """Waits until every other one's camera is decoded at that rate, and nobody else has a picture."""
        names = {other.name for other in others}

        def good(tiles: list[Tile]) -> bool:
            shown = {tile.label.split(",")[0] for tile in tiles if not tile.own and tile.has_video and tile.fps >= fps}
            return shown == names and sum(not tile.own for tile in tiles) == len(names)

        return await until(self.tiles, f"{self.name} sees {sorted(names)} at {fps} fps", good=good, within_s=within_s)

    async def remote_tile(self, other: Person) -> Tile:
        """The only other one's tile, once its picture runs."""
        [tile] = [tile for tile in await self.sees(other) if not tile.own]
        return tile

    async def total(self, kind: str, field: str) -> int:
        """The sum of a counter over all entries of that type."""
        return sum(entry.get(field, 0) for entry in await self.stats(kind))

    async def hears(self, voices: int, *, within_s: float = 60.0) -> None:
        """Waits until that many audio slots carry sound that is not silence."""

        async def energies() -> dict[str, float]:
            inbound = await self.stats("inbound-rtp")
            return {entry["mid"]: entry.get("totalAudioEnergy", 0.0) for entry in inbound if entry["kind"] == "audio"}

        start = await energies()

        def good(now: dict[str, float]) -> bool:
            return sum(energy > start.get(mid, 0.0) + 1e-6 for mid, energy in now.items()) >= voices

        await until(energies, f"{self.name} hears {voices} voices", good=good, within_s=within_s)


def _tile(before: dict[str, Any] | None, now: dict[str, Any]) -> Tile:
    elapsed_ms = now["timestamp"] - before["timestamp"] if before else 0.0
    fps = 1000 * (now["frames"] - before["frames"]) / elapsed_ms if before and elapsed_ms > 0 else 0.0
    return Tile(
        key=now["key"],
        label=now["label"],
        source=now["source"],
        own=now["own"],
        has_video=now["hasVideo"],
        frames=now["frames"],
        height=now["height"],
        fps=fps,
        freezes_s=now["freezes"],
    )
