"""The life of a meeting on two servers against a model, over a real Redis and PostgreSQL: whoever asks does so at
either of them; servers are killed, stopped and started again, Redis loses everything; and whatever happened, both
servers say the same of the meeting, which is what the model says.

Requests and sockets are those of clients, as ASGI. Of what a kill takes with it of the last quarter of a second the
bounds are in docs/redis.md; here a kill comes when all is written.

More than 400 lines, because orders are read beside what they change in the model and what is compared afterwards.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.support.asgi_socket import AsgiSocket
from tests.support.clock import EPOCH, VirtualClock
from tests.support.deployments import prepared
from tests.support.examples import examples
from tests.support.node import Node, cluster_of, new_cluster
from tests.support.postgres import Postgres
from tests.support.redis import PrivateRedis
from tests.support.site import Site
from tests.support.waiting import until

from sfu.access import Access, Key, issue_token
from sfu.access.keys import Algorithm, StaticKeys
from sfu.cluster.leases import Patience
from sfu.conference import ConferenceOptions
from sfu.conference.draft import MeetingDraft
from sfu.conference.events import EndReason
from sfu.conference.rights import Rules
from sfu.plugins.meetings import MeetingsPlugin
from sfu.plugins.signaling_ws import SignalingWsPlugin
from sfu.store.database import Database, database_url
from sfu.store.tables import metadata

KEY = Key("", Algorithm.HS256, b"k" * 32)
QUICK = Patience(lease_s=60.0, grace_s=1.0, dead_s=0.05, claim_every_s=0.02, claim_for_s=15.0)
WINDOW_S = 30.0
PLACES = 3
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""What was found is told as it was found: to look for something shorter would take minutes."""
OPTIONS = ConferenceOptions(resume_window_s=WINDOW_S, empty_meeting_s=1e9)
RESTART = 1012

HOST, ANN, BOB, CID = range(4)
KNOWN = {ANN: "ann", BOB: "bob"}
"""By an access token; who hosts does by the meeting's token, and who is a guest is known by the browser."""
anybody, server = st.sampled_from([HOST, ANN, BOB, CID]), st.sampled_from([0, 1])


@dataclass
class Place:
    """Of somebody who is in, or whose seat is reserved."""

    id: str
    token: str
    role: str
    hand: bool = False
    socket: AsgiSocket | None = None


@dataclass
class Model:
    """What should be."""

    here: dict[int, Place] = field(default_factory=dict)
    """In the order of joining."""
    seats: dict[int, Place] = field(default_factory=dict)
    free_at: float = 0.0
    """When seats are reserved no longer."""
    removed: set[int] = field(default_factory=set)
    appointed: dict[int, str] = field(default_factory=dict)
    locked: bool = False
    said: list[str] = field(default_factory=list)

    def answer(self, who: int, *, back: bool) -> str:
        """To who wants to join: ``in``, ``back``, or why not."""
        if who in self.removed:
            return "removed"
        if back and who in self.seats:
            return "back"
        own = who in self.seats and who in KNOWN
        full = len(self.here) + len(self.seats) - own >= PLACES
        if self.role(who) == "participant" and self.locked:
            return "locked"
        return "meeting_full" if full else "in"

    def role(self, who: int) -> str:
        return "host" if who == HOST else self.appointed.get(who, "participant")

    def succeed(self) -> None:
        if not any(place.role == "host" for place in self.here.values()):
            heir = next((place for place in self.here.values() if place.role == "cohost"), None)
            if heir is not None:
                heir.role = "host"

    def gone(self, who: int) -> None:
        if self.here.pop(who).role == "host":
            self.succeed()

    def seats_are_free(self) -> None:
        seats, self.seats = self.seats, {}
        if any(place.role == "host" for place in seats.values()):
            self.succeed()


