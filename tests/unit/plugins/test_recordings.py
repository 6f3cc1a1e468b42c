"""Recordings by REST: who may ask for one, what speaks against it, and what is said while there is no recorder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import EVERYWHERE, Deployment
from tests.support.site import Site

from sfu.access import Access, ApiKey, ApiKeys, Key, Scope, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Conference
from sfu.conference.authority import Role
from sfu.conference.hooks import Deny, RecordAsked
from sfu.conference.records import RecordingRecord, RecordingStatus
from sfu.plugins.meetings import MeetingsPlugin
from sfu.runtime.hooks import HookRunner

KEY = Key("", Algorithm.HS256, b"k" * 32)


class Studio:
    name = "studio"

    def __init__(self) -> None:
        self.asked: list[RecordAsked] = []
        self.answer: Callable[[RecordAsked], object] = lambda _: None

    def before_record(self, asked: RecordAsked) -> Any:
        self.asked.append(asked)
        return self.answer(asked)


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


@pytest.fixture
async def conference(deployment: Deployment, clock: VirtualClock, studio: Studio) -> Conference:
    return await deployment.deploy(hooks=HookRunner([studio], clock))


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    reader, secret = ApiKey.create("reader", [Scope.READ])
    keys = ApiKeys([*site.access.api_keys._keys.values(), reader])
    app = site.app(MeetingsPlugin(), access=Access(keys=StaticKeys([KEY]), api_keys=keys))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu", auth=site.operator) as http:
        http.headers["X-Reader"] = secret  # for the test that has it
        yield http


async def made(http: httpx.AsyncClient, **agreed: object) -> dict[str, Any]:
    response = await http.post("/meetings", json={"recording": "allowed", **agreed})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def begin(http: httpx.AsyncClient, meeting_id: str, bearer: str | None = None) -> tuple[int, str, str]:
    """Status, code and detail."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    answer = await http.post(f"/meetings/{meeting_id}/recordings", headers=headers)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"]


def token(**granted: Any) -> str:
    claims = {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "jti": "t", "sub": "ann", "sfu": granted}
    return issue_token(KEY, claims)


async def test_without_a_recorder_that_is_said_and_when_it_is_all_else_is_in_order(
    http: httpx.AsyncClient, studio: Studio
) -> None:
    meeting = await made(http)
    status, code, detail = await begin(http, meeting["id"])
    assert (status, code) == (503, "no_recorder")
    assert "no recorder is connected" in detail
    assert [asked.meeting.id for asked in studio.asked] == [meeting["id"]]
    answer = await http.post(f"/meetings/{meeting['id']}/recordings")
    assert answer.headers["Retry-After"]


async def test_hosts_may_and_who_has_the_grant_and_nobody_else(http: httpx.AsyncClient, studio: Studio) -> None:
    meeting = await made(http)
    here = meeting["id"]
    guest = (await http.post(f"/meetings/{here}/join", json={"name": "Guest"})).json()["token"]
    by_grant = {"Authorization": f"Bearer {token(meeting=here, record=True)}"}
    assistant = (await http.post(f"/meetings/{here}/join", json={"name": "Ann"}, headers=by_grant)).json()["token"]
    may = [meeting["host_token"], token(meeting=here, role="host"), token(meeting=here, record=True), assistant]
    for bearer in may:
        assert (await begin(http, here, bearer))[:2] == (503, "no_recorder")
    assert [asked.role for asked in studio.asked] == [Role.HOST, Role.HOST, Role.PARTICIPANT, Role.PARTICIPANT]
    assert studio.asked[2].identity == "ann"
    refused = {
        guest: (403, "forbidden"),
        token(meeting=here): (403, "forbidden"),
        token(meeting=here, role="cohost"): (403, "forbidden"),
        token(meeting="another", record=True): (403, "forbidden"),
        "nobody": (401, "unauthorized"),
        http.headers["X-Reader"]: (403, "forbidden"),
    }
    for bearer, told in refused.items():
        assert (await begin(http, here, bearer))[:2] == told
    assert len(studio.asked) == len(may)


async def test_what_speaks_against_it_is_said(http: httpx.AsyncClient, studio: Studio) -> None:
    off, secret, over = (
        await made(http, recording="off"),
        await made(http, recording="off", e2ee=True),
        await made(http),
    )
    await http.post(f"/meetings/{over['id']}/end")
    told = [(await begin(http, meeting["id"])) for meeting in (off, secret, over)]
    assert {(status, code) for status, code, _ in told} == {(409, "conflict")}
    for (_, _, detail), reason in zip(told, ("policy is off", "encrypted from end to end", "has ended"), strict=True):
        assert reason in detail
    assert (await begin(http, "missing"))[:2] == (404, "meeting_not_found")
    assert studio.asked == []


async def test_a_plugin_may_refuse(http: httpx.AsyncClient, studio: Studio) -> None:
    studio.answer = lambda _: Deny("the works council has not agreed")
    meeting = await made(http)
    status, code, detail = await begin(http, meeting["id"])
    assert (status, code) == (403, "refused")
    assert "the works council has not agreed" in detail


async def test_recordings_are_listed_and_one_that_runs_stands_in_the_way(
    http: httpx.AsyncClient, conference: Conference, studio: Studio
) -> None:
    meeting = await made(http)
    path = f"/meetings/{meeting['id']}/recordings"
    assert (await http.get(path)).json() == {"recordings": []}
    running = RecordingRecord("7a1f7f60-0000-4000-8000-000000000001", meeting["id"], RecordingStatus.ACTIVE, EPOCH)
    await conference.store.put_recording(running)
    [told] = (await http.get(path)).json()["recordings"]
    assert told == {
        "id": running.id, "status": "active", "started_at": "2026-01-01T00:00:00.000Z", "ended_at": None,
        "location": None, "bytes": 0, "detail": "",
    }  # fmt: skip
    assert (await begin(http, meeting["id"]))[:2] == (409, "conflict")
    assert studio.asked == []
    stopped = await http.post(f"{path}/{running.id}/stop")
    assert (stopped.status_code, stopped.json()["code"]) == (503, "no_recorder")
    over = replace(running, status=RecordingStatus.READY, ended_at=EPOCH + timedelta(hours=1), bytes=7)
    await conference.store.put_recording(over)
    stopped = await http.post(f"{path}/{running.id}/stop")
    assert (stopped.status_code, stopped.json()["status"], stopped.json()["bytes"]) == (202, "ready", 7)
    missing = await http.post(f"{path}/nothing/stop")
    assert (missing.status_code, missing.json()["code"]) == (404, "recording_not_found")
    for bearer in ("nobody",):
        headers = {"Authorization": f"Bearer {bearer}"}
        assert (await http.get(path, headers=headers)).status_code == 401
        assert (await http.post(f"{path}/{running.id}/stop", headers=headers)).status_code == 401
