"""The SDK alone, as docs/sdk.md promises it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.conftest import NewPerson
from tests.support.server import RunningServer
from tests.support.waiting import until

DOCS = Path(__file__).parents[2] / "docs" / "sdk.md"


async def test_the_page_in_the_documentation_is_complete(new_person: NewPerson, server: RunningServer) -> None:
    found = re.search(r"```html\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    meeting_id = await server.create_meeting()
    ada, grace = await new_person("Ada"), await new_person("Grace")
    await ada.open_and_join(f"{server.url}/m/{meeting_id}")

    # Any address of the server will do: what counts is the origin.
    await grace.page.goto(f"{server.url}/healthz#{meeting_id}")
    await grace.page.set_content(found[1])
    await grace.page.get_by_role("button", name="Join").click()

    await ada.sees(grace)
    await grace.hears(1)
    playing = "[...document.querySelectorAll('#people video')].map((video) => video.videoWidth > 0)"
    await until(lambda: grace.page.evaluate(playing), "Ada's video plays", good=lambda seen: seen == [True])
    await grace.page.get_by_role("button", name="Mute").click()
    await until(ada.labels, "Ada sees it", good=lambda labels: any("Grace, muted" in label for label in labels))
    await grace.page.get_by_role("button", name="Leave").click()
    await until(ada.labels, "Grace is gone", good=lambda labels: len(labels) == 1)
