"""Who may do what, through the API: every action by everybody to everybody, asked of the server that has the meeting,
and of one that has not. The table itself is ``tests/unit/conference/test_authority.py``'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp
from tests.support.asgi_socket import AsgiSocket
from tests.support.clock import VirtualClock
from tests.support.deployments import SEVERAL, SQLITE, Deployment, OnSeveral
from tests.support.node import cluster_of
from tests.support.site import Site
from tests.unit.conference.test_authority import EXPECTED, INITIALS

from sfu.conference import Attendee, Conference, ConferenceOptions, Meeting
from sfu.conference.admission import Application
from sfu.conference.authority import DOWNWARDS, RANK, Action, Actor, Caller, Outsider, Role
from sfu.conference.draft import MeetingDraft
from sfu.conference.records import Access, RecordingPolicy
from sfu.conference.waiting import Waiting
from sfu.plugins.meetings import MeetingsPlugin
from sfu.plugins.signaling_ws import SignalingWsPlugin

WAITING, LINE = object(), object()
"""In a path or a body: who waits at the door, and a line that the target said."""
TARGET = object()
HOSTS_TOKEN = "a host by its token"
ACTORS: dict[str, Actor] = {**{role.value: role for role in Role}, HOSTS_TOKEN: Role.HOST}
ACTORS |= {"server": Outsider.SERVER, "nobody": Outsider.STRANGER, "unknown": Outsider.STRANGER}
ACTORS |= {"somebody of another meeting": Outsider.STRANGER}


@dataclass(frozen=True)
class Way:
    """How it is asked for by REST; of a path without a slash in front the meeting's is to be put before."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    is_to_one: bool = False


def to_one(path: str, **body: Any) -> Way:
    return Way("POST", path, {"participant_id": TARGET, **body}, is_to_one=True)


WAYS = {
    Action.CREATE: Way("POST", "/meetings", {}),
    Action.LIST: Way("GET", "/meetings"),
    Action.REVOKE: Way("POST", "/revocations", {"identity": "somebody"}),
    Action.RETRY_EVENTS: Way("GET", "/events/dead"),
    Action.CHANGE: Way("PATCH", "", {"title": "Other"}),
    Action.DELETE: Way("DELETE", ""),
    Action.END: Way("POST", "end"),
    Action.LOCK: Way("POST", "lock", {"locked": True}),
    Action.SEE_PEOPLE: Way("GET", "participants"),
    Action.SEE_HISTORY: Way("GET", "participants?state=past"),
    Action.RECORD: Way("POST", "recordings"),
    Action.MUTE_ALL: Way("POST", "mute-all", {"may_unmute": False}),
    Action.CHAT_MODE: Way("POST", "chat-settings", {"mode": "off"}),
    Action.SPOTLIGHT: Way("POST", "spotlight", {"participant_ids": [TARGET]}),
    Action.ADMIT: Way("POST", "admit", {"waiting_id": WAITING}),
    Action.DENY: Way("POST", "deny", {"waiting_id": WAITING}),
    Action.READMIT: Way("GET", "kept-out"),
    Action.MUTE: to_one("mute"),
    Action.ASK_TO_UNMUTE: to_one("ask-to-unmute"),
    Action.APPOINT: to_one("promote", role="cohost"),
    Action.PERMIT: to_one("demote", role="audience"),
    Action.TRANSFER_HOST: to_one("transfer-host"),
    Action.REMOVE: to_one("remove"),
    Action.DELETE_MESSAGE: Way("DELETE", "chat/{line}", is_to_one=True),
}
SAID = {
    Action.LOWER_HAND: ("lower_hand", {"participant_id": TARGET}),
    Action.CHAT: ("chat", {"text": "hello"}),
    Action.CHAT_WHEN_HOSTS_ONLY: ("chat", {"text": "hello"}),
    Action.REACT: ("react", {"emoji": "👍"}),
}
"""What there is by signaling alone."""


def is_allowed(actor: Actor, action: Action, target: Role | None) -> bool:
    """By the table that is written down a second time."""
    if actor not in {INITIALS[initial] for initial in EXPECTED[action]}:
        return False
    return target is None or action not in DOWNWARDS or RANK[target] < RANK[actor]


@dataclass
class Scene:
    """A meeting with two of each role, of whom one asks and the other has it done to, and one who waits at the door."""

    meeting: Meeting
    people: dict[Role, list[Attendee]]
    waiting: Waiting
    lines: dict[str, int] = field(default_factory=dict)
    """By participant: the number of the line that it said."""

    def filled(self, value: Any, target: Attendee) -> Any:
        if isinstance(value, dict):
            return {name: self.filled(each, target) for name, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each, target) for each in value]
        return target.id if value is TARGET else self.waiting.id if value is WAITING else value

    def state(self) -> Any:
        """What must be as before when something was refused."""
        meeting = self.meeting
        people = [(one.id, one.rights.role, one.rights.may_unmute) for one in meeting.participants.values()]
        waiting = [one.id for one in meeting.admission.room]
        texts = [entry.text for entry in meeting.chat.page(self.people[Role.HOST][0], None, 50).entries]
        return (
            people,
            waiting,
            texts,
            meeting.admission.is_locked,
            meeting.chat.mode,
            meeting.record,
            meeting.moderation.view(),
        )


