"""What is on the screen, in CSS pixels: boxes of tiles, text that is cut, screenshots to look at."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.browser.person import Person
from tests.support.waiting import until

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SCREENSHOTS = os.environ.get("SFU_SCREENSHOTS")
"""A folder: what the tests see is put there, to be looked at."""

LOOK = """() => {
  const box = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x, y, width, height };
  };
  const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 0;
  const tiles = [...document.querySelectorAll(".tile")].map((tile) => {
    const name = tile.querySelector(".tile-name");
    return {
      key: tile.dataset.key, ...box(tile), large: tile.classList.contains("large"),
      label: name ? box(name) : null, isCut: name ? name.scrollWidth > name.clientWidth + 1 : false,
      name: name?.textContent ?? "",
    };
  });
  const moving = document.getAnimations().some(({ playState }) => playState === "running");
  const controls = [...document.querySelectorAll("button, input, h1")].filter(seen).map((element) => (
    { name: element.getAttribute("aria-label") ?? element.textContent, ...box(element) }));
  return {
    tiles, controls, moving, stage: box(document.querySelector(".tiles")),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}"""


async def look(person: Person) -> dict[str, Any]:
    """``tiles`` (key, x, y, width, height, large, isCut), ``controls``, ``stage``, ``moving``, ``overflow``."""
    seen: dict[str, Any] = await person.page.evaluate(LOOK)
    return seen


async def show(person: Person, name: str) -> None:
    """Keeps a screenshot where somebody wants to look at it."""
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        await person.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def touch(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two boxes share a pixel."""
    return bool(
        one["x"] + 0.5 < other["x"] + other["width"]
        and other["x"] + 0.5 < one["x"] + one["width"]
        and one["y"] + 0.5 < other["y"] + other["height"]
        and other["y"] + 0.5 < one["y"] + one["height"]
    )


def problems(seen: dict[str, Any], window: dict[str, int]) -> list[str]:
    """What is wrong: tiles lie in the stage, apart from each other, in a shape for faces; nothing is wider than the
    window.
    """
    stage, tiles = seen["stage"], seen["tiles"]
    found = [f"outside: {tile}" for tile in tiles if not _inside(tile, stage)]
    found += [
        f"no shape for a face: {tile}"
        for tile in tiles
        if not tile["large"] and not 0.7 <= tile["width"] / tile["height"] <= 1.85
    ]
    found += [f"touching: {one}, {other}" for one, other in combinations(tiles, 2) if touch(one, other)]
    found += [
        f"beside the window: {control}"
        for control in seen["controls"]
        if control["x"] < -1 or control["x"] + control["width"] > window["width"] + 1
    ]
    return [*found, *(["moving"] if seen["moving"] else []), *(["overflow"] if seen["overflow"] else [])]


async def settled(person: Person, window: dict[str, int], count: int) -> dict[str, Any]:
    """What is seen once there are so many tiles and nothing is wrong."""
    wrong: dict[str, Any] = {}

    async def wrongs() -> list[str]:
        wrong["seen"] = await look(person)
        tiles = len(wrong["seen"]["tiles"])
        return [*([f"{tiles} tiles"] if tiles != count else []), *problems(wrong["seen"], window)]

    await person.page.set_viewport_size({"width": window["width"], "height": window["height"]})
    await until(wrongs, f"{count} tiles in order", good=lambda found: not found, within_s=30)
    seen: dict[str, Any] = wrong["seen"]
    return seen


def _inside(tile: dict[str, Any], stage: dict[str, Any]) -> bool:
    return bool(
        tile["x"] >= stage["x"] - 1
        and tile["y"] >= stage["y"] - 1
        and tile["x"] + tile["width"] <= stage["x"] + stage["width"] + 1
        and tile["y"] + tile["height"] <= stage["y"] + stage["height"] + 1
    )
