"""Tiles at any number and window size: inside the box, apart from each other, large enough."""

from __future__ import annotations

import pytest
from tests.browser.conftest import NewPerson
from tests.support.server import RunningServer

ARRANGE = """async ({ width, height, large }) => {
  const { grid, stage } = await import("/web/app/layout.js");
  const box = { x: 0, y: 0, w: width, h: height };
  return Array.from({ length: 49 }, (_, index) => {
    if (large === 0) return { large: [], small: grid(index + 1, box) };
    return stage(large, index, box);
  });
}"""

MIN_COVER = 0.2
"""Of the box, by the tiles together, whatever the number: less would look lost."""


SIZES = ((1280, 800), (390, 844), (844, 390), (320, 480), (3840, 2160), (1000, 180))


@pytest.mark.parametrize("large", [0, 1, 3])
async def test_up_to_49_tiles_fit_without_touching(new_person: NewPerson, server: RunningServer, large: int) -> None:
    ada = await new_person("Ada")
    await ada.page.goto(server.url)

    for width, height in SIZES:
        arrangements = await ada.page.evaluate(ARRANGE, {"width": width, "height": height, "large": large})

        for count, arrangement in enumerate(arrangements, start=1 - min(large, 1)):
            tiles = [*arrangement["large"], *arrangement["small"]]
            assert len(tiles) == large + count
            for index, tile in enumerate(tiles):
                assert tile["x"] >= -0.01
                assert tile["y"] >= -0.01
                assert tile["x"] + tile["w"] <= width + 0.01
                assert tile["y"] + tile["h"] <= height + 0.01
                assert not any(_touch(tile, other) for other in tiles[:index]), (width, height, count, tile)
            assert sum(tile["w"] * tile["h"] for tile in tiles) > MIN_COVER * width * height, (width, height, count)
            if large and count:
                least = min(tile["w"] * tile["h"] for tile in arrangement["large"])
                assert least > max(tile["w"] * tile["h"] for tile in arrangement["small"])


PLACES = """async (sizes) => {
  const { galleryPlaces, stripPlaces, TILE_CHOICES } = await import("/web/app/layout.js");
  return sizes.map(([w, h]) => ({
    fitting: galleryPlaces({ w, h }),
    chosen: Object.fromEntries(TILE_CHOICES.map((choice) => [choice, galleryPlaces({ w, h }, choice)])),
    strip: stripPlaces({ w, h }),
  }));
}"""


async def test_as_many_tiles_as_the_window_carries_and_at_most_as_many_as_chosen(
    new_person: NewPerson, server: RunningServer
) -> None:
    ada = await new_person("Ada")
    await ada.page.goto(server.url)
    # What the tiles have of a window of 1280x800, of 1920x1080, and of a phone.
    desktop, large, phone = await ada.page.evaluate(PLACES, [[1256, 664], [1896, 944], [374, 672]])
    assert desktop["fitting"] == 25
    assert desktop["chosen"] == {"4": 4, "9": 9, "16": 16, "25": 25, "49": 49}
    assert large["fitting"] >= 48
    assert phone["fitting"] == 6
    assert phone["chosen"] == {"4": 4, "9": 6, "16": 6, "25": 6, "49": 6}
    assert (desktop["strip"], phone["strip"]) == (4, 3)


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
