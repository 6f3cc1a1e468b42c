"""Meetings as a resource: ``docs/api.md``, over every store, also by way of a server that has not the meeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import EVERYWHERE, MEMORY, Deployment
from tests.support.site import Site

from sfu.conference import Conference, ConferenceOptions
from sfu.conference.names import digest
from sfu.conference.store import MemoryStore
from sfu.plugins.meetings import MeetingsPlugin
from sfu.store.sql_store import SqlStore

OPTIONS = ConferenceOptions(max_participants=8, max_meetings=20)
KEY = {"Idempotency-Key": "b2f9d3f0-6d0e-4b52-8d0b-6c1f1f2f9f3a"}


@pytest.fixture(params=[MEMORY, *EVERYWHERE])
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


@pytest.fixture
async def conference(deployment: Deployment) -> Conference:
    return await deployment.deploy(OPTIONS)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.app(MeetingsPlugin()))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", auth=site.operator) as http:
        yield http


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def make(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await http.post("/meetings", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def minutes(number: float) -> str:
    return (EPOCH + timedelta(minutes=number)).isoformat()


async def titles(http: httpx.AsyncClient, **params: Any) -> list[str]:
    response = await http.get("/meetings", params=params)
    assert response.status_code == 200, response.text
    return [one["title"] for one in response.json()["meetings"]]


async def test_a_meeting_is_made_with_a_link_and_found_again(http: httpx.AsyncClient, conference: Conference) -> None:
    response = await http.post("/meetings", json={"title": " Review "})
    made = response.json()
    assert response.headers["location"] == f"http://sfu.test/meetings/{made['id']}"
    host_token, join_token = made.pop("host_token"), made.pop("join_token")
    assert made == {
        "id": made["id"],
        "title": "Review",
        "status": "active",
        "join_url": f"http://sfu.test/m/{made['id']}#{join_token}",
        "created_at": "2026-01-01T00:00:00.000Z",
        "host": None,
        "scheduled_start": None,
        "duration_s": None,
        "started_at": None,
        "ended_at": None,
        "max_participants": 8,
        "access": "open",
        "recording": "off",
        "e2ee": False,
        "not_before": None,
        "lobby": False,
        "join_expires_at": "2026-01-31T00:00:00.000Z",
        "options": made["options"],
        "participants": 0,
        "version": 1,
    }
    record = conference.meetings[made["id"]].record
    assert (record.host_digest, record.join_digest) == (digest(host_token), digest(join_token))
    found = await http.get(f"/meetings/{made['id']}")
    assert found.json() == {**made, "join_url": f"http://sfu.test/m/{made['id']}"}, "secrets are told once"
    assert response.headers["etag"] == found.headers["etag"] == '"1"'


async def test_everything_that_can_be_agreed_is_kept(http: httpx.AsyncClient, conference: Conference) -> None:
    asked = {
        "title": "Board",
        "host": "ann@example.org",
        "scheduled_start": "2026-03-01T10:00:00+02:00",
        "duration_s": 1800,
        "max_participants": 5,
        "access": "waiting_room",
        "recording": "allowed",
        "not_before": "2026-03-01T07:45:00Z",
        "lobby": True,
        "options": {"max_cameras": 3, "publish": ["microphone"]},
    }
    made = await make(http, **asked)
    found = (await http.get(f"/meetings/{made['id']}")).json()
    told = {key: found[key] for key in asked}
    assert told == {
        **asked,
        "scheduled_start": "2026-03-01T08:00:00.000Z",
        "not_before": "2026-03-01T07:45:00.000Z",
        "options": {**found["options"], "max_cameras": 3, "publish": ["microphone"]},
    }
    assert found["status"] == "scheduled"
    assert made["id"] not in conference.meetings, "one for later takes no place yet"
    assert found["join_expires_at"] == "2026-03-31T08:30:00.000Z"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"max_participants": 9}, "max_participants"),
        ({"max_participants": 0}, "max_participants"),
        ({"access": "everybody"}, "access"),
        ({"scheduled_start": "2026-03-01T10:00:00"}, "scheduled_start"),
        ({"scheduled_start": "0001-01-01T00:00:00+12:00"}, "scheduled_start"),
        ({"not_before": "9999-12-31T23:59:59-12:00"}, "not_before"),
        ({"duration_s": 0}, "duration_s"),
        ({"title": "x" * 201}, "title"),
        ({"host": "a\u0000b"}, "host"),
        ({"status": "ended"}, "status"),
    ],
)
async def test_what_can_not_be_agreed_is_named(http: httpx.AsyncClient, body: dict[str, Any], named: str) -> None:
    response = await http.post("/meetings", json=body)
    assert problem(response) == (400, "bad_request")
    assert named in response.json()["detail"]


async def test_encryption_from_end_to_end_and_recording_exclude_each_other(http: httpx.AsyncClient) -> None:
    response = await http.post("/meetings", json={"e2ee": True, "recording": "auto"})
    assert problem(response) == (409, "conflict")
    assert "can not be recorded" in response.json()["detail"]
    made = await make(http, e2ee=True)
    assert problem(await http.patch(f"/meetings/{made['id']}", json={"recording": "allowed"})) == (409, "conflict")
    changed = await http.patch(f"/meetings/{made['id']}", json={"recording": "allowed", "e2ee": False})
    assert changed.status_code == 200


async def test_the_same_request_with_the_same_key_makes_one_meeting(http: httpx.AsyncClient) -> None:
    first = await http.post("/meetings", json={"title": "Once"}, headers=KEY)
    again = await http.post("/meetings", json={"title": "Once"}, headers=KEY)
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json(), "tokens and all"
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    other = await http.post("/meetings", json={"title": "Twice"}, headers=KEY)
    assert problem(other) == (422, "idempotency_mismatch")
    assert await titles(http) == ["Once"]
    joined = await http.post(
        f"/meetings/{first.json()['id']}/join", json={"name": "Ann", "host_token": again.json()["host_token"]}
    )
    assert joined.status_code == 200


async def test_requests_with_one_key_that_overlap_make_one_meeting(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.post("/meetings", json={"title": "Once"}, headers=KEY) for _ in range(10)))
    assert len({answer.text for answer in answers}) == 1
    assert await titles(http) == ["Once"]


@pytest.mark.parametrize("key", ["", "short", "x" * 256])
async def test_a_key_that_can_be_guessed_is_refused(http: httpx.AsyncClient, key: str) -> None:
    assert problem(await http.post("/meetings", headers={"Idempotency-Key": key})) == (400, "bad_request")


async def test_a_change_holds_for_its_version_alone(http: httpx.AsyncClient) -> None:
    made = await make(http, title="Old", duration_s=600)
    address = f"/meetings/{made['id']}"
    changed = await http.patch(address, json={"title": "New", "duration_s": None}, headers={"If-Match": '"1"'})
    assert (changed.json()["title"], changed.json()["duration_s"], changed.headers["etag"]) == ("New", None, '"2"')
    for outdated in ('"1"', '"x"', '"7", "8"', "1", "é", '"99999999999999999999"'):
        late = await http.patch(address, json={"title": "Late"}, headers={"If-Match": outdated.encode()})
        assert problem(late) == (412, "precondition_failed"), outdated
    for header in ({"If-Match": '"2"'}, {"If-Match": "*"}, {"If-Match": '"9", "4"'}, {}):
        assert (await http.patch(address, json={"lobby": True}, headers=header)).status_code == 200
    assert (await http.patch(address, json={})).headers["etag"] == '"6"', "nothing asked for, nothing changed"
    assert problem(await http.patch("/meetings/nowhere", json={})) == (404, "meeting_not_found")


async def test_of_changes_that_overlap_one_holds(http: httpx.AsyncClient) -> None:
    made = await make(http)
    asked = [
        http.patch(f"/meetings/{made['id']}", json={"title": str(number)}, headers={"If-Match": '"1"'})
        for number in range(8)
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*asked))
    assert statuses == [200] + [412] * 7


async def test_lists_have_the_latest_first_by_pages_and_as_wanted(http: httpx.AsyncClient, clock: VirtualClock) -> None:
    for number in range(3):
        await make(http, title=f"Now {number}", host="ann")
        clock.advance(60)
    await make(http, title="Later", host="bob", scheduled_start=minutes(90))
    ended = await make(http, title="Over", host="bob")
    assert (await http.post(f"/meetings/{ended['id']}/end")).status_code == 204
    everything = ["Later", "Over", "Now 2", "Now 1", "Now 0"]
    assert await titles(http) == everything
    assert await titles(http, status="scheduled") == ["Later"]
    assert await titles(http, status="ended") == ["Over"]
    assert await titles(http, host="ann") == ["Now 2", "Now 1", "Now 0"]
    assert await titles(http, **{"from": minutes(2), "to": minutes(90)}) == ["Over", "Now 2"]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await http.get("/meetings", params=params)).json()
        seen += [one["title"] for one in page["meetings"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == everything
    for wrong in ({"status": "x"}, {"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"from": "x"}, {"host": "a\x00"}):
        assert problem(await http.get("/meetings", params=wrong)) == (400, "bad_request")


async def test_a_meeting_that_ended_is_known_and_closed(http: httpx.AsyncClient) -> None:
    made = await make(http)
    for _ in range(2):
        assert (await http.post(f"/meetings/{made['id']}/end")).status_code == 204
    found = (await http.get(f"/meetings/{made['id']}")).json()
    assert (found["status"], found["ended_at"]) == ("ended", "2026-01-01T00:00:00.000Z")
    assert problem(await http.post(f"/meetings/{made['id']}/join", json={"name": "Ann"})) == (404, "meeting_not_found")
    assert problem(await http.patch(f"/meetings/{made['id']}", json={"title": "x"})) == (409, "conflict")


async def test_a_meeting_that_was_deleted_is_not_known(http: httpx.AsyncClient) -> None:
    made = await make(http)
    joined = (await http.post(f"/meetings/{made['id']}/join", json={"name": "Ann"})).json()
    assert (await http.delete(f"/meetings/{made['id']}")).status_code == 204
    for response in (
        await http.get(f"/meetings/{made['id']}"),
        await http.delete(f"/meetings/{made['id']}"),
        await http.get(f"/meetings/{made['id']}/participants", params={"state": "past"}),
        await http.post(f"/meetings/{made['id']}/leave", headers={"Authorization": f"Bearer {joined['token']}"}),
    ):
        assert problem(response) == (404, "meeting_not_found")


async def test_who_was_there_is_known_with_coming_and_going(http: httpx.AsyncClient, clock: VirtualClock) -> None:
    made = await make(http)
    address = f"/meetings/{made['id']}"
    await http.post(f"{address}/join", json={"name": "Ann", "host_token": made["host_token"]})
    clock.advance(1)
    bob = (await http.post(f"{address}/join", json={"name": "Bob"})).json()
    clock.advance(1)
    await http.post(f"{address}/leave", headers={"Authorization": f"Bearer {bob['token']}"})
    [past] = (await http.get(f"{address}/participants", params={"state": "past"})).json()["participants"]
    assert (past["name"], past["participant_id"], past["is_host"]) == ("Bob", bob["participant_id"], False)
    assert (past["joined_at"], past["left_at"]) == ("2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z")
    page = (await http.get(f"{address}/participants", params={"state": "all", "limit": 1})).json()
    assert [(one["name"], one["is_host"], one["left_at"]) for one in page["participants"]] == [("Ann", True, None)]
    page = (await http.get(f"{address}/participants", params={"state": "all", "after": page["next"]})).json()
    assert ([one["name"] for one in page["participants"]], page["next"]) == (["Bob"], None)
    current = (await http.get(f"{address}/participants")).json()
    assert ([one["name"] for one in current["participants"]], current["total"]) == (["Ann"], 1)


async def test_a_new_join_token_takes_the_place_of_the_old_one(http: httpx.AsyncClient, conference: Conference) -> None:
    made = await make(http)
    new = (await http.post(f"/meetings/{made['id']}/join-token", json={"expires_at": minutes(60)})).json()
    assert new["join_url"] == f"http://sfu.test/m/{made['id']}#{new['join_token']}"
    assert (new["join_token"] != made["join_token"], new["version"]) == (True, 2)
    assert new["join_expires_at"] == "2026-01-01T01:00:00.000Z"
    record = await conference.record(made["id"])
    assert record.join_digest == digest(new["join_token"])
    assert isinstance(conference.store, MemoryStore | SqlStore)
    assert await conference.store.find_by_join(digest(made["join_token"])) is None


async def test_a_scheduled_meeting_goes_into_calendars(http: httpx.AsyncClient, clock: VirtualClock) -> None:
    title = "Planning; phase 2, " + "ä" * 60
    made = await make(http, title=title, scheduled_start="2026-03-01T10:00:00Z", duration_s=2700)
    response = await http.get(f"/meetings/{made['id']}.ics")
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    lines = response.content.split(b"\r\n")
    assert all(len(line) <= 75 for line in lines)
    text = response.text.replace("\r\n ", "")
    assert "DTSTART:20260301T100000Z\r\n" in text
    assert "DTEND:20260301T104500Z\r\n" in text
    assert "SUMMARY:" + title.replace(";", "\\;").replace(",", "\\,") + "\r\n" in text
    plain, link = f"URL:http://sfu.test/m/{made['id']}\r\n", f"URL:{made['join_url']}\r\n"
    assert plain in text
    stranger = httpx.AsyncClient(transport=http._transport, base_url="http://sfu.test")
    for bearer, line in ((None, plain), ("nobody", plain), (made["join_token"], link), (made["host_token"], plain)):
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        answer = await stranger.get(f"/meetings/{made['id']}.ics", headers=headers)
        assert line in answer.text.replace("\r\n ", ""), bearer
    clock.advance(366 * 86_400)
    old = await stranger.get(f"/meetings/{made['id']}.ics", headers={"Authorization": f"Bearer {made['join_token']}"})
    assert plain in old.text.replace("\r\n ", ""), "the token is good no longer"
    now = await make(http)
    assert problem(await http.get(f"/meetings/{now['id']}.ics")) == (404, "not_scheduled")


async def test_strangers_may_look_but_neither_list_nor_change(http: httpx.AsyncClient, site: Site) -> None:
    made = await make(http, host="ann@example.org")
    address = f"/meetings/{made['id']}"
    stranger = httpx.AsyncClient(transport=http._transport, base_url="http://sfu.test")
    found = await stranger.get(address)
    assert (found.status_code, found.json()["host"]) == (200, None)
    for response in (
        await stranger.post("/meetings"),
        await stranger.get("/meetings"),
        await stranger.patch(address, json={}),
        await stranger.delete(address),
        await stranger.post(f"{address}/end"),
        await stranger.post(f"{address}/join-token"),
        await stranger.get(f"{address}/participants"),
        await stranger.get(f"{address}/participants", params={"state": "past"}),
    ):
        assert problem(response) == (401, "unauthorized")
    host = {"Authorization": f"Bearer {made['host_token']}"}
    assert (await stranger.patch(address, json={"title": "Mine"}, headers=host)).json()["host"] == "ann@example.org"
    assert problem(await stranger.get("/meetings", headers=host))[0] in {401, 403}


async def test_the_description_says_what_is_answered_and_the_page_needs_nobody_else(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in str(document)
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("docs.js", "docs.css"):
        assert f"/docs/{name}" in page.text
        assert (await http.get(f"/docs/{name}")).status_code == 200
    assert "https://" not in page.text
    assert (await http.get("/docs/../index.html")).status_code == 404
