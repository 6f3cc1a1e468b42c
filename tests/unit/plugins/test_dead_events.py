"""What sinks did not take, by REST: who sees it, page by page, and telling it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.site import Site

from sfu.access import Access, ApiKey, ApiKeys, Scope
from sfu.conference.happenings import Happening, happening
from sfu.conference.memory_outbox import MemoryOutbox
from sfu.events.service import EventService, Keeping
from sfu.events.sink import SinkOptions
from sfu.plugins.meetings import MeetingsPlugin

KEY, SECRET = ApiKey.create("ops", [Scope.EVENTS])
OTHER, OTHER_SECRET = ApiKey.create("shop", [Scope.MEETINGS, Scope.MODERATE, Scope.REVOKE, Scope.READ])
KEYS = Access(api_keys=ApiKeys([KEY, OTHER]))
SINKS = ("billing", "kafka")


class Sink:
    """Of which nobody is told anything here."""

    def __init__(self, name: str) -> None:
        self.name = name


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def outbox(clock: VirtualClock) -> MemoryOutbox:
    return MemoryOutbox(dict.fromkeys(SINKS, lambda _kind: True), clock.wall)


@pytest.fixture
async def http(site: Site, clock: VirtualClock, outbox: MemoryOutbox) -> AsyncIterator[httpx.AsyncClient]:
    sinks: list[Any] = [(Sink(name), SinkOptions()) for name in SINKS]
    site.events = EventService(outbox, sinks, clock, Keeping(told_s=100, waiting_s=5000), Random(1))
    transport = httpx.ASGITransport(site.app(MeetingsPlugin(), access=KEYS))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=bearer(SECRET)) as client:
        yield client


async def die(outbox: MemoryOutbox, count: int, sinks: tuple[str, ...] = ("billing",)) -> list[Happening]:
    """So many of a meeting's, one a second, given up after 7 attempts."""
    made = [happening("meeting.locked", "weekly", EPOCH, by=None) for _ in range(count)]
    outbox.append(made)
    for sink in sinks:
        for second in range(count):
            now = EPOCH + timedelta(seconds=second)
            [lane] = await outbox.claim(sink, now, now + timedelta(seconds=60), 10)
            [entry] = await outbox.load(lane, 1)
            assert await outbox.bury(lane, entry, now, 7, "answered 410")
    return made


async def test_what_was_given_up_is_listed_page_by_page(http: httpx.AsyncClient, outbox: MemoryOutbox) -> None:
    made = await die(outbox, 5)
    page = (await http.get("/events/dead?limit=2")).json()
    assert page["events"][0] == {
        "sink": "billing",
        "id": made[0].id,
        "type": "meeting.locked",
        "meeting": "weekly",
        "sequence": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "data": {"by": None},
        "attempts": 7,
        "died_at": "2026-01-01T00:00:00.000Z",
        "reason": "answered 410",
    }
    seen = [one["id"] for one in page["events"]]
    await http.post("/events/retry", json={"ids": seen})
    while page["next"] is not None:
        page = (await http.get("/events/dead", params={"limit": 2, "cursor": page["next"]})).json()
        seen += [one["id"] for one in page["events"]]
    assert seen == [one.id for one in made], "pages do not move"
    assert (await http.get("/events/dead?sink=kafka")).json() == {"events": [], "next": None}


async def test_some_or_all_are_told_again_by_the_sinks_that_were_not_told(
    http: httpx.AsyncClient, outbox: MemoryOutbox
) -> None:
    made = await die(outbox, 3, SINKS)
    for body, retried, left in (
        ({"ids": [made[0].id], "sink": "kafka"}, 1, 5),
        ({"ids": [made[0].id]}, 1, 4),
        ({"ids": [made[0].id]}, 0, 4),
        ({"all": True, "sink": "billing"}, 2, 2),
        ({"all": True}, 2, 0),
    ):
        answer = await http.post("/events/retry", json=body)
        assert (answer.status_code, answer.json()) == (200, {"retried": retried}), body
        assert len((await http.get("/events/dead")).json()["events"]) == left
    lanes = await outbox.claim("billing", EPOCH, EPOCH + timedelta(seconds=60), 10)
    assert [(await outbox.load(lane, 9))[0].happening.id for lane in lanes] == [one.id for one in made]


@pytest.mark.parametrize(
    "body",
    [{}, {"all": True, "ids": ["0d9d2c3e-3b0c-4f2b-9d0f-6f6f0e3a9a51"]}, {"ids": []}, {"ids": ["x"]},
     {"ids": ["0d9d2c3e-3b0c-4f2b-9d0f-6f6f0e3a9a51"] * 1001}, {"all": True, "sink": "nobody"}, {"all": 3}],
)  # fmt: skip
async def test_a_wrong_request_retries_nothing(http: httpx.AsyncClient, outbox: MemoryOutbox, body: Any) -> None:
    await die(outbox, 1)
    answer = await http.post("/events/retry", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert len((await http.get("/events/dead")).json()["events"]) == 1


@pytest.mark.parametrize("query", ["sink=nobody", "cursor=x", "limit=0", "limit=201", "cursor=" + "W" * 513])
async def test_a_wrong_question_is_named(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/events/dead?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert query.partition("=")[0] in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), (bearer("x"), 401), (bearer(OTHER_SECRET), 403)], ids=["none", "wrong", "scope"]
)
async def test_only_an_operators_key_of_that_scope_may(
    http: httpx.AsyncClient, outbox: MemoryOutbox, headers: dict[str, str], status: int
) -> None:
    await die(outbox, 1)
    for method, path, body in (("GET", "/events/dead", None), ("POST", "/events/retry", {"all": True})):
        request = http.build_request(method, path, json=body)
        request.headers.pop("authorization")
        request.headers.update(headers)
        assert (await http.send(request)).status_code == status
    assert len((await http.get("/events/dead")).json()["events"]) == 1


async def test_where_nobody_is_told_anything_there_is_nothing(site: Site) -> None:
    transport = httpx.ASGITransport(site.app(MeetingsPlugin(), access=KEYS))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=bearer(SECRET)) as http:
        assert (await http.get("/events/dead")).json() == {"events": [], "next": None}
        assert (await http.post("/events/retry", json={"all": True})).json() == {"retried": 0}