@pytest.fixture(params=[SQLITE, SEVERAL])
def where(request: pytest.FixtureRequest) -> str:
    """At the server that has it, and at one that has not."""
    return str(request.param)


@pytest.fixture
async def conference(deployment: Deployment) -> Conference:
    return await deployment.deploy(ConferenceOptions(max_meetings=200))


@pytest.fixture
def app(site: Site) -> ASGIApp:
    return site.app(MeetingsPlugin(), SignalingWsPlugin())


@pytest.fixture
async def http(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test") as http:
        yield http


async def set_up(conference: Conference, clock: VirtualClock) -> Scene:
    draft = MeetingDraft("Stand-up", access=Access.WAITING_ROOM, recording=RecordingPolicy.ALLOWED)
    planned = await conference.plan(draft)
    await conference.open_here(planned)
    meeting = conference.meetings[planned.record.id]
    people = {role: [meeting.join(f"{role} {number}") for number in range(2)] for role in Role}
    for role, those in people.items():
        for one in those:
            one.attach(lambda _event: None)
            meeting.permissions.assign(one, role, one.rights.publish, by=None)
    waiting = meeting.admission.apply(Application("Wanda"))
    assert isinstance(waiting, Waiting)
    waiting.attach(lambda _event: None, meeting.admission.room.moved(waiting))
    scene = Scene(meeting, people, waiting)
    for those in people.values():
        scene.lines[those[1].id] = meeting.chat.say(those[1], "a line")
        clock.advance(1)
    return scene


def headers_of(actor: str, scene: Scene, site: Site, other: str) -> dict[str, str]:
    """``other``: the token of somebody who is in another meeting."""
    if actor == "nobody":
        return {}
    if actor in set(Role):
        bearer = scene.people[Role(actor)][0].token
    else:
        bearer = {"server": site.operator.secret, HOSTS_TOKEN: scene.meeting.host_token, "unknown": "x" * 43}.get(
            actor, other
        )
    return {"Authorization": f"Bearer {bearer}"}


@pytest.mark.parametrize("actor", ACTORS)
async def test_by_rest_exactly_those_may_who_may_and_nothing_happens_for_anybody_else(
    actor: str, site: Site, http: httpx.AsyncClient, conference: Conference, deployment: Deployment, clock: VirtualClock
) -> None:
    other = (await conference.create_meeting("Another")).join("Cid", host_token=None).token
    scene = await set_up(conference, clock)
    asked = 0
    for action, way in WAYS.items():
        for target in Role if way.is_to_one else [None]:
            one = scene.people[target or Role.PARTICIPANT][1]
            path = way.path.replace("{line}", str(scene.lines[one.id]))
            path = path if path.startswith("/") else f"/meetings/{scene.meeting.id}/{path}".rstrip("/")
            before = scene.state()
            headers = headers_of(actor, scene, site, other)
            body = scene.filled(way.body, one)
            response = await http.request(way.method, path, json=body, headers=headers)
            asked += not way.path.startswith("/")
            cell = f"{actor}: {action} to {target}: {response.status_code} {response.text}"
            if is_allowed(ACTORS[actor], action, target):
                assert response.status_code not in {401, 403, 404, 500}, cell
                scene = await set_up(conference, clock)
                continue
            # A token is of one meeting; of where there is none it says nothing.
            is_known = ACTORS[actor] is not Outsider.STRANGER and not way.path.startswith("/")
            assert (response.status_code, response.json()["code"]) == (
                (403, "forbidden") if is_known else (401, "unauthorized")
            ), cell
            assert scene.state() == before, cell
    if isinstance(deployment, OnSeveral):
        assert cluster_of(deployment.pair.nodes[1]).stats().carried["requests"] == asked


@pytest.mark.parametrize("role", Role)
async def test_by_signaling_too(role: Role, app: ASGIApp, conference: Conference, clock: VirtualClock) -> None:
    scene = await set_up(conference, clock)
    socket = AsgiSocket(app, scene.meeting.id)
    assert (await socket.request("hello", token=scene.people[role][0].token))["type"] == "welcome"
    chat = scene.meeting.chat
    for action, (name, fields) in SAID.items():
        for target in Role if action is Action.LOWER_HAND else [Role.PARTICIPANT]:
            if action is Action.CHAT_WHEN_HOSTS_ONLY:
                chat.settle(Caller(Role.HOST), mode=type(chat.mode).HOSTS)
            clock.advance(2)  # how often one may say something is no matter of roles
            reply = await socket.request(name, **scene.filled(fields, scene.people[target][1]))
            expected = "" if is_allowed(role, action, target) else "forbidden"
            assert reply.get("code", "") == expected, (role, action, target, reply)
    await socket.leave()


async def test_a_socket_is_for_those_who_are_in_the_meeting(app: ASGIApp, conference: Conference) -> None:
    meeting = await conference.create_meeting("Another")
    other = await conference.create_meeting("Stand-up")
    for token in ("x" * 43, meeting.join("Cid").token, other.host_token):
        socket = AsgiSocket(app, other.id)
        reply = await socket.request("hello", token=token)
        assert reply.get("code") in {"unauthorized", "closed"}, reply
        await socket.leave()


def test_every_action_is_asked_for() -> None:
    assert WAYS.keys() | SAID.keys() == set(Action)
    assert not WAYS.keys() & SAID.keys()
