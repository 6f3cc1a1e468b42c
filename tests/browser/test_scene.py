"""Who is on the screen, and where: the page's own rules, run in the browser without a meeting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Page
from tests.browser.conftest import SharedBrowser, SharedServer

COMPOSE = """async ({ cameras, faces, received, ...options }) => {
  const { compose } = await import("/web/app/scene.js");
  const entry = (id, sources) => [id, { id, name: id, sources }];
  const people = new Map([
    ...cameras.map((id) => entry(id, { camera: { muted: false } })), ...faces.map((id) => entry(id, {})),
  ]);
  const choices = { mode: "gallery", page: 0, pins: [], screen: null, ...options.choices };
  const situation = {
    videos: received.map((key) => {
      const [participantId, screen] = key.split("/");
      return { participantId, source: screen ? "screen" : "camera" };
    }),
    people, unknown: 0, total: cameras.length, most: 49, screens: [], own: ["self"], main: null, recent: [],
    places: { gallery: 9, strip: 4 }, ...options, choices,
  };
  return compose(situation, options.before);
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(shared_browser: SharedBrowser, shared_server: SharedServer) -> AsyncIterator[Page]:
    """A page of the server, whose modules can be imported: one for all, as nothing here leaves anything in it."""
    browser, server = await shared_browser.running(), await shared_server.running()
    page = await browser.new_page()
    await page.goto(server.url)
    yield page
    await page.close()


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{index}" for index in range(count)]


async def compose(page: Page, cameras: list[str], faces: list[str], received: list[str], **options: Any) -> Any:
    """The scene of people with and without a camera, of whom some are received."""
    return await page.evaluate(COMPOSE, {"cameras": cameras, "faces": faces, "received": received, **options})


async def test_those_with_a_picture_come_first_and_oneself_last(page: Page) -> None:
    scene = await compose(page, ["c0", "c1"], ["f0"], ["c0"])
    assert scene["large"] == []
    # The second picture is on its way: its place is there already.
    assert scene["small"] == ["c0", "c1", "f0", "self"]
    assert (scene["page"], scene["pages"]) == (0, 1)


async def test_everybody_is_on_exactly_one_page(page: Page) -> None:
    for camera_count, face_count in ((0, 0), (0, 30), (5, 3), (8, 0), (8, 1), (9, 0), (20, 0), (20, 11), (24, 40)):
        cameras, faces = names("c", camera_count), names("f", face_count)
        seen: list[str] = []
        number, pages = 0, 1
        while number < pages:
            first = 8 * number
            scene = await compose(page, cameras, faces, cameras[first : first + 8], choices={"page": number})
            assert scene["page"] == number
            assert scene["small"][-1] == "self"
            assert len(scene["small"]) <= 9
            if number < camera_count / 8:
                assert scene["cameraPage"] == number
            seen += scene["small"][:-1]
            number, pages = number + 1, scene["pages"]
        assert sorted(seen) == sorted([*cameras, *faces]), (camera_count, face_count)


async def test_a_page_that_is_gone_is_the_last_one(page: Page) -> None:
    scene = await compose(page, names("c", 20), [], names("c", 4), choices={"page": 7})
    assert (scene["page"], scene["pages"], scene["cameraPage"]) == (2, 3, 2)


async def test_as_many_videos_are_asked_for_as_there_are_places(page: Page) -> None:
    assert (await compose(page, names("c", 20), [], names("c", 8)))["videos"] == 8
    speaker = await compose(page, names("c", 20), [], names("c", 4), main="c2", choices={"mode": "speaker"})
    # Three beside oneself, the large one, and two that are ready.
    assert (speaker["large"], len(speaker["small"]), speaker["videos"]) == (["c2"], 4, 6)
    shared = await compose(page, names("c", 20), [], ["c5/screen", *names("c", 3)], screens=["c5/screen"], total=21)
    assert (shared["large"], shared["small"], shared["videos"]) == (["c5/screen"], ["c0", "c1", "c2", "self"], 4)


async def test_pages_are_no_larger_than_what_may_be_received(page: Page) -> None:
    scene = await compose(page, names("c", 20), [], names("c", 5), most=5)
    assert (scene["videos"], scene["pages"], len(scene["small"])) == (5, 4, 6)


async def test_screens_and_pins_are_large_on_every_page_and_in_every_view(page: Page) -> None:
    for mode in ("gallery", "speaker"):
        scene = await compose(
            page,
            names("c", 6),
            [],
            ["c1/screen", "c3/screen", "c4", "c0", "c2"],
            screens=["c1/screen", "c3/screen"],
            total=8,
            main="c0",
            choices={"mode": mode, "pins": ["c4"], "page": 1 if mode == "gallery" else 0},
        )
        assert scene["large"] == ["c3/screen", "c4"], "the newest screen and the pin"
        assert scene["small"][0] == "c1/screen", "the other screen is not lost"
        chosen = await compose(
            page,
            [],
            [],
            ["c1/screen", "c3/screen"],
            screens=["c1/screen", "c3/screen"],
            choices={"screen": "c1/screen"},
        )
        assert chosen["large"] == ["c1/screen"]


async def test_who_stays_keeps_the_place_and_who_comes_takes_one_that_is_free(page: Page) -> None:
    before = (await compose(page, ["c0", "c1", "c2"], ["f0", "f1"], ["c0", "c1", "c2"]))["standing"]
    scene = await compose(page, ["c0", "c2", "c9"], ["f1", "f7"], ["c0", "c9", "c2"], before=before)
    assert scene["small"] == ["c0", "c9", "c2", "f7", "f1", "self"]


async def test_the_speaker_view_swaps_two_tiles_when_another_one_speaks(page: Page) -> None:
    cameras = names("c", 4)
    first = await compose(page, cameras, [], cameras, main="c0", choices={"mode": "speaker"})
    assert (first["large"], first["small"]) == (["c0"], ["c1", "c2", "c3", "self"])
    second = await compose(page, cameras, [], cameras, main="c2", choices={"mode": "speaker"}, before=first["standing"])
    assert (second["large"], second["small"]) == (["c2"], ["c1", "c0", "c3", "self"])


async def test_the_speaker_view_shows_those_who_spoke_last(page: Page) -> None:
    cameras = names("c", 6)
    scene = await compose(page, cameras, [], cameras, main="c5", recent=["c5", "c4", "c0"], choices={"mode": "speaker"})
    assert (scene["large"], scene["small"]) == (["c5"], ["c0", "c1", "c4", "self"])


async def test_of_a_thousand_people_most_are_counted(page: Page) -> None:
    scene = await compose(page, names("c", 3), names("f", 97), names("c", 3), unknown=900, choices={"page": 99})
    assert scene["more"] == 900
    assert scene["small"][-2:] == ["more", "self"]


MAIN_SPEAKER = """async (steps) => {
  const { MainSpeaker } = await import("/web/app/main_speaker.js");
  const main = new MainSpeaker();
  return steps.map(([now, dominant, isReady]) => [main.follow(dominant, () => isReady, now), main.current]);
}"""


async def test_the_large_tile_follows_the_speaker_at_once_and_never_flickers(page: Page) -> None:
    steps = [
        (0, None, True),
        (100, "ada", True),  # the first one at once
        (600, "bo", True),  # too soon
        (1_100, "bo", True),
        (5_000, None, True),  # silence: who spoke last stays
        (6_000, "cleo", False),  # her picture is on its way
        (6_300, "cleo", True),
        (9_000, "dara", False),
        (9_700, "dara", False),  # it does not come
    ]
    assert await page.evaluate(MAIN_SPEAKER, steps) == [
        [None, None],
        [None, "ada"],
        [500, "ada"],
        [None, "bo"],
        [None, "bo"],
        [700, "bo"],
        [None, "cleo"],
        [700, "cleo"],
        [None, "dara"],
    ]


GRADES = """async (steps) => {
  const { gradeOf, SteadyGrade } = await import("/web/app/network_quality.js");
  const steady = new SteadyGrade();
  return steps.map((now) => steady.follow(gradeOf({ rttMs: 20, loss: 0, held: 0, soft: 0, ...now })).grade);
}"""


async def test_a_connection_is_called_worse_at_once_and_better_when_it_lasts(page: Page) -> None:
    steps = [{}, {"loss": 0.03}, {"held": 1}, {}, {"soft": 1}, {}, {}]
    grades = ["good", "fair", "poor", "poor", "fair", "fair", "good"]
    assert await page.evaluate(GRADES, steps) == grades


MATCHES = """async (pairs) => {
  const { matches } = await import("/web/app/directory.js");
  return pairs.filter(([name, search]) => matches(name, search));
}"""


async def test_a_search_finds_beginnings_of_words_without_case_and_accents(page: Page) -> None:
    found = [("Cléo Dubois", "cleo"), ("Cléo Dubois", "DUB"), ("Ada King Lovelace", "king lo"), ("Ørsted", "ø")]
    missed = [("Cléo Dubois", "leo"), ("Ada", "adam"), ("Ada King", "king ada")]
    assert await page.evaluate(MATCHES, [*found, *missed]) == [list(pair) for pair in found]


GATHER = """async () => {
  const { Gathering } = await import("/web/app/gathering.js");
  const said = [];
  const joined = new Gathering("joined", (text) => said.push(text));
  joined.add("Ada", 2);
  for (let index = 0; index < 12; index += 1) joined.add(`Guest ${index}`, 3 + index);
  joined.add("Zoe", 51);
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (said.length < 2) return;
      clearInterval(timer);
      joined.close();
      resolve(said);
    }, 20);
  });
}"""


async def test_many_who_come_are_told_of_in_one_sentence_and_of_a_crowd_nothing(page: Page) -> None:
    assert await page.evaluate(GATHER) == ["Ada joined", "12 people joined"]
