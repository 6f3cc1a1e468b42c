from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.clock import VirtualClock
from tests.support.deployments import EVERYWHERE, Deployment
from tests.support.site import Site

from sfu.conference import Conference, Meeting, Source
from sfu.conference.rights import Rules
from sfu.ice.servers import IceServer
from sfu.plugins.meetings import MeetingsPlugin


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


def client(site: Site, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(site.app(MeetingsPlugin(), **options))
    return httpx.AsyncClient(transport=transport, base_url="http://sfu.test:8080", auth=site.operator)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with client(site) as http:
        yield http


def is_problem(response: httpx.Response, status: int, code: str) -> bool:
    assert response.headers["content-type"].startswith("application/problem+json")
    body = response.json()
    assert body["status"] == response.status_code
    return (response.status_code, body["code"]) == (status, code)


async def test_a_meeting_needs_no_body(http: httpx.AsyncClient) -> None:
    assert (await http.post("/meetings")).json()["title"] == ""


async def test_a_chosen_id_is_for_development_only(http: httpx.AsyncClient, site: Site) -> None:
    assert is_problem(await http.post("/meetings", json={"id": "demo"}), 400, "bad_request")
    async with client(site, dev=True) as dev:
        assert (await dev.post("/meetings", json={"id": "demo"})).json()["id"] == "demo"
        assert is_problem(await dev.post("/meetings", json={"id": "demo"}), 409, "conflict")
        assert is_problem(await dev.post("/meetings", json={"id": "a b"}), 400, "bad_request")


async def test_joining_gives_the_token_the_offer_and_where_to_signal(http: httpx.AsyncClient, meeting: Meeting) -> None:
    response = await http.post("/meetings/standup/join", json={"name": "Ann", "capabilities": {}})
    assert response.status_code == 200
    joined = response.json()
    assert joined["meeting"] == {"id": "standup", "title": "Stand-up"}
    assert joined["signaling_url"] == "ws://sfu.test:8080/meetings/standup/signaling"
    assert joined["ice_servers"] == []
    assert joined["ingress"] == {"microphone": "0", "camera": "1", "screen": "2", "screen_audio": "3"}
    assert joined["slots"][0] == {"mid": "4", "kind": "audio"}
    assert joined["offer"]["version"] == 1
    assert joined["offer"]["sdp"].startswith("v=0\r\n")
    attendee = meeting.attendee(joined["token"])
    assert attendee.id == joined["participant_id"]
    [view] = (await http.get("/meetings/standup/participants")).json()["participants"]
    assert view == {
        "id": attendee.id,
        "name": "Ann",
        "joined_at": "2026-01-01T00:00:00.000Z",
        "connected": False,
        "role": "participant",
        "hand": None,
        "sources": {},
    }


async def test_who_joins_says_how_many_videos_it_shows(http: httpx.AsyncClient, meeting: Meeting) -> None:
    joined = (await http.post("/meetings/standup/join", json={"name": "Ann", "video": 2})).json()
    assert [slot["kind"] for slot in joined["slots"]] == ["audio"] * 3 + ["video"] * 2
    for wrong in (-1, 50, "many"):
        assert is_problem(
            await http.post("/meetings/standup/join", json={"name": "Ann", "video": wrong}), 400, "bad_request"
        )


async def test_links_are_of_the_public_url_and_ice_servers_of_the_participant(site: Site, meeting: Meeting) -> None:
    def servers(participant_id: str) -> tuple[IceServer, ...]:
        return (IceServer(("stun:stun.test",)), IceServer(("turn:turn.test",), participant_id, "secret"))

    async with client(site, public_url="https://meet.test/app", ice_servers=servers) as http:
        joined = (await http.post("/meetings/standup/join", json={"name": "Ann"})).json()
        assert joined["signaling_url"] == "wss://meet.test/app/meetings/standup/signaling"
        assert joined["ice_servers"] == [
            {"urls": ["stun:stun.test"]},
            {"urls": ["turn:turn.test"], "username": joined["participant_id"], "credential": "secret"},
        ]
        assert (await http.get("/meetings/standup")).json()["join_url"] == "https://meet.test/app/m/standup"


async def test_leaving_needs_the_participants_own_token(http: httpx.AsyncClient, meeting: Meeting) -> None:
    token = meeting.join("Ann").token
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
        response = await http.post("/meetings/standup/leave", headers=headers)
        assert is_problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    left = await http.post("/meetings/standup/leave", headers={"Authorization": f"Bearer {token}"})
    assert (left.status_code, left.content) == (204, b"")
    assert meeting.participants == {}


async def test_who_is_there_comes_by_pages(http: httpx.AsyncClient, meeting: Meeting) -> None:
    for name in ("Ann Lee", "Bob", "Lea"):
        meeting.join(name)
    page = (await http.get("/meetings/standup/participants", params={"limit": 2})).json()
    assert ([one["name"] for one in page["participants"]], page["total"]) == (["Ann Lee", "Bob"], 3)
    page = (await http.get("/meetings/standup/participants", params={"after": page["next"]})).json()
    assert ([one["name"] for one in page["participants"]], page["next"]) == (["Lea"], None)
    page = (await http.get("/meetings/standup/participants", params={"search": "le"})).json()
    assert ([one["name"] for one in page["participants"]], page["total"]) == (["Ann Lee", "Lea"], 2)
    assert is_problem(await http.get("/meetings/standup/participants", params={"limit": 201}), 400, "bad_request")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "65 characters"),
        ({"name": "a\u0000"}, "printed"),
        ({"name": "Ann", "nick": "A"}, "nick"),
        ([], "body"),
    ],
)
async def test_a_wrong_body_is_a_problem_that_names_the_field(
    http: httpx.AsyncClient, meeting: Meeting, body: Any, named: str
) -> None:
    response = await http.post("/meetings/standup/join", json=body)
    assert is_problem(response, 400, "bad_request")
    assert named in response.json()["detail"]


