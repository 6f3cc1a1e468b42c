"""Servers of one deployment inside a test: each with its own conference, simulated data plane, store, writer and place
in the cluster, as ``sfu.runtime.server`` puts them together; without HTTP's sockets, threads of media and processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine
from tests.support.waiting import until

from sfu.cluster.cluster import Cluster, meeting_of
from sfu.cluster.leases import Patience
from sfu.conference import Conference, ConferenceOptions
from sfu.conference.events import EndReason
from sfu.conference.homes import Homes
from sfu.conference.hooks import NO_HOOKS, Hooks
from sfu.media.engine import Engine
from sfu.runtime.clock import LoopClock
from sfu.store.database import Database
from sfu.store.journal import Journal
from sfu.store.sql_store import SqlStore
from sfu.store.writer import Writer

PATIENT = Patience(lease_s=60.0, grace_s=10.0, dead_s=0.2, claim_every_s=0.02, claim_for_s=12.0)
"""Nothing happens because a machine is busy."""
JOURNAL_BYTES = 1 << 20


class Node:
    """One server. ``cluster`` None: it is alone. ``start`` it in the event loop that it is to live in."""

    def __init__(
        self,
        name: str,
        folder: Path,
        database: Database,
        clock: VirtualClock,
        cluster: Cluster | None = None,
        *,
        engine: Engine | None = None,
        options: ConferenceOptions | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """``engine``: None: one of its own."""
        self.engine = engine or sim_engine()[0]
        self.clock = clock
        self.cluster = cluster
        self.database = database
        self.store = SqlStore(database, name)
        self.writer = Writer(self.store, Journal(folder / f"{name}.journal", JOURNAL_BYTES))
        homes: Homes | None = cluster
        self.conference = Conference(
            self.engine,
            clock,
            options,
            store=self.store,
            ledger=self.writer,
            hooks=hooks,
            homes=homes,
            seat_keepers=() if cluster is None else (cluster,),
        )

    async def start(self) -> None:
        """With Redis, where there is one, and after what an earlier life of it left."""
        await self.writer.start()
        now, window_s = self.clock.wall(), self.conference.options.resume_window_s
        await self.store.end_left_over(now, now + timedelta(seconds=window_s))
        if self.cluster is not None:
            self.cluster.on_revoked = lambda named: self.conference.remove_revoked(**named)
            await self.cluster.start(self.conference)
            await until(lambda: self.cluster is not None and self.cluster.redis.is_up, "a connection to Redis")

    async def stop(self, reason: EndReason = EndReason.SERVER_STOPPING) -> None:
        """In order. ``MOVED``: others go on with what it has."""
        self.conference.close(reason)
        if self.cluster is not None:
            await self.cluster.close()
        await self.writer.close()
        await self.database.close()
        self.engine.close()

    async def vanish(self) -> None:
        """As after SIGKILL: nothing is said or written any more, to nobody."""
        tasks = [task for task in (self.writer._task,) if task is not None]
        if self.cluster is not None:
            tasks += [*self.cluster._tasks, *self.cluster._host._tasks.values()]
            self.cluster._hot.stop()
            await self.cluster.redis.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.writer._journal.close()
        await self.database.close()
        self.engine.close()


class Pair:
    """Two of them over a real Redis. What is for a meeting is asked at the one that has it not, what is for none at one
    after the other: an application for both.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._asked = 0
        self.carried = 0
        """Requests and sockets that the other server had to answer."""

    async def start(self) -> None:
        """Nobody has a meeting from before, so nobody waits for one to be named."""
        for node in self.nodes:
            await node.start()
        first = cluster_of(self.nodes[0])
        await first.redis.ask("DEL", first._keys.grace)

    def around(self, make: Callable[[Conference], ASGIApp]) -> ASGIApp:
        """``make`` gives what a server serves, when it serves something."""
        routes = [cluster_of(node).around(_Late(make, node.conference)) for node in self.nodes]

        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            meeting_id = meeting_of(scope)
            home = None if meeting_id is None else self.home_of(meeting_id)
            if home is None:
                at = self._asked % len(routes)
                self._asked += 1
            else:
                at = 1 - home
                self.carried += 1
            await routes[at](scope, receive, send)

        return ask

    def home_of(self, meeting_id: str) -> int | None:
        """Which of them has that meeting."""
        return next((n for n, node in enumerate(self.nodes) if cluster_of(node).leases.holds(meeting_id)), None)

    async def stop(self) -> None:
        """Both."""
        for node in self.nodes:
            await node.stop()


class _Late:
    """An application that is made when it is asked first: half of them are not."""

    def __init__(self, make: Callable[[Conference], ASGIApp], conference: Conference) -> None:
        self._make = make
        self._conference = conference
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._make(self._conference)
        await self._app(scope, receive, send)


def cluster_of(node: Node) -> Cluster:
    """Of one that has others."""
    assert node.cluster is not None
    return node.cluster


def new_cluster(url: str, prefix: str, patience: Patience = PATIENT) -> Cluster:
    """In the running event loop."""
    return Cluster(url, prefix, LoopClock(asyncio.get_running_loop()), patience)
