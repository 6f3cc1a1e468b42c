"""All of it together: this process as one of several."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from sfu.clock import Clock
from sfu.cluster.answers import Refusal, refuse
from sfu.cluster.carrying import Carrier
from sfu.cluster.connection import Redis
from sfu.cluster.hosting import Host
from sfu.cluster.hot_state import HotState
from sfu.cluster.keys import Keys
from sfu.cluster.leases import Leases, Patience
from sfu.cluster.post import TICK_S, Post
from sfu.cluster.scripts import COUNTS
from sfu.conference.events import EndReason
from sfu.conference.homes import ClusterStats
from sfu.conference.returning import Seat
from sfu.errors import RemoteError, WireError

if TYPE_CHECKING:
    from sfu.conference import Conference

_OF_MEETING = re.compile(r"/(?:meetings|whip|whep)/([A-Za-z0-9_-]{1,64})(?:\.ics)?(?:/.*)?")
MAX_HOMES = 200_000
COUNT_S = 1.0
"""A list of meetings waits no longer than this to say how many are in them."""
MAX_NEWS_BYTES = 4096
MAX_RETOLD = 1000
"""Revocations that are told again whenever Redis is back; to hear of one twice does no harm."""

log = structlog.get_logger(__name__)


class Cluster:
    """Implements ``sfu.conference.homes.Homes`` and ``sfu.conference.returning.SeatKeeper``. ``start`` it with the
    conference, and ``close`` it at the end. ``on_revoked`` is called with what another process was told to revoke.
    """

    def __init__(self, url: str, prefix: str, clock: Clock, patience: Patience) -> None:
        """Raises ``ConfigError``."""
        self.process_id = secrets.token_hex(8)
        self._keys = Keys(prefix)
        self._clock = clock
        self.redis = Redis(url, (self._keys.inbox(self.process_id), self._keys.everybody), self._heard)
        self.leases = Leases(self.redis, self._keys, self.process_id, clock, patience)
        self._post = Post(self.redis, self._keys, self.process_id)
        self._carrier = Carrier(self._post, clock)
        self._host = Host(self._post, self._serve)
        self._hot = HotState(self.redis, self._keys, clock, lambda: self._meetings)
        self._conference: Conference | None = None
        self._app: ASGIApp | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._revoked: deque[dict[str, str | None]] = deque(maxlen=MAX_RETOLD)
        self.on_revoked: Callable[[dict[str, str | None]], None] = lambda _named: None
        self._wire()

    def _wire(self) -> None:
        self.redis.on_up, self.redis.on_down = self._up, self._post.reset
        self.leases.on_lost = self._lost
        self._post.on_step = self._step
        self._post.on_lost = self._peer_lost
        self._post.is_needed = lambda peer: self._carrier.is_with(peer) or self._host.is_with(peer)

    @property
    def _meetings(self) -> Any:
        return self._conference.meetings if self._conference is not None else {}

    async def start(self, conference: Conference) -> None:
        """Goes on by itself, with Redis or until it is there."""
        self._conference = conference
        self.leases.settle = conference.settle
        await self.redis.start()
        self._tasks = [
            asyncio.create_task(self.leases.run(), name="leases"),
            asyncio.create_task(self._tick(), name="cluster"),
        ]

    async def close(self) -> None:
        """After the last meeting has ended. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._host.close()
        self._hot.stop()
        await self.leases.close()
        await self.redis.close()

    def stats(self) -> ClusterStats:
        """For metrics."""
        carrier, host = self._carrier, self._host
        return ClusterStats(
            is_up=self.redis.is_up,
            homes=len(self.leases),
            carried_sockets=carrier.open_sockets,
            hosted_sockets=host.open_sockets,
            carried={"requests": carrier.requests, "sockets": carrier.sockets},
            hosted={"requests": host.requests, "sockets": host.sockets},
            bytes_out=self._post.bytes_out,
            bytes_in=self._post.bytes_in,
            events={
                "connected": self.redis.connects,
                "taken_over": self.leases.taken_over,
                "lost": self.leases.lost,
                "link_reset": self._post.resets,
                "malformed": self._post.malformed,
                "not_here": carrier.refused,
            },
        )

    # what the conference asks and tells

    async def take(self, meeting_id: str) -> None:
        """See ``Homes``."""
        await self.leases.open(meeting_id)

    def let_go(self, meeting_id: str, *, is_over: bool) -> None:
        """See ``Homes``. A meeting that another process has taken is that one's to speak of."""
        if self.leases.holds(meeting_id):
            self._hot.let_go(meeting_id, is_over=is_over)
            self.leases.let_go(meeting_id)

    def seated(self, meeting_id: str, seat: Seat) -> None:
        """See ``SeatKeeper``."""
        self._hot.seated(meeting_id, seat.participant_id, seat)

    def freed(self, meeting_id: str, seat: Seat) -> None:
        """See ``SeatKeeper``."""
        self._hot.seated(meeting_id, seat.participant_id, None)

    async def seats(self, meeting_id: str) -> tuple[Seat, ...]:
        """See ``SeatKeeper``."""
        return await self._hot.seats(meeting_id)

    def changed(self, meeting_id: str, participant_id: str) -> None:
        """See ``Homes``."""
        self._hot.changed(meeting_id, participant_id)

    async def elsewhere(self) -> frozenset[str]:
        """See ``Homes``."""
        pattern, found, cursor = self._keys.home("*"), set[str](), b"0"
        head, tail = pattern.split("*")
        while True:
            cursor, names = await self.redis.ask("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            found |= {name.decode().removeprefix(head).removesuffix(tail) for name in names}
            if int(cursor) == 0 or len(found) > MAX_HOMES:
                return frozenset(one for one in found if not self.leases.holds(one))

    async def counts(self, meeting_ids: Sequence[str]) -> Mapping[str, int] | None:
        """See ``Homes``. As others have written it, a quarter of a second ago or less."""
        if not meeting_ids:
            return {}
        keys = [place(one) for place in (self._keys.home, self._keys.participants) for one in meeting_ids]
        try:
            async with asyncio.timeout(COUNT_S):
                found = await self.redis.script(COUNTS, keys, self._keys.prefix)
        except (RemoteError, TimeoutError):
            return None
        return dict(zip(meeting_ids, map(int, found), strict=True))

    def revoked(self, *, identity: str | None, token_id: str | None) -> None:
        """See ``Homes``. While Redis is away the others are told when it is back."""
        self._revoked.append({"identity": identity, "token_id": token_id})
        if self.redis.is_up:
            self._tell_revoked(self._revoked[-1])

    def _tell_revoked(self, named: dict[str, str | None]) -> None:
        news = json.dumps({"from": self.process_id, "revoked": named})
        self.redis.call("PUBLISH", self._keys.everybody, news)

    # clients

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application for this process' clients: what is for a meeting elsewhere is carried there."""
        self._app = app

        async def route(scope: Scope, receive: Receive, send: Send) -> None:  # uvicorn tells ASGI 3 by its form
            await self._route(scope, receive, send)

        return route

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        meeting_id = meeting_of(scope)
        if meeting_id is None:
            await self._call(scope, receive, send)
            return
        try:
            home = await self._home(meeting_id)
            if home == self.process_id:
                await self._here(meeting_id, scope, receive, send)
            elif scope["type"] == "websocket":
                await self._carrier.socket(home, scope, receive, send)
            else:
                await self._carrier.request(home, scope, receive, send)
        except Refusal as refusal:
            await refuse(scope, send, refusal.status, refusal.code, refusal.detail)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """For a client of another process. False: the meeting is not here."""
        meeting_id = meeting_of(scope)
        if meeting_id is None:
            return False
        try:
            if await self._home(meeting_id) != self.process_id:
                return False
            await self._here(meeting_id, scope, receive, send)
        except Refusal as refusal:
            await refuse(scope, send, refusal.status, refusal.code, refusal.detail)
        return True

    async def _home(self, meeting_id: str) -> str:
        try:
            return await self.leases.home_of(meeting_id)
        except RemoteError as error:
            raise Refusal(error.status, error.code, error.detail) from None

    async def _here(self, meeting_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        with self.leases.using(meeting_id):
            if scope["type"] == "websocket" and self._conference is not None and meeting_id not in self._meetings:
                # Whoever was in it where it was before has to find it here, to be told to join again.
                with suppress(RemoteError):
                    await self._conference.meeting(meeting_id)
            await self._call(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)

    # Redis, and other processes

    async def _up(self) -> None:
        server = await self.redis.ask("INFO", "server")
        found = re.search(rb"run_id:(\w+)", server)
        await self.leases.hello(found[1].decode() if found else "")
        self._hot.write_all()
        for named in self._revoked:
            self._tell_revoked(named)

    def _heard(self, channel: bytes, data: bytes) -> None:
        try:
            if channel == self._keys.everybody.encode():
                self._take_news(data)
            else:
                self._post.take(data)
        except Exception:  # a mistake of ours must not cost the connection
            log.exception("message_not_taken")

    def _take_news(self, data: bytes) -> None:
        """What one process tells all."""
        try:
            news = json.loads(data[:MAX_NEWS_BYTES])
        except (ValueError, RecursionError):
            return
        match news:
            case {"from": str(sender), "revoked": {"identity": str() | None as who, "token_id": str() | None as token}}:
                if sender != self.process_id:
                    self.on_revoked({"identity": who, "token_id": token})

    def _step(self, peer: str, step: list[Any]) -> None:
        side = self._host if step[0] in {"open", "data", "gone"} else self._carrier
        try:
            side.take(peer, step)
        except WireError as error:
            log.warning("malformed_step", process=peer, step=step[0], reason=error.detail)

    def _peer_lost(self, peer: str) -> None:
        self._carrier.lose(peer)
        self._host.lose(peer)

    def _lost(self, meeting_id: str) -> None:
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            meeting.end(EndReason.MOVED)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                if self.redis.is_up:
                    self._post.tick()
                    self._hot.look()
            except Exception:  # a mistake of ours must not end the ticking
                log.exception("cluster_tick_failed")


def meeting_of(scope: Scope) -> str | None:
    """The meeting that a request or a socket is for; None: for none in particular."""
    if scope["type"] not in {"http", "websocket"}:
        return None
    found = _OF_MEETING.fullmatch(scope["path"])
    return found[1] if found else None