async def test_unknown_meetings_are_not_found_but_made_by_opening_them_in_development(
    http: httpx.AsyncClient, site: Site
) -> None:
    for response in (
        await http.get("/meetings/nowhere"),
        await http.get("/meetings/nowhere/participants"),
        await http.post("/meetings/nowhere/join", json={"name": "Ann"}),
        await http.post("/meetings/nowhere/leave", headers={"Authorization": "Bearer x"}),
    ):
        assert is_problem(response, 404, "meeting_not_found")
    async with client(site, dev=True) as dev:
        assert (await dev.post("/meetings/nowhere/join", json={"name": "Ann"})).status_code == 200
        assert (await dev.get("/meetings/nowhere")).json()["participants"] == 1
        assert (await dev.get("/meetings/elsewhere")).json()["participants"] == 0


async def test_the_quality_of_a_participant_is_told_second_by_second(
    http: httpx.AsyncClient, meeting: Meeting, clock: VirtualClock
) -> None:
    attendee = meeting.join("Ann")
    clock.advance(3.5)
    transport = attendee.transport
    for second in range(3):
        row = {"sent_bps": 10_000 * second}
        transport.link.history.record(second, {"transports": {transport.id: row}, "consumers": {}})
    path = f"/meetings/standup/participants/{attendee.id}/quality"
    assert is_problem(await http.get(path, auth=None), 401, "unauthorized")
    response = await http.get(path, params={"seconds": 2}, headers={"Authorization": f"Bearer {attendee.token}"})
    assert response.status_code == 200
    body = response.json()
    assert (body["participant_id"], body["seconds"], body["at"]) == (attendee.id, 2, "2026-01-01T00:00:03.500Z")
    assert body["estimate_kbps"] == [None, None]
    assert body["sent_kbps"] == [10, 20]
    assert [slot["mid"] for slot in body["slots"]] == ["7", "8", "9", "10"]
    assert body["slots"][0]["layers"] == [None, None]


async def test_the_quality_of_whom_nobody_knows_is_a_problem(http: httpx.AsyncClient, meeting: Meeting) -> None:
    attendee = meeting.join("Ann")
    quality = f"participants/{attendee.id}/quality"
    assert is_problem(await http.get("/meetings/standup/participants/x/quality"), 404, "participant_not_found")
    assert is_problem(await http.get(f"/meetings/nowhere/{quality}"), 404, "meeting_not_found")
    for seconds in (0, 901, "x"):
        response = await http.get(f"/meetings/standup/{quality}", params={"seconds": seconds})
        assert is_problem(response, 400, "bad_request")


async def join(http: httpx.AsyncClient, meeting: str, **body: Any) -> httpx.Response:
    return await http.post(f"/meetings/{meeting}/join", json={"name": "Ann", **body})


