"""A router: the media scope of one meeting, on one shard. Producers feed consumers of the same router only."""

from __future__ import annotations

from typing import Any

from sfu.errors import StateError
from sfu.ids import RouterId, TransportId
from sfu.media.shard import ShardLink
from sfu.media.transport import Transport


class Router:
    """Made by ``Engine.create_router``."""

    def __init__(self, link: ShardLink) -> None:
        link.require_alive()
        self.id = RouterId(link.handles.router.allocate())
        self.link = link
        self.transports: dict[TransportId, Transport] = {}
        self.closed = False
        link.routers[self.id] = self
        link.port.add_router(self.id)

    def create_transport(self) -> Transport:
        """A transport that answers connectivity checks from now on. Raises ``EngineError`` when the shard failed."""
        self.require_open()
        return Transport(self)

    def require_open(self) -> None:
        """Raises ``EngineError`` when the shard failed, ``StateError`` when the router is closed otherwise."""
        self.link.require_alive()
        if self.closed:
            raise StateError(f"router {self.id} is closed")

    def close(self, reason: str = "router closed") -> None:
        """Closes its transports, then itself. Idempotent."""
        if self.closed:
            return
        self.closed = True
        for transport in list(self.transports.values()):
            transport.close(reason)
        self.link.routers.pop(self.id, None)
        self.link.port.remove_router(self.id)

    def debug_state(self) -> dict[str, Any]:
        """What this side knows of it and all that hangs from it, for people."""
        return {
            "id": self.id,
            "shard": self.link.index,
            "closed": self.closed,
            "transports": [transport.debug_state() for transport in self.transports.values()],
        }
