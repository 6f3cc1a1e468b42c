"""What hosts do, by HTTP: each action reaches the meeting, and exactly those may who may over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.deployments import EVERYWHERE
from tests.support.site import Site

from sfu.conference import Meeting, Source
from sfu.conference.authority import Role
from sfu.conference.events import Muted, UnmuteAsked
from sfu.plugins.meetings import MeetingsPlugin


@pytest.fixture(params=EVERYWHERE)
def where(request: pytest.FixtureRequest) -> str:
    """Each of them in turn."""
    return str(request.param)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.app(MeetingsPlugin()))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test:8080/meetings/standup") as http:
        yield http


@pytest.fixture
def ann(meeting: Meeting) -> Client:
    client = Client(meeting, "Ann")
    client.answer()
    client.attendee.publish(Source.MICROPHONE)
    return client


@pytest.fixture
def host(meeting: Meeting) -> Client:
    client = Client(meeting, "Host", host_token=meeting.host_token)
    client.answer()
    return client


async def call(http: httpx.AsyncClient, token: str | None, path: str, body: Any = None) -> tuple[int, str]:
    """Status and, of a problem, its code."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = await http.post(path, json=body, headers=headers)
    return response.status_code, response.json()["code"] if response.content else ""


async def test_each_action_of_a_host_reaches_the_meeting(
    http: httpx.AsyncClient, meeting: Meeting, host: Client, ann: Client, clock: VirtualClock
) -> None:
    token, one = host.attendee.token, {"participant_id": ann.id}
    microphone = ann.attendee.sources.tracks[Source.MICROPHONE]
    assert await call(http, token, "/mute", one) == (204, "")
    assert microphone.muted
    assert [event.by for event in ann.heard(Muted)] == [host.id]
    assert await call(http, token, "/ask-to-unmute", one) == (204, "")
    assert [event.by for event in ann.heard(UnmuteAsked)] == [host.id]
    ann.attendee.mute(Source.MICROPHONE, muted=False)
    assert await call(http, token, "/mute-all", {"may_unmute": False}) == (204, "")
    assert (microphone.muted, ann.attendee.rights.may_unmute) == (True, False)
    assert await call(http, token, "/allow-unmute", {"allowed": True}) == (204, "")
    assert ann.attendee.rights.may_unmute
    assert await call(http, token, "/spotlight", {"participant_ids": [ann.id]}) == (204, "")
    assert meeting.moderation.view().spotlight == (ann.id,)
    assert await call(http, token, "/demote", {**one, "role": "audience"}) == (204, "")
    assert await call(http, token, "/promote", {**one, "role": "cohost"}) == (204, "")
    assert ann.attendee.rights.role is Role.COHOST
    seq = meeting.chat.say(ann.attendee, "hello")
    deleted = await http.delete(f"/chat/{seq}", headers={"Authorization": f"Bearer {token}"})
    assert deleted.status_code == 204
    clock.advance(1)
    assert meeting.chat.page(ann.attendee, None, 1).entries[0].text is None
    assert await call(http, token, "/chat-settings", {"mode": "off"}) == (204, "")
    assert meeting.chat.mode.value == "off"
    assert await call(http, token, "/transfer-host", {"participant_id": ann.id}) == (204, "")
    assert (host.attendee.rights.role, ann.attendee.rights.role) == (Role.COHOST, Role.HOST)


BODIES: dict[str, Any] = {
    "/mute": {"participant_id": "HOST"},
    "/ask-to-unmute": {"participant_id": "HOST"},
    "/promote": {"participant_id": "HOST", "role": "cohost"},
    "/demote": {"participant_id": "HOST", "role": "audience"},
    "/mute-all": {},
    "/allow-unmute": {"allowed": True},
    "/transfer-host": {"participant_id": "HOST"},
    "/spotlight": {"participant_ids": []},
    "/chat-settings": {"mode": "off"},
}


@pytest.mark.parametrize("path", BODIES)
async def test_who_is_no_host_may_none_of_it_and_who_is_nobody_is_told_to_say_who(
    http: httpx.AsyncClient, meeting: Meeting, host: Client, ann: Client, path: str
) -> None:
    body = {name: host.id if value == "HOST" else value for name, value in BODIES[path].items()}
    assert await call(http, ann.attendee.token, path, body) == (403, "forbidden")
    assert await call(http, None, path, body) == (401, "unauthorized")
    assert await call(http, "nobody's", path, body) == (401, "unauthorized")
    assert host.attendee.rights.role is Role.HOST


async def test_the_host_token_itself_is_enough_and_needs_nobody_in_the_meeting(
    http: httpx.AsyncClient, meeting: Meeting, ann: Client
) -> None:
    assert await call(http, meeting.host_token, "/mute", {"participant_id": ann.id, "may_unmute": False}) == (204, "")
    assert ann.attendee.sources.tracks[Source.MICROPHONE].muted
    assert [(event.by, event.by_name) for event in ann.heard(Muted)] == [(None, None)]
    assert await call(http, meeting.host_token, "/transfer-host", {"participant_id": ann.id}) == (204, "")
    assert ann.attendee.rights.role is Role.HOST


async def test_what_is_asked_wrongly_is_a_problem(http: httpx.AsyncClient, meeting: Meeting, ann: Client) -> None:
    token, one = meeting.host_token, {"participant_id": ann.id}
    assert await call(http, token, "/mute", {"participant_id": "nobody"}) == (404, "participant_not_found")
    assert await call(http, token, "/mute", {**one, "loud": 1}) == (400, "bad_request")
    assert await call(http, token, "/promote", {**one, "role": "host"}) == (400, "bad_request")
    assert await call(http, token, "/promote", {**one, "role": "king"}) == (400, "bad_request")
    assert await call(http, token, "/spotlight", {"participant_ids": ["x"] * 10}) == (400, "bad_request")
    assert await call(http, token, "/demote", {**one, "role": "participant"}) == (204, "")