class TwoServers(RuleBasedStateMachine):
    def __init__(self, redis: PrivateRedis, database: str) -> None:
        super().__init__()
        self.redis = redis
        self.url = database
        self.folder = tempfile.TemporaryDirectory(prefix="sfu-life-")
        self.runner = asyncio.Runner()
        self.prefix = f"life-{os.urandom(4).hex()}:"
        self.nodes: list[Node] = []
        self.clients: list[httpx.AsyncClient] = []
        self.apps: list[Any] = []
        self.now = 0.0
        self.model = Model()
        self.numbers = 0

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        database = Database(database_url(self.url))
        async with database.writing() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
        await database.close()
        for place in range(2):
            await self._start(place)
        draft = MeetingDraft("Life", id="life", rules=Rules(keep_chat=True), max_participants=PLACES)
        planned = await self.nodes[0].conference.plan(draft)
        self.host_token = planned.tokens.host

    async def _start(self, place: int) -> None:
        """A server, for the first time or again."""
        clock = VirtualClock()
        clock.advance(self.now)
        cluster = new_cluster(self.redis.url, self.prefix, QUICK)
        node = Node(
            f"node{place}", Path(self.folder.name), Database(database_url(self.url)), clock, cluster, options=OPTIONS
        )
        await node.start()
        site = Site(node.conference, clock)
        app = cluster.around(site.app(MeetingsPlugin(), SignalingWsPlugin(), access=Access(StaticKeys([KEY]))))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sfu.test/meetings/life")
        self.nodes[place:] = [node, *self.nodes[place + 1 :]]
        self.apps[place:] = [app, *self.apps[place + 1 :]]
        self.clients[place:] = [client, *self.clients[place + 1 :]]

    def teardown(self) -> None:
        self.run(self._teardown())
        self.runner.close()
        self.folder.cleanup()

    async def _teardown(self) -> None:
        for place in (*self.model.here.values(), *self.model.seats.values()):
            if place.socket is not None:
                await place.socket.cut()
        for node in self.nodes:
            await node.stop()

    # who comes and goes

    @rule(who=anybody, at=server, back=st.booleans())
    def join(self, who: int, at: int, back: bool) -> None:
        seat = self.model.seats.get(who)
        if who in self.model.here or (seat is not None and not back and who not in KNOWN):
            return  # of a guest who comes anew nobody knows that it is the same
        self.run(self._join(who, at, back=back))

    async def _join(self, who: int, at: int, *, back: bool) -> None:
        model = self.model
        seat, expected = model.seats.get(who), model.answer(who, back=back)
        body: dict[str, Any] = {"name": f"Person {who}"}
        headers = {}
        if who == HOST:
            body["host_token"] = self.host_token
        elif who in KNOWN:
            claims = {"exp": EPOCH.timestamp() + 1e6, "aud": "sfu", "jti": f"t{who}", "sub": KNOWN[who], "sfu": {}}
            headers["Authorization"] = f"Bearer {issue_token(KEY, claims)}"
        else:
            body["browser"] = f"browser {who}"
        if back and seat is not None:
            body["former_token"] = seat.token
        answer = await self.clients[at].post("/join", json=body, headers=headers)
        if expected not in {"in", "back"}:
            assert answer.json().get("code") == expected, answer.text
            return
        assert answer.status_code == 200, (expected, answer.text)
        joined = answer.json()
        if expected == "back":
            assert seat is not None
            assert joined["participant_id"] == seat.id
            model.here[who] = Place(seat.id, joined["token"], seat.role, seat.hand)
            del model.seats[who]
        else:
            if who in KNOWN:
                model.seats.pop(who, None)
            model.here[who] = Place(joined["participant_id"], joined["token"], model.role(who))
        await self._connect(who, at)

    async def _connect(self, who: int, at: int) -> None:
        """Its socket is with that server, as soon as it is let."""
        place = self.model.here[who]
        if place.socket is not None:
            await place.socket.cut()

        async def said_hello() -> Any:
            socket = AsgiSocket(self.apps[at], "life")
            reply = await socket.request("hello", token=place.token)
            if reply["type" if "type" in reply else "code"] == "welcome":
                place.socket = socket
                return reply
            await socket.cut()
            assert socket.refused == 503 or socket.closed == RESTART, (reply, socket.refused, socket.closed)
            return None

        welcome = await until(said_hello, "a welcome")
        assert welcome["permissions"]["role"] == place.role
        texts = [entry["text"] for entry in (await self._said(place))]
        assert texts == self.model.said[-50:]

    async def _said(self, place: Place) -> list[dict[str, Any]]:
        page = await self._request(place, "chat_history", limit=50)
        entries: list[dict[str, Any]] = page["entries"]
        return entries

    async def _request(self, place: Place, name: str, **fields: Any) -> dict[str, Any]:
        assert place.socket is not None
        reply = await place.socket.request(name, **fields)
        assert reply.get("type") == "reply", reply
        return reply

    @rule(who=anybody, at=server)
    def leave(self, who: int, at: int) -> None:
        place = self.model.here.get(who)
        if place is not None:
            headers = {"Authorization": f"Bearer {place.token}"}
            answer = self.run(self.clients[at].post("/leave", headers=headers))
            assert answer.status_code == 204, answer.text
            self.model.gone(who)

    @rule(who=anybody, at=server)
    def come_back(self, who: int, at: int) -> None:
        """Its socket breaks, and its client takes another one, maybe elsewhere."""
        if who in self.model.here:
            self.run(self._connect(who, at))

    # what hosts do

    def order(self, at: int, path: str, **body: Any) -> None:
        headers = {"Authorization": f"Bearer {self.host_token}"}
        answer = self.run(self.clients[at].post(path, json=body, headers=headers))
        assert answer.status_code == 204, answer.text

    @rule(who=st.sampled_from([ANN, BOB, CID]), at=server)
    def remove(self, who: int, at: int) -> None:
        place = self.model.here.get(who)
        if place is not None and place.role != "host":
            self.order(at, "/remove", participant_id=place.id)
            self.model.gone(who)
            self.model.removed.add(who)

    @rule(who=anybody, up=st.booleans(), at=server)
    def promote(self, who: int, up: bool, at: int) -> None:
        place = self.model.here.get(who)
        wanted, before = ("cohost", "participant") if up else ("participant", "cohost")
        if place is None or place.role != before:
            return
        self.order(at, "/promote" if up else "/demote", participant_id=place.id, role=wanted)
        place.role, place.hand = wanted, False
        if who in KNOWN:
            self.model.appointed[who] = wanted

    @rule(locked=st.booleans(), at=server)
    def lock(self, locked: bool, at: int) -> None:
        self.order(at, "/lock", locked=locked)
        self.model.locked = locked

    # what those do who are in

    @rule(who=anybody, raised=st.booleans())
    def hand(self, who: int, raised: bool) -> None:
        place = self.model.here.get(who)
        if place is not None:
            self.run(self._request(place, "raise_hand", raised=raised))
            place.hand = raised

    @rule(who=anybody)
    def say(self, who: int) -> None:
        place = self.model.here.get(who)
        if place is None:
            return
        self.advance(1.0)
        self.numbers += 1
        self.run(self._request(place, "chat", text=f"line {self.numbers}"))
        self.model.said.append(f"line {self.numbers}")

    # what happens

    @rule(seconds=st.sampled_from([5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        async def pass_by() -> None:
            self.now += seconds
            for node in self.nodes:
                node.clock.advance(seconds)

        self.run(pass_by())
        if self.now >= self.model.free_at:
            self.model.seats_are_free()

    @rule(is_home=st.booleans(), is_told=st.booleans(), comes_back=st.booleans(), locked=st.booleans())
    def lose(self, is_home: bool, is_told: bool, comes_back: bool, locked: bool) -> None:
        """A server is killed, or told to stop, right after a host's order; and it is started again, before or after
        somebody asks the other.
        """
        home = next((place for place in (0, 1) if cluster_of(self.nodes[place]).leases.holds("life")), 0)
        self.lock(locked=locked, at=1 - home)
        self.run(self._lose(home if is_home else 1 - home, is_told=is_told, comes_back=comes_back))

    @rule()
    def empty_redis(self) -> None:
        """All that it had is gone."""
        self.run(self._empty_redis())

    async def _lose(self, place: int, *, is_told: bool, comes_back: bool) -> None:
        model, other = self.model, 1 - place
        was_home = cluster_of(self.nodes[place]).leases.holds("life")
        with_it = [who for who, one in model.here.items() if one.socket is not None]
        self.advance_gathering()
        await self._all_is_written(self.nodes[place])
        if is_told:
            await self.nodes[place].stop(EndReason.MOVED)
        else:
            await self.nodes[place].vanish()
        if comes_back:
            await self._start(place)
        if was_home:
            for who in with_it:
                await self._has_closed(who)
            model.seats |= model.here
            model.here = {}
            found = await self.clients[other].get("/participants", headers=self.headers())
            assert found.status_code == 200, found.text
            if model.seats:
                model.free_at = self.now + WINDOW_S
        if not comes_back:
            await self._start(place)
        if not was_home:
            for who in with_it:
                one = model.here[who]
                if one.socket is not None and one.socket.is_over:
                    await self._connect(who, other)

    async def _has_closed(self, who: int) -> None:
        socket = self.model.here[who].socket
        assert socket is not None
        await until(lambda: socket.is_over, "a closed socket")
        await socket.cut()
        self.model.here[who].socket = None

    def advance_gathering(self) -> None:
        """What is gathered for a tenth of a second is told."""
        self.now += 0.25
        for node in self.nodes:
            node.clock.advance(0.25)

    async def _all_is_written(self, node: Node) -> None:
        assert await node.writer.settle()
        hot = cluster_of(node)._hot
        await until(lambda: not hot._changed and (hot._last is None or hot._last.done()), "that Redis knows")

    async def _empty_redis(self) -> None:
        for node in self.nodes:
            await self._all_is_written(node)
        home = next((place for place in (0, 1) if cluster_of(self.nodes[place]).leases.holds("life")), None)
        before = [cluster_of(node).redis.connects for node in self.nodes]
        self.redis.kill()
        self.redis.start()
        for node, count in zip(self.nodes, before, strict=True):
            redis = cluster_of(node).redis
            await until(lambda r=redis, n=count: r.is_up and r.connects > n, "Redis")
        for who, one in self.model.here.items():
            if one.socket is not None and one.socket.is_over:
                await self._connect(who, self.numbers % 2)
        if home is not None:
            assert cluster_of(self.nodes[home]).leases.holds("life"), "the home is the home"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.host_token}"}

    # and always

    @invariant()
    def both_say_what_the_model_says(self) -> None:
        if self.nodes:
            self.run(self._both_say())

    async def _both_say(self) -> None:
        model = self.model
        expected = {one.id: (one.role, one.hand) for one in model.here.values()}
        for client in self.clients:
            answer = await client.get("/participants", headers=self.headers())
            assert answer.status_code == 200, answer.text
            told = {one["id"]: (one["role"], one["hand"] is not None) for one in answer.json()["participants"]}
            assert told == expected
        homes = [node for node in self.nodes if cluster_of(node).leases.holds("life")]
        assert len(homes) <= 1
        at_hand = [node.conference.meetings["life"] for node in self.nodes if "life" in node.conference.meetings]
        assert len(at_hand) <= 1
        for meeting in at_hand:
            assert meeting.admission.is_locked is model.locked
            assert len(meeting.returning) == len(model.seats)
        node = (homes or self.nodes)[0]
        assert await node.writer.settle()
        stays = (await node.store.participants("life", None, 200, current=True)).items
        assert {(stay.participant_id, stay.role) for stay in stays} == {(i, role) for i, (role, _) in expected.items()}
        assert [line.text for line in await node.store.said("life")] == model.said


def test_a_meeting_lives_on_two_servers_as_the_model_says(redis: PrivateRedis, postgres: Postgres) -> None:
    database = asyncio.run(prepared(postgres, f"life_{os.urandom(4).hex()}"))
    run_state_machine_as_test(
        lambda: TwoServers(redis, database),
        settings=settings(stateful_step_count=15, max_examples=examples(8), phases=PHASES),
    )
