"""Plugins before somebody publishes: by signaling, where requests keep their order, and by WHIP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.support.answers import answer_to
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import Deployment
from tests.support.site import Site
from tests.unit.plugins.test_signaling_session import Talk
from tests.unit.plugins.test_whip import SDP, offer

from sfu.access import Access, Key, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Attendee, Conference, Meeting, Source
from sfu.conference.authority import Role
from sfu.conference.hooks import Deny, PublishAsked
from sfu.conference.rights import Rules
from sfu.conference.track import Limits
from sfu.plugins.signaling_ws.session import CLOSE_TOO_MUCH, MAX_PUT_OFF
from sfu.plugins.whip import WhipPlugin
from sfu.runtime.hooks import HookOptions, HookRunner


class Studio:
    """A plugin that answers when a test says so."""

    name = "studio"

    def __init__(self) -> None:
        self.asked: list[PublishAsked] = []
        self.answer: Callable[[PublishAsked], object] = lambda _: None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def before_publish(self, publish: PublishAsked) -> Any:
        self.asked.append(publish)
        await self.go_on.wait()
        return self.answer(publish)


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
async def conference(deployment: Deployment, clock: VirtualClock, studio: Studio) -> Conference:
    return await deployment.deploy(hooks=HookRunner([studio], clock, HookOptions(timeout_s=20)))


class Client(Talk):
    """A socket whose replies may come later."""

    def __init__(self, conference: Conference, clock: VirtualClock, meeting: Meeting, **how: Any) -> None:
        super().__init__(conference, clock, meeting.id)
        self.attendee: Attendee = meeting.join("Ann", **how)
        self.hello(self.attendee.token)
        answer = answer_to(self.attendee.offer.sdp)
        assert self.request("answer", version=self.attendee.offer.version, sdp=answer)["type"] == "reply"

    def post(self, name: str, **fields: Any) -> int:
        self._last_id += 1
        self.send_raw(self.wire.encode({"type": name, "id": self._last_id, **fields}))
        return self._last_id

    async def replies(self, count: int) -> list[dict[str, Any]]:
        """The next replies, in order."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                found += [message for message in self.received() if "reply" in message]
                await asyncio.sleep(0)
        return found


@pytest.fixture
def client(conference: Conference, clock: VirtualClock, meeting: Meeting) -> Client:
    return Client(conference, clock, meeting)


async def test_it_is_told_who_publishes_what_and_may_allow_it(client: Client, studio: Studio) -> None:
    client.post("publish", source="microphone")
    [reply] = await client.replies(1)
    assert reply["type"] == "reply"
    [asked] = studio.asked
    assert (asked.meeting.id, asked.person.id, asked.person.name, asked.person.role, asked.source) == (
        "standup", client.attendee.id, "Ann", Role.PARTICIPANT, Source.MICROPHONE
    )  # fmt: skip
    assert set(client.attendee.sources.tracks) == {Source.MICROPHONE}


async def test_a_denial_is_told_and_nothing_is_published(client: Client, studio: Studio) -> None:
    studio.answer = lambda _: Deny("cameras stay off during the exam")
    client.post("publish", source="camera")
    [reply] = await client.replies(1)
    assert (reply["type"], reply["code"], reply["detail"]) == ("error", "refused", "cameras stay off during the exam")
    assert not client.attendee.sources.tracks


async def test_limits_are_those_of_the_published_video(client: Client, studio: Studio) -> None:
    studio.answer = lambda publish: replace(publish, max_encodings=2, max_height=360)
    client.post("publish", source="camera")
    await client.replies(1)
    assert client.attendee.sources.tracks[Source.CAMERA].limits == Limits(2, 360)


async def test_what_is_published_already_or_may_not_be_is_no_question(
    conference: Conference, clock: VirtualClock, client: Client, studio: Studio
) -> None:
    client.post("publish", source="camera")
    await client.replies(1)
    assert client.request("publish", source="camera", content="motion")["type"] == "reply"
    webinar = await conference.create_meeting(rules=Rules(publish=frozenset({Source.MICROPHONE})))
    guest = Client(conference, clock, webinar)
    assert guest.request("publish", source="camera")["code"] == "forbidden"
    assert len(studio.asked) == 1


async def test_requests_of_one_socket_keep_their_order_and_others_go_on(
    conference: Conference, clock: VirtualClock, meeting: Meeting, client: Client, studio: Studio
) -> None:
    other = Client(conference, clock, meeting)
    studio.go_on.clear()
    sent = [
        client.post("publish", source="microphone"),
        client.post("mute", source="microphone", muted=True),
        client.post("publish", source="camera"),
        client.post("ping"),
        client.post("unpublish", source="camera"),
    ]
    await asyncio.sleep(0)
    assert client.received() == []
    assert other.request("ping")["type"] == "reply"
    studio.go_on.set()
    replies = await client.replies(5)
    assert [reply["reply"] for reply in replies] == sent
    assert {reply["type"] for reply in replies} == {"reply"}, replies
    assert client.attendee.sources.tracks[Source.MICROPHONE].muted
    assert Source.CAMERA not in client.attendee.sources.tracks


