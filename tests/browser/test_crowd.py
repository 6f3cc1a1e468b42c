"""More people than slots: the page asks for more, and everybody is shown."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until

CROWD = 7
"""Above the four video slots of a first offer, and above the next step of four."""

JOIN_AS_MANY = """async ({ id, count }) => {
  const { Meeting } = await import("/web/sdk/sfu.js");
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 90 });
  const context = canvas.getContext("2d");
  let tick = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${(tick += 9)} 70% 50%)`;
    context.fillRect(0, 0, 160, 90);
  }, 100);
  const [track] = canvas.captureStream(10).getTracks();
  globalThis.crowd = [];
  for (let index = 0; index < count; index += 1) {
    const meeting = new Meeting({ id, name: `Guest ${index + 1}`, maxVideo: 0 });
    await meeting.publish("camera", track);
    await meeting.join();
    crowd.push(meeting);
  }
}"""


async def shown(person: Person) -> set[str]:
    """Names of those whose pictures are decoded now."""
    return {tile.label.split(",")[0] for tile in await person.tiles() if not tile.own and tile.fps > 2}


async def test_everybody_is_shown_when_there_are_more_people_than_slots(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting()
    ada, crowd = await new_person("Ada", quality="180"), await new_person("Crowd")
    await ada.page.set_viewport_size({"width": 1280, "height": 800})
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")
    await crowd.page.goto(server.url)

    await crowd.page.evaluate(JOIN_AS_MANY, {"id": meeting_id, "count": CROWD})

    names = {f"Guest {index + 1}" for index in range(CROWD)}
    await until(lambda: shown(ada), "all guests", good=lambda seen: seen == names, within_s=60)

    await crowd.page.evaluate("crowd[2].leave()")
    await until(lambda: shown(ada), "one is gone", good=lambda seen: seen == names - {"Guest 3"})


async def test_who_comes_into_a_full_meeting_negotiates_once_and_sees_everybody(
    new_person: NewPerson, server: RunningServer
) -> None:
    meeting_id = await server.create_meeting()
    late, crowd = await new_person("Late"), await new_person("Crowd")
    await crowd.page.goto(server.url)
    await crowd.page.evaluate(JOIN_AS_MANY, {"id": meeting_id, "count": CROWD})
    said: list[str] = []
    late.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: said.append(str(frame))))
    await late.page.set_viewport_size({"width": 1280, "height": 800})

    await late.open_and_join(f"{server.url}/m/{meeting_id}")

    names = {f"Guest {index + 1}" for index in range(CROWD)}
    await until(lambda: shown(late), "all guests", good=lambda seen: seen == names, within_s=60)
    answers = [frame for frame in said if '"type":"answer"' in frame]
    assert len(answers) == 1
    assert not any('"type":"slots"' in frame for frame in said)


async def test_a_server_that_stops_says_so(new_person: NewPerson, tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        ada = await new_person("Ada")
        await ada.open_and_join(f"{server.url}/m/{await server.create_meeting()}")

        assert await server.stop() == 0

    await ada.page.get_by_role("heading", name="The meeting has ended").wait_for()
