"""Two servers of one deployment agree: on seats, on who may still come, on what was handed over, on what is told."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_events import LIFE, SECRET, config, live, whole
from tests.support.pattern import PatternTrack
from tests.support.peers import join, publish
from tests.support.postgres import Postgres
from tests.support.receiver import webhook_receiver
from tests.support.redis import PrivateRedis
from tests.support.server import RunningServer
from tests.support.several import frames, several
from tests.support.waiting import until

from sfu.access import Key, issue_token
from sfu.access.keys import Algorithm

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

PLACES, COME = 10, 20
SHARED_KEY = b"k" * 32


def bearer(identity: str, jti: str) -> dict[str, str]:
    claims = {"exp": time.time() + 600, "aud": "sfu", "jti": jti, "sub": identity, "sfu": {}}
    return {"Authorization": f"Bearer {issue_token(Key('', Algorithm.HS256, SHARED_KEY), claims)}"}


async def enter(server: RunningServer, meeting: str, headers: dict[str, str] | None = None, **body: Any) -> str:
    """ "": in; else the code of the refusal."""
    answer = await server.http.post(f"/meetings/{meeting}/join", json={"name": "Ann", **body}, headers=headers)
    return "" if answer.status_code == 200 else str(answer.json()["code"])


async def test_seats_are_given_once_and_what_is_revoked_at_one_server_is_good_at_neither(
    redis: PrivateRedis, postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_bytes(SHARED_KEY)
    (tmp_path / "keys").chmod(0o600)
    auth = f'[auth]\nkeys = "{tmp_path}/keys"\n'
    async with several(redis, postgres, tmp_path, config=auth) as deployment:
        one, other = await deployment.pair()
        for home, guest in ((one, other), (other, one)):
            made = (await home.http.post("/meetings", json={"max_participants": PLACES})).json()
            tries = (enter(server, made["id"]) for _ in range(COME) for server in (home, guest))
            found = await asyncio.gather(*tries)
            assert sorted(found) == [""] * PLACES + ["meeting_full"] * (2 * COME - PLACES)
            there = (await guest.http.get(f"/meetings/{made['id']}/participants")).json()
            assert there["total"] == PLACES

        made = (await one.http.post("/meetings", json={"access": "token"})).json()
        assert await enter(other, made["id"], join_token=made["join_token"]) == ""
        new = (await other.http.post(f"/meetings/{made['id']}/join-token")).json()
        for server in (one, other):
            assert await enter(server, made["id"], join_token=made["join_token"]) == "join_token_required"
            assert await enter(server, made["id"], join_token=new["join_token"]) == ""

        meeting = await one.create_meeting()
        elsewhere = await other.create_meeting()
        for at, named, who in (
            (other, {"identity": "ann"}, bearer("ann", "a")),
            (one, {"token_id": "b"}, bearer("bob", "b")),
        ):
            assert await enter(one, meeting, who) == await enter(other, elsewhere, who) == ""
            answer = await at.http.post("/revocations", json=named)
            assert answer.status_code == 200, answer.text
            for server in (one, other):
                path = meeting if server is one else elsewhere

                async def refused(server: RunningServer = server, path: str = path, who: Any = who) -> str:
                    return await enter(server, path, who)

                # The other one hears of it by Redis, a fraction of a millisecond later.
                await until(refused, "a refusal", within_s=5, good=lambda code: code == "unauthorized")

                async def nobody(server: RunningServer = server, path: str = path) -> int:
                    page = (await server.http.get(f"/meetings/{path}/participants")).json()
                    names = [entry["id"] for entry in page["participants"]]
                    return len(names)

                # Who asked until it was refused may have come once more, and is out by now.
                await until(nobody, "an empty meeting", within_s=5, good=lambda count: count == 0)


async def test_a_stream_comes_by_way_of_any_server_and_a_home_that_stops_hands_everything_over(
    redis: PrivateRedis, postgres: Postgres, tmp_path: Path
) -> None:
    async with several(redis, postgres, tmp_path) as deployment:
        one, other = await deployment.pair()
        made = (await one.http.post("/meetings", json={"title": "Weekly", "options": {"keep_chat": True}})).json()
        path, host = f"/meetings/{made['id']}", {"Authorization": f"Bearer {made['host_token']}"}
        asks = {"host_token": made["host_token"]}
        ann = await join(one.http, made["id"], "Ann", PatternTrack(first=0), asks=asks)
        bob = await join(other.http, made["id"], "Bob", PatternTrack(first=10_000))
        stream, session = await publish(other.http, made["id"], PatternTrack(first=20_000), name="Stream")
        async with ann, bob, stream:
            [told] = await until(lambda: [who for who in ann.told("joined") if who["name"] == "Stream"], "the stream")
            for viewer in (ann, bob):
                await frames(viewer, told["id"])
            assert (await other.http.delete(session.url)).status_code == 200
            await until(lambda: ann.told("left"), "its end")
            await frames(bob, ann.id)
            await bob.request("raise_hand", raised=True)
            await bob.request("chat", text="before")
            locked = await other.http.post(f"{path}/lock", json={"locked": True}, headers=host)
            assert locked.status_code == 204, locked.text
            assert await one.stop() == 0
            for who in (ann, bob):
                assert await until(lambda w=who: w.close_code, "a closed socket", good=lambda c: c is not None) == 1012
            assert await enter(other, made["id"]) == "locked", "as it was left in the last moment"
            again = [
                await join(other.http, made["id"], name, track, asks={"former_token": before.joined["token"]})
                for name, track, before in (("X", PatternTrack(first=0), ann), ("Y", PatternTrack(first=10_000), bob))
            ]
            async with again[0], again[1]:
                assert [who.id for who in again] == [ann.id, bob.id]
                assert again[0].welcome["permissions"]["role"] == "host"
                await frames(again[0], bob.id)
                await frames(again[1], ann.id)
                there = (await other.http.get(f"{path}/participants")).json()["participants"]
                assert {entry["name"]: entry["hand"] for entry in there} == {"Ann": None, "Bob": 1}
                page = await again[0].request("chat_history", limit=10)
                assert [entry["text"] for entry in page["entries"]] == ["before"]


async def test_what_happened_at_a_server_that_is_killed_is_told_by_another_each_meetings_in_order(
    redis: PrivateRedis, postgres: Postgres, tmp_path: Path
) -> None:
    with webhook_receiver() as receiver:
        receiver.answer = lambda _event: 503
        env = {"HOOK_SECRET": SECRET}
        async with several(redis, postgres, tmp_path, config=config(receiver), env=env) as deployment:
            one, other = await deployment.pair()
            meetings = [await live(server) for server in (one, other, one, other)]
            await until(lambda: len(receiver.requests) > 2, "that the receiver is asked")
            for server in (one, other):

                async def is_written(server: RunningServer = server) -> bool:
                    metrics = await server.metrics()
                    return metrics['sfu_store_facts_total{what="written"}'] > 4 and metrics["sfu_store_waiting"] == 0

                await until(is_written, "that all is in the database")
            await one.kill()
            receiver.answer = lambda _event: 204
            for meeting in meetings:
                await until(
                    lambda meeting=meeting: receiver.kinds(meeting)[: len(LIFE)],
                    "all of a meeting",
                    good=lambda kinds: kinds == LIFE,
                    within_s=100,  # a claim of who was killed lapses after half a minute
                )
            await join_again(other, meetings[0])
            await until(lambda: receiver.kinds(meetings[0])[len(LIFE) :], "what happens from now on")
        for meeting in meetings:
            whole(receiver, meeting)


async def join_again(server: RunningServer, meeting: str) -> None:
    """At a meeting whose home was killed."""
    answer = await server.http.post(f"/meetings/{meeting}/join", json={"name": "Cid"})
    assert answer.status_code == 200, answer.text