async def test_what_waits_for_an_answer_is_bounded(client: Client, studio: Studio) -> None:
    studio.go_on.clear()
    client.post("publish", source="camera")
    for _ in range(MAX_PUT_OFF):
        client.post("ping")
        assert client.closed is None
    client.post("ping")
    assert client.closed == (CLOSE_TOO_MUCH, "too many messages wait for an answer")
    studio.go_on.set()
    await settled(studio)
    assert not client.attendee.sources.tracks


async def test_long_messages_that_wait_are_bounded_too(client: Client, studio: Studio) -> None:
    studio.go_on.clear()
    client.post("publish", source="camera")
    for _ in range(3):
        client.post("answer", version=9, sdp="x" * 200_000)
    assert client.closed == (CLOSE_TOO_MUCH, "too many messages wait for an answer")
    studio.go_on.set()


async def settled(studio: Studio) -> None:
    """Every task that a hook made has run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_left_meanwhile_publishes_nothing_and_who_comes_back_may_ask_again(
    conference: Conference, clock: VirtualClock, meeting: Meeting, client: Client, studio: Studio
) -> None:
    studio.go_on.clear()
    client.post("publish", source="camera")
    client.post("mute", source="camera", muted=True)
    await asyncio.sleep(0)
    client.session.disconnected()
    studio.go_on.set()
    await settled(studio)
    assert not client.attendee.sources.tracks
    again = Talk(conference, clock, meeting.id)
    assert again.hello(client.attendee.token)["resumed"]


async def test_who_is_removed_meanwhile_publishes_nothing(meeting: Meeting, client: Client, studio: Studio) -> None:
    studio.go_on.clear()
    client.post("publish", source="camera")
    await asyncio.sleep(0)
    client.attendee.leave()
    studio.go_on.set()
    await settled(studio)
    assert not meeting.participants
    assert client.closed is not None


async def test_a_plugin_that_fails_is_told_as_such(client: Client, studio: Studio) -> None:
    studio.answer = lambda _: 1 / 0
    client.post("publish", source="camera")
    [reply] = await client.replies(1)
    assert reply["code"] == "hook_failed"


# WHIP


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.app(WhipPlugin()))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test") as http:
        yield http


async def test_a_stream_is_asked_about_source_by_source(
    http: httpx.AsyncClient, meeting: Meeting, studio: Studio
) -> None:
    studio.answer = lambda publish: (
        Deny("no pictures") if publish.source is Source.SCREEN else replace(publish, max_encodings=1)
    )
    answer = await http.post("/whip/standup?name=Studio", content=offer(extra_video=True), headers=SDP)
    assert answer.status_code == 201, answer.text
    assert [asked.source for asked in studio.asked] == [Source.MICROPHONE, Source.CAMERA, Source.SCREEN]
    assert {asked.person.name for asked in studio.asked} == {"Studio"}
    [stream] = meeting.participants.values()
    assert set(stream.sources.tracks) == {Source.MICROPHONE, Source.CAMERA}
    assert stream.sources.tracks[Source.CAMERA].limits == Limits(max_encodings=1)
    assert Source.SCREEN not in stream.rights.most, "a host's permission does not change that"


async def test_a_stream_of_which_nothing_is_allowed_is_refused(
    http: httpx.AsyncClient, meeting: Meeting, studio: Studio
) -> None:
    studio.answer = lambda _: Deny("nothing today")
    answer = await http.post("/whip/standup", content=offer(), headers=SDP)
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    assert not meeting.participants
    wrong = await http.post("/whip/standup", content="v=0", headers=SDP)
    assert wrong.status_code == 400


async def test_whose_token_is_revoked_while_plugins_are_asked_does_not_stream(
    site: Site, studio: Studio, meeting: Meeting
) -> None:
    key = Key("", Algorithm.HS256, b"k" * 32)
    access = Access(keys=StaticKeys([key]))
    claims = {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "jti": "t", "sub": "bob", "sfu": {}}
    headers = {**SDP, "Authorization": f"Bearer {issue_token(key, claims)}"}
    studio.answer = lambda _: access.revocations.revoke(EPOCH, token_id="t")
    transport = httpx.ASGITransport(site.app(WhipPlugin(), access=access))
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu") as http:
        response = await http.post(f"/whip/{meeting.id}", content=offer(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert not meeting.participants
