"""This server as one of several, where the configuration names a Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sfu.access import Access, Entry
from sfu.clock import Clock
from sfu.conference import Conference
from sfu.config import Config
from sfu.errors import RemoteError
from sfu.runtime.log import logger

if TYPE_CHECKING:
    from sfu.cluster.cluster import Cluster

log = logger(__name__)


def cluster_of(config: Config, clock: Clock) -> Cluster | None:
    """None: this server is alone. Raises ``ConfigError``."""
    url = config.redis.url.get_secret_value()
    if not url:
        return None
    from sfu.cluster.cluster import Cluster
    from sfu.cluster.leases import Patience

    if not config.store.url.get_secret_value():
        log.warning("store_not_shared", meaning="other servers do not know of meetings that are planned here")
    return Cluster(url, config.redis.prefix, clock, Patience(lease_s=config.redis.lease_s))


def heed_revocations(cluster: Cluster, conference: Conference, access: Access) -> None:
    """What another server was told to revoke is good no longer here either."""
    tasks: set[asyncio.Task[None]] = set()

    async def write(entry: Entry) -> None:
        try:
            await asyncio.to_thread(access.revocations.write, entry)
        except RemoteError as error:
            log.error("revocation_not_kept", reason=error.detail)  # noqa: TRY400 - the trace says no more

    def revoked(named: dict[str, str | None]) -> None:
        entry = Entry(conference.clock.wall().timestamp(), **named)
        try:
            access.revocations.keep(entry)  # before anybody is removed, or who is fast comes back in between
        except RemoteError as error:
            log.error("revocation_not_kept", reason=error.detail)  # noqa: TRY400 - the trace says no more
        removed = conference.remove_revoked(**named)
        log.info("revoked", identity=named["identity"], jti=named["token_id"], removed=removed)
        task = asyncio.get_running_loop().create_task(write(entry))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    cluster.on_revoked = revoked
