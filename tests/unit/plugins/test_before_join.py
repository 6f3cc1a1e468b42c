"""Plugins at a meeting's door: what they are told, what they may change, and that nobody gets round them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import EVERYWHERE, Deployment
from tests.support.site import Site
from tests.unit.plugins.test_signaling_session import Talk
from tests.unit.plugins.test_whip import SDP, offer

from sfu.access import Access, Key, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Conference, Source
from sfu.conference.authority import Role
from sfu.conference.hooks import Deny, JoinAsked, Way
from sfu.plugins.meetings import MeetingsPlugin
from sfu.plugins.whip import WhipPlugin
from sfu.runtime.hooks import HookRunner

KEY = Key("", Algorithm.HS256, b"k" * 32)


class Door:
    """A plugin whose answer a test can change, and what it was asked."""

    name = "door"

    def __init__(self) -> None:
        self.asked: list[JoinAsked] = []
        self.answer: Callable[[JoinAsked], object] = lambda _: None

    async def before_join(self, join: JoinAsked) -> Any:
        self.asked.append(join)
        return self.answer(join)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


@pytest.fixture
async def conference(deployment: Deployment, clock: VirtualClock, door: Door) -> Conference:
    return await deployment.deploy(hooks=HookRunner([door], clock))


@pytest.fixture
def access(site: Site) -> Access:
    return Access(keys=StaticKeys([KEY]), api_keys=site.access.api_keys)


@pytest.fixture
async def http(site: Site, access: Access) -> AsyncIterator[httpx.AsyncClient]:
    app = site.app(MeetingsPlugin(), access=access)
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu", auth=site.operator) as http:
        yield http


@pytest.fixture
async def streams(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.app(WhipPlugin()), client=("192.0.2.8", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu") as http:
        yield http


async def made(http: httpx.AsyncClient, **agreed: object) -> dict[str, Any]:
    response = await http.post("/meetings", json=agreed)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def join(http: httpx.AsyncClient, meeting_id: str, name: str = "Alice", **how: Any) -> httpx.Response:
    headers = how.pop("headers", {})
    return await http.post(f"/meetings/{meeting_id}/join", json={"name": name, **how}, headers=headers)


async def test_it_is_told_who_comes_from_where_and_as_what(http: httpx.AsyncClient, door: Door) -> None:
    meeting = await made(http, title="Plans")
    granted = {"meeting": meeting["id"], "publish": ["microphone"]}
    claims = {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "jti": "t", "sub": "bob@example.org", "sfu": granted}
    token = issue_token(KEY, claims)
    await join(http, meeting["id"], "Bob", headers={"Authorization": f"Bearer {token}"})
    await join(http, meeting["id"], "Alice", host_token=meeting["host_token"])
    bob, alice = door.asked
    assert (bob.identity, bob.name, bob.role, bob.publish) == (
        "bob@example.org", "Bob", Role.PARTICIPANT, frozenset({Source.MICROPHONE})
    )  # fmt: skip
    assert (bob.meeting.title, bob.way, bob.address) == ("Plans", Way.SIGNALING, "192.0.2.7")
    assert (alice.identity, alice.role, alice.publish) == ("", Role.HOST, None)


async def test_a_denial_is_told_with_its_reason_and_nobody_is_in(http: httpx.AsyncClient, door: Door) -> None:
    meeting = await made(http)
    door.answer = lambda _: Deny("Only staff joins before nine.")
    response = await join(http, meeting["id"])
    assert (response.status_code, response.json()["code"]) == (403, "refused")
    assert "Only staff joins before nine." in response.json()["detail"]
    people = await http.get(f"/meetings/{meeting['id']}/participants")
    assert people.json()["total"] == 0


async def test_whose_token_is_revoked_while_plugins_are_asked_does_not_come_in(
    http: httpx.AsyncClient, door: Door, access: Access
) -> None:
    meeting = await made(http)
    claims = {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "jti": "t", "sub": "bob", "sfu": {}}
    bearer = {"Authorization": f"Bearer {issue_token(KEY, claims)}"}
    door.answer = lambda _: access.revocations.revoke(EPOCH, identity="bob")
    response = await join(http, meeting["id"], "Bob", headers=bearer)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    people = await http.get(f"/meetings/{meeting['id']}/participants")
    assert people.json()["total"] == 0


async def test_it_changes_name_role_and_limits(
    http: httpx.AsyncClient, door: Door, conference: Conference, clock: VirtualClock
) -> None:
    meeting = await made(http)
    door.answer = lambda join: replace(
        join, name="Guest 7", publish=frozenset({Source.CAMERA}), max_bps=500_000, session_s=60.0
    )
    joined = await join(http, meeting["id"])
    [participant] = conference.meetings[meeting["id"]].participants.values()
    assert participant.name == "Guest 7"
    assert participant.rights.publish == {Source.CAMERA}
    assert participant.grants.max_bps == 500_000
    clock.advance(61)
    assert joined.json()["participant_id"] not in conference.meetings[meeting["id"]].participants


@pytest.mark.parametrize("role", [Role.HOST, Role.COHOST, Role.PARTICIPANT, Role.AUDIENCE])
@pytest.mark.parametrize("how", ["host_token", "guest", "audience"])
async def test_its_word_on_the_role_comes_before_tokens(
    http: httpx.AsyncClient, door: Door, conference: Conference, role: Role, how: str
) -> None:
    meeting = await made(http)
    door.answer = lambda join: replace(join, role=role)
    given: dict[str, Any] = {"host_token": {"host_token": meeting["host_token"]}, "audience": {"role": "audience"}}
    assert (await join(http, meeting["id"], **given.get(how, {}))).status_code == 200
    [participant] = conference.meetings[meeting["id"]].participants.values()
    assert participant.rights.role is role
    assert bool(participant.rights.publish) is (role is not Role.AUDIENCE)


async def test_who_would_be_turned_away_anyway_is_no_question(http: httpx.AsyncClient, door: Door) -> None:
    meeting = await made(http, access="token")
    assert (await join(http, meeting["id"])).json()["code"] == "join_token_required"
    assert (await join(http, meeting["id"], host_token="wrong")).json()["code"] == "forbidden"
    assert (await join(http, meeting["id"], "", join_token=meeting["join_token"])).json()["code"] == "bad_request"
    await http.post(f"/meetings/{meeting['id']}/lock", json={})
    assert (await join(http, meeting["id"], join_token=meeting["join_token"])).json()["code"] == "locked"
    assert door.asked == []


async def test_a_changed_role_does_not_open_the_waiting_room_but_what_was_changed_holds_when_one_gets_in(
    http: httpx.AsyncClient, door: Door, conference: Conference, clock: VirtualClock
) -> None:
    meeting = await made(http, access="waiting_room", options={"audience": True})
    host = await join(http, meeting["id"], "Host", host_token=meeting["host_token"])
    door.answer = lambda join: replace(join, name="Checked", role=Role.PARTICIPANT, max_bps=200_000)
    waits = await join(http, meeting["id"])
    assert waits.status_code == 202
    talk = Talk(conference, clock, meeting["id"])
    talk.hello(waits.json()["token"])
    await http.post(f"/meetings/{meeting['id']}/admit", json={"all": True})
    assert [message["type"] for message in talk.received()][-1] == "admitted"
    people = conference.meetings[meeting["id"]].participants
    [guest] = [who for who in people.values() if who.id != host.json()["participant_id"]]
    assert (guest.name, guest.rights.role, guest.grants.max_bps) == ("Checked", Role.PARTICIPANT, 200_000)
    assert len(door.asked) == 2  # once for each, not again at the door


async def test_what_changes_while_it_thinks_counts(http: httpx.AsyncClient, door: Door, conference: Conference) -> None:
    meeting = await made(http, max_participants=1)
    thinking, go_on = asyncio.Event(), asyncio.Event()

    async def think(join: JoinAsked) -> None:
        door.asked.append(join)
        thinking.set()
        await go_on.wait()

    door.before_join = think  # type: ignore[method-assign]
    conference.hooks = HookRunner([door], conference.clock)
    http_hooks = httpx.ASGITransport(Site(conference, conference.clock).app(MeetingsPlugin()))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=http_hooks, base_url="http://sfu") as other:
        joins = [asyncio.ensure_future(join(other, meeting["id"], name)) for name in ("Alice", "Bob")]
        await thinking.wait()
        while len(door.asked) < 2:
            await asyncio.sleep(0)
        go_on.set()
        statuses = sorted(response.status_code for response in await asyncio.gather(*joins))
        assert statuses == [200, 409]  # there is one place
        go_on.clear()
        thinking.clear()
        late = asyncio.ensure_future(join(other, meeting["id"], "Carol"))
        await thinking.wait()
        await conference.end_meeting(meeting["id"])
        go_on.set()
        assert (await late).json()["code"] == "meeting_not_found"


async def test_streams_are_asked_about_too(
    streams: httpx.AsyncClient, door: Door, conference: Conference, clock: VirtualClock
) -> None:
    meeting = await conference.create_meeting("Stand-up", id="standup")
    door.answer = lambda join: replace(join, name="Studio", session_s=60.0, publish=frozenset({Source.MICROPHONE}))
    published = await streams.post("/whip/standup?name=Camera+1", content=offer(), headers=SDP)
    assert published.status_code == 201, published.text
    [studio] = meeting.participants.values()
    assert (studio.name, set(studio.sources.tracks)) == ("Studio", {Source.MICROPHONE})
    door.answer = lambda join: replace(join, max_bps=400_000, session_s=30.0)
    watched = await streams.post("/whep/standup", content=offer("recvonly"), headers=SDP)
    assert (watched.status_code, meeting.viewers) == (201, 1)
    assert [(asked.way, asked.role, asked.address) for asked in door.asked] == [
        (Way.WHIP, Role.PARTICIPANT, "192.0.2.8"),
        (Way.WHEP, Role.AUDIENCE, "192.0.2.8"),
    ]
    clock.advance(31)
    assert meeting.viewers == 0
    clock.advance(30)
    assert not meeting.participants
    door.answer = lambda _: Deny("no streams here")
    for path in ("/whip/standup", "/whep/standup"):
        answer = await streams.post(path, content=offer("recvonly"), headers=SDP)
        assert (answer.status_code, answer.json()["code"]) == (403, "refused")


async def test_a_meeting_that_opens_later_asks_before_one_waits(http: httpx.AsyncClient, door: Door) -> None:
    opens = (EPOCH + timedelta(minutes=10)).isoformat()
    meeting = await made(http, not_before=opens)
    door.answer = lambda _: Deny("not you")
    assert (await join(http, meeting["id"])).json()["code"] == "refused"
    door.answer = lambda _: None
    assert (await join(http, meeting["id"])).status_code == 202
