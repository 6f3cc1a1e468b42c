"""Two servers of one deployment, over a real Redis and PostgreSQL: whichever a client asks, it is one meeting."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.pattern import PatternTrack, ToneTrack
from tests.support.peers import Participant, join
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.several import Several, frames, several
from tests.support.waiting import until
from websockets.exceptions import ConnectionClosed, InvalidHandshake

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


@pytest.fixture
async def deployment(redis: PrivateRedis, postgres: Postgres, tmp_path: Path) -> AsyncIterator[Several]:
    async with several(redis, postgres, tmp_path) as deployment:
        yield deployment


async def test_people_who_came_by_different_servers_are_in_one_meeting(deployment: Several) -> None:
    one, other = await deployment.pair()
    made = (await one.http.post("/meetings", json={"title": "Weekly"})).json()
    path, host = f"/meetings/{made['id']}", {"Authorization": f"Bearer {made['host_token']}"}
    ann = await join(one.http, made["id"], "Ann", ToneTrack(440), PatternTrack(first=0))
    bob = await join(other.http, made["id"], "Bob", PatternTrack(first=10_000), subprotocol="sfu.v1.msgpack")
    async with ann, bob:
        assert bob.joined["signaling_url"].startswith(other.ws_url)
        await frames(bob, ann.id)
        await frames(ann, bob.id)
        found = (await other.http.get(path)).json()
        assert (found["title"], found["participants"]) == ("Weekly", 2)
        for server in (one, other):
            await until(
                lambda s=server: counted(s), "the count in the list", good=lambda count: count == {made["id"]: 2}
            )
        for number in range(3):
            await (ann, bob)[number % 2].request("chat", text=f"line {number}")
        for peer in (ann, bob):
            await until(lambda p=peer: texts(p), "the chat", good=lambda said: said == ["line 0", "line 1", "line 2"])
        muted = await other.http.post(f"{path}/mute-all", json={}, headers=host)
        assert muted.status_code == 204, muted.text
        await until(lambda: [m for m in ann.notifications if m["type"] == "muted"], "that Ann is muted")
        assert (await other.http.post(f"{path}/lock", json={"locked": True}, headers=host)).status_code == 204
        refused = await one.http.post(f"{path}/join", json={"name": "Cid"})
        assert (refused.status_code, refused.json()["code"]) == (403, "locked")
        assert (await other.metrics())['sfu_cluster_sockets{side="carried"}'] == 1
        assert (await other.http.post(f"{path}/end", headers=host)).status_code == 204
        assert await until(lambda: bob.close_code, "a closed socket", good=lambda code: code is not None) == 1000


async def test_media_goes_on_while_redis_and_the_server_that_carries_are_killed(
    deployment: Several, redis: PrivateRedis
) -> None:
    one, other = await deployment.pair()
    meeting = await one.create_meeting()
    ann = await join(one.http, meeting, "Ann", PatternTrack(first=0))
    bob = await join(other.http, meeting, "Bob", PatternTrack(first=10_000))
    async with ann, bob:
        for viewer, sender in ((ann, bob), (bob, ann)):
            await frames(viewer, sender.id)
        await bob.request("raise_hand", raised=True)
        redis.kill()
        try:
            assert await until(lambda: bob.close_code, "a closed socket", good=lambda code: code is not None) == 1012
            await ann.request("mute", source="camera", muted=False)
            assert (await one.http.get(f"/meetings/{meeting}")).json()["participants"] == 2
            assert (await other.http.get(f"/meetings/{meeting}")).status_code == 503
            assert (await counted(one), await counted(other)) == ({meeting: 2}, {meeting: None})
            assert "Redis" in (await other.http.get("/readyz")).json()["reasons"][0]
            await frames(bob, ann.id)
        finally:
            redis.start()
        await come_back(bob)
        assert bob.welcome["resumed"]
        await other.kill()
        await until(lambda: bob.close_code, "a broken socket", good=lambda code: code is not None)
        await frames(bob, ann.id)
        await frames(ann, bob.id)
        bob.joined["signaling_url"] = bob.joined["signaling_url"].replace(other.ws_url, one.ws_url)
        await come_back(bob)
        hands = {entry["name"]: entry["hand"] for entry in bob.welcome["participants"]}
        assert hands == {"Ann": None, "Bob": 1}
        assert bob.pc.connectionState == "connected"


async def test_a_meeting_whose_home_is_killed_goes_on_at_another_with_everybody_who_was_in_it(
    deployment: Several,
) -> None:
    one, other = await deployment.pair()
    made = (await one.http.post("/meetings", json={})).json()
    ann = await join(one.http, made["id"], "Ann", PatternTrack(first=0), asks={"host_token": made["host_token"]})
    bob = await join(other.http, made["id"], "Bob", PatternTrack(first=10_000))
    async with ann, bob:
        await frames(bob, ann.id)
        await bob.request("raise_hand", raised=True)
        await until(lambda: [entry for entry in ann.told("updated") if entry["hand"]], "Bob's hand at Ann's")
        await is_seen(deployment, made["id"], bob.id)
        await one.kill()
        assert await until(lambda: bob.close_code, "a closed socket", good=lambda code: code is not None) == 1012
        asked = await other.http.get(f"/meetings/{made['id']}")
        assert (asked.status_code, asked.json()["title"]) == (200, "")
        again = [
            await join(other.http, made["id"], who, track, asks={"former_token": before.joined["token"]})
            for who, track, before in (("X", PatternTrack(first=0), ann), ("Y", PatternTrack(first=10_000), bob))
        ]
        async with again[0], again[1]:
            assert [who.id for who in again] == [ann.id, bob.id]
            assert again[0].welcome["permissions"]["role"] == "host"
            await frames(again[1], ann.id)
            await frames(again[0], bob.id)
            there = (await other.http.get(f"/meetings/{made['id']}/participants")).json()["participants"]
            told = {entry["id"]: (entry["name"], entry["role"], entry["hand"]) for entry in there}
            assert told == {ann.id: ("Ann", "host", None), bob.id: ("Bob", "participant", 1)}
            assert (await other.metrics())['sfu_cluster_events_total{what="taken_over"}'] == 1


async def counted(server: Any) -> dict[str, int | None]:
    """How many are in each meeting, as the list of that server tells."""
    return {one["id"]: one["participants"] for one in (await server.http.get("/meetings")).json()["meetings"]}


def texts(peer: Participant) -> list[str]:
    told = (message["entries"] for message in peer.notifications if message["type"] == "chat")
    return [entry["text"] for entries in told for entry in entries]


async def come_back(peer: Participant) -> None:
    """As every client does: again and again, until the socket is there."""

    async def said_hello() -> bool:
        try:
            await peer.connect_socket()
        except (OSError, InvalidHandshake, ConnectionClosed):
            return False
        return True

    await until(said_hello, "a socket")


async def is_seen(deployment: Several, meeting: str, participant_id: str) -> None:
    """That others can see a raised hand: a kill costs what was not written yet."""
    async with deployment.redis() as redis:

        async def told() -> Any:
            text = await redis.hget(f"{deployment.prefix}meeting:{meeting}:participants", participant_id)
            return json.loads(text or "{}").get("hand")

        await until(told, "the hand in Redis")
