"""A router: the media scope of one meeting, on one shard. Producers feed consumers of the same router only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sfu.errors import StateError
from sfu.ids import ProducerId, RouterId, TransportId
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
        self.positions: tuple[ProducerId | None, ...] = ()
        """Who stands where on the stage; the last position is the reserve. () without a stage."""
        self.on_stage: Callable[[Router], None] | None = None
        """``positions`` changed."""
        self.on_levels: Callable[[bytes], None] | None = None
        """What was heard in the last 100 ms, as ``sfu/_native.pyi`` has it. Ten times a second while anybody is."""
        self._stage: tuple[int, bool] | None = None
        link.routers[self.id] = self
        link.port.add_router(self.id)

    def create_transport(self) -> Transport:
        """A transport that answers connectivity checks from now on. Raises ``EngineError`` when the shard failed."""
        self.require_open()
        return Transport(self)

    def set_stage(self, slots: int, *, forward_silence: bool) -> None:
        """Makes the stage: ``slots`` positions (1 to 16, for good) that everybody hears, and a reserve. The shard
        decides who stands there, on energy, in the moment in which somebody begins to speak.

        Who is silent for a second is not forwarded unless ``forward_silence``.
        """
        wanted = (slots, forward_silence)
        if not self.closed and wanted != self._stage:
            if self._stage is not None and self._stage[0] != slots:
                raise StateError(f"the stage of router {self.id} has {self._stage[0]} positions, not {slots}")
            if self._stage is None:
                self.positions = (None,) * (slots + 1)
            self._stage = wanted
            self.link.port.set_stage(self.id, slots, forward_silence)

    def set_speakers(self, dominant: ProducerId | None, audible: Sequence[ProducerId]) -> None:
        """Confirms who on the stage speaks, and who has the floor: that one is heard by everybody."""
        if not self.closed:
            self.link.port.set_speakers(self.id, dominant, audible)

    def stage_changed(self, positions: Sequence[int | None]) -> None:
        """The shard says who stands where."""
        told = tuple(None if producer is None else ProducerId(producer) for producer in positions)
        if not self.closed and told != self.positions:
            self.positions = told
            if self.on_stage is not None:
                self.on_stage(self)

    def levels_heard(self, levels: bytes) -> None:
        """The shard says what was heard."""
        if not self.closed and self.on_levels is not None:
            self.on_levels(levels)

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
            "stage": self.positions,
            "transports": [transport.debug_state() for transport in self.transports.values()],
        }
