"""Tiles at any number and window size: inside the box, apart from each other, large enough."""

from __future__ import annotations

import pytest
from tests.browser.conftest import NewPerson
from tests.support.server import RunningServer

ARRANGE = """async ({ width, height, staged }) => {
  const { grid, stage } = await import("/web/app/layout.js");
  const box = { x: 0, y: 0, w: width, h: height };
  return Array.from({ length: 49 }, (_, index) => (staged ? stage(index + 1, 0, box) : grid(index + 1, box)));
}"""

MIN_COVER = 0.2
"""Of the box, by the tiles together, whatever the number: less would look lost."""


SIZES = ((1280, 800), (390, 844), (844, 390), (320, 480), (3840, 2160), (1000, 180))


@pytest.mark.parametrize("staged", [False, True])
async def test_up_to_49_tiles_fit_without_touching(new_person: NewPerson, server: RunningServer, staged: bool) -> None:
    ada = await new_person("Ada")
    await ada.page.goto(server.url)

    for width, height in SIZES:
        arrangements = await ada.page.evaluate(ARRANGE, {"width": width, "height": height, "staged": staged})

        for count, tiles in enumerate(arrangements, start=1):
            assert len(tiles) == count
            for index, tile in enumerate(tiles):
                assert tile["x"] >= -0.01
                assert tile["y"] >= -0.01
                assert tile["x"] + tile["w"] <= width + 0.01
                assert tile["y"] + tile["h"] <= height + 0.01
                assert not any(_touch(tile, other) for other in tiles[:index]), (width, height, count, tile)
            assert sum(tile["w"] * tile["h"] for tile in tiles) > MIN_COVER * width * height, (width, height, count)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (320, 568)])
async def test_no_view_is_wider_than_the_window(
    new_person: NewPerson, meeting_link: str, size: tuple[int, int]
) -> None:
    ada = await new_person("Ada")
    await ada.page.set_viewport_size({"width": size[0], "height": size[1]})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

    await ada.page.goto(meeting_link.split("/m/", maxsplit=1)[0])
    assert await ada.page.evaluate(overflow) == 0
    await ada.open(meeting_link)
    assert await ada.page.evaluate(overflow) == 0
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await ada.page.locator(".controls").wait_for()
    assert await ada.page.evaluate(overflow) == 0
    for control in ("microphone", "leave"):
        box = await ada.page.locator(f"[data-control={control}]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]


def _touch(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