async def test_who_made_the_meeting_joins_as_its_host_and_nobody_else_does(
    http: httpx.AsyncClient, conference: Conference
) -> None:
    created = (await http.post("/meetings")).json()
    meeting = conference.meetings[created["id"]]
    host = (await join(http, meeting.id, host_token=created["host_token"])).json()
    other = (await join(http, meeting.id)).json()
    roles = [meeting.participants[joined["participant_id"]].rights.role for joined in (host, other)]
    assert roles == ["host", "participant"]
    assert "host_token" not in host
    for wrong in ("", "x"):
        assert is_problem(await join(http, meeting.id, host_token=wrong), 403, "forbidden")


async def test_options_make_the_rules_of_a_meeting(http: httpx.AsyncClient, deployment: Deployment) -> None:
    options = {"max_cameras": 2, "max_video": 3, "max_screens": 0, "publish": ["microphone"], "audience": True}
    created = (await http.post("/meetings", json={"options": options})).json()
    meeting = deployment.meeting(created["id"])
    assert meeting.permissions.rules == Rules(2, 3, 0, frozenset({Source.MICROPHONE}), audience=True)
    joined = (await join(http, meeting.id)).json()
    assert meeting.participants[joined["participant_id"]].rights.role == "audience"
    assert sum(slot["kind"] == "video" for slot in joined["slots"]) == 3
    created = (await http.post("/meetings", json={"options": {"max_screens": 4}})).json()
    assert deployment.meeting(created["id"]).permissions.rules == Rules(max_screens=4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_cameras": -1}, "max_cameras"),
        ({"max_video": 50}, "max_video"),
        ({"publish": ["webcam"]}, "publish"),
        ({"audience": "perhaps"}, "audience"),
        ({"max_hands": 1}, "max_hands"),
    ],
)
async def test_wrong_options_are_named(http: httpx.AsyncClient, options: dict[str, Any], named: str) -> None:
    response = await http.post("/meetings", json={"options": options})
    assert is_problem(response, 400, "bad_request")
    assert named in response.json()["detail"]


async def test_one_may_join_as_audience(http: httpx.AsyncClient, meeting: Meeting) -> None:
    joined = (await join(http, "standup", role="audience")).json()
    assert meeting.participants[joined["participant_id"]].rights.publish == frozenset()
    assert is_problem(await join(http, "standup", role="host"), 400, "bad_request")


async def test_in_development_who_makes_a_meeting_by_joining_it_is_its_host(site: Site, conference: Conference) -> None:
    async with client(site, dev=True) as dev:
        await dev.get("/meetings/new")
        first, second = (await join(dev, "new")).json(), (await join(dev, "new")).json()
        again = (await join(dev, "new", host_token=first["host_token"])).json()
    people = conference.meetings["new"].participants
    assert [people[one["participant_id"]].rights.role for one in (first, second, again)] == [
        "host", "participant", "host"
    ]  # fmt: skip
    assert "host_token" not in second


async def test_a_full_meeting_is_a_conflict(http: httpx.AsyncClient, meeting: Meeting) -> None:
    for number in range(4):
        assert (await http.post("/meetings/standup/join", json={"name": str(number)})).status_code == 200
    refused = await http.post("/meetings/standup/join", json={"name": "5"})
    assert is_problem(refused, 409, "meeting_full")
    assert refused.headers["retry-after"] == "10"


async def test_a_body_that_is_too_long_is_not_read(http: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    assert is_problem(await http.post("/meetings", content=endless()), 413, "bad_request")


async def test_every_route_is_in_the_openapi_document(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    assert set(paths) == {
        "/meetings",
        "/meetings/{meeting_id}",
        "/meetings/{meeting_id}/participants",
        "/meetings/{meeting_id}/participants/{participant_id}/quality",
        "/meetings/{meeting_id}.ics",
        "/meetings/{meeting_id}/end",
        "/meetings/{meeting_id}/join-token",
        "/meetings/{meeting_id}/join",
        "/meetings/{meeting_id}/leave",
        *(f"/meetings/{{meeting_id}}/{action}" for action in ("waiting", "admit", "deny", "lock", "remove")),
        "/meetings/{meeting_id}/kept-out",
        "/meetings/{meeting_id}/readmit",
        *(
            f"/meetings/{{meeting_id}}/{action}"
            for action in ("mute", "ask-to-unmute", "promote", "demote", "mute-all")
        ),
        *(f"/meetings/{{meeting_id}}/{action}" for action in ("allow-unmute", "transfer-host", "spotlight")),
        "/meetings/{meeting_id}/chat-settings",
        "/meetings/{meeting_id}/chat/{seq}",
        "/meetings/{meeting_id}/recordings",
        "/meetings/{meeting_id}/recordings/{recording_id}/stop",
        "/revocations",
        "/events/dead",
        "/events/retry",
    }
