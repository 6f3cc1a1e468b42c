"""The real engine over the simulated shard: the real packet path, no socket, no thread, virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.clock import EPOCH

from sfu._native import SimShard
from sfu.dtls.certificate import Certificate
from sfu.media.engine import Engine, EngineOptions
from sfu.media.shard import Address

ADDRESS: Address = ("127.0.0.1", 40_000)


class SimPort:
    """A ``SimShard`` as a ``ShardPort``: what the thread and the sockets of a real one would add is empty."""

    event_fd = -1

    def __init__(self, seed: int = 0) -> None:
        self.shard = SimShard(seed=seed)
        self.local_addresses = [ADDRESS]

    def close(self) -> None:
        """There is nothing to stop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.shard, name)


def sim_engine(seed: int = 1) -> tuple[Engine, SimPort]:
    """An engine with one simulated shard, and that shard."""
    port = SimPort(seed)

    def factory(index: int, listen: Sequence[Address], options: EngineOptions) -> Any:
        return port

    options = EngineOptions(certificate=Certificate.generate(EPOCH), seed=seed)
    return Engine(options, shard_factory=factory), port


def settle(engine: Engine, now: float) -> None:
    """Lets the shards do what they were told, and the engine hear of it."""
    for link in engine._links:
        link.port.handle_timeout(round(now * 1e6))  # type: ignore[attr-defined] - of a simulated shard
    engine.handle_events(now)
