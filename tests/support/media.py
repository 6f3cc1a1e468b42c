"""An engine over a shard that only records: for what the control plane does by itself.

Whole meetings over the simulated shard are in tests/scenario; here the shard must be able to say what a real
one hardly ever says (it failed, it lost events), and to be asked what it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsHandshake
from sfu.media.engine import Engine, EngineOptions
from sfu.media.shard import Address
from sfu.media.transport import Transport
from sfu.rtp.codecs import Fingerprint, RemoteTransportParameters

CLIENT = ("192.0.2.7", 50_000)


class RecordingShard:
    """Takes every command, gives the events and snapshots that a test puts in."""

    def __init__(self, index: int = 0, listen: Sequence[Address] = ()) -> None:
        self.index = index
        self.listen = list(listen)
        self.commands: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.now_us = 0
        self.transports: dict[int, dict[str, Any]] = {}
        self.producers: dict[int, dict[str, Any]] = {}
        self.consumers: dict[int, dict[str, Any]] = {}
        self.stages: dict[int, list[int | None]] = {}
        self.busy_us = 0
        self.closed = 0

    @property
    def local_addresses(self) -> list[Address]:
        return [(host, port or 40_000 + self.index) for host, port in self.listen]

    @property
    def event_fd(self) -> int:
        return -1

    def close(self) -> None:
        self.closed += 1

    def poll_events(self, limit: int = 1024) -> list[tuple[Any, ...]]:
        events, self.events = self.events[:limit], self.events[limit:]
        return events

    def snapshot(self) -> dict[str, Any]:
        return {
            "now_us": self.now_us,
            "counters": {"rx_packets": 10 + self.index},
            "drops": {"unknown_ssrc": 1},
            "consent_ages_us": {
                transport: age_us
                for transport, stats in self.transports.items()
                if (age_us := stats.get("consent_age_us")) is not None
            },
            "transports": dict(self.transports),
            "producers": dict(self.producers),
            "consumers": dict(self.consumers),
            "stages": dict(self.stages),
        }

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.commands.append((name, *arguments))

    def told(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of every command of that name, in order."""
        return [arguments for command, *arguments in self.commands if command == name]


class World:
    """An engine, its recording shards, and the time."""

    def __init__(self, shards: int = 1, seed: int = 7) -> None:
        self.now = 1000.0
        self.shards: list[RecordingShard] = []
        self.certificate = CERTIFICATE
        options = EngineOptions(certificate=CERTIFICATE, listen=("192.0.2.1",), port=40_000, shards=shards, seed=seed)
        self.engine = Engine(options, shard_factory=self._make_shard)

    def _make_shard(self, index: int, listen: Sequence[Address], _options: EngineOptions) -> RecordingShard:
        self.shards.append(RecordingShard(index, listen))
        return self.shards[-1]

    @property
    def shard(self) -> RecordingShard:
        return self.shards[0]

    def events(self, *events: tuple[Any, ...], shard: int = 0) -> None:
        """The shard says something."""
        self.shards[shard].events.extend(events)
        self.engine.handle_events(self.now)
        self.settle()

    def settle(self) -> None:
        """Runs what is due now."""
        while (when := self.engine.poll_timeout()) is not None and when <= self.now:
            self.engine.handle_timeout(self.now)

    def advance(self, seconds: float) -> None:
        """Lets time pass, timer by timer."""
        end = self.now + seconds
        while (when := self.engine.poll_timeout()) is not None and when <= end:
            self.now = max(self.now, when)
            self.engine.handle_timeout(self.now)
        self.now = end

    def select(self, transport: Transport, address: Address = CLIENT, *, restarted: bool = False) -> None:
        """The client's check nominated."""
        self.events(("ice_selected", transport.id, address, 0, restarted))


class Client:
    """The far end of a transport's DTLS: our own session in the client's (or server's) role."""

    def __init__(self, world: World, role: str = "client", version: str = "auto") -> None:
        self._world = world
        self._role = role
        self._seen = 0
        self.certificate = CLIENT_CERTIFICATE
        self.dtls = DtlsHandshake(self.certificate, version=version)
        self.events: list[Any] = []

    def parameters(self, fingerprint: Fingerprint | None = None) -> RemoteTransportParameters:
        ours = "server" if self._role == "client" else "client"
        return RemoteTransportParameters(
            "remoteuf", "remotepassword0123456789", (fingerprint or self.certificate.fingerprint(),), dtls_role=ours
        )

    def start(self) -> None:
        self.dtls.expect((self._world.certificate.fingerprint(),), self._world.now, role=self._role)

    def pump(self, transport: Transport, lose: Callable[[], bool] = lambda: False, rounds: int = 40) -> None:
        """Carries datagrams both ways until both are silent."""
        for _ in range(rounds):
            sent = [(b,) for _, b in self._world.shard.told("send_dtls")[self._seen :]]
            self._seen += len(sent)
            for (datagram,) in sent:
                if not lose():
                    self.dtls.handle_datagram(datagram, self._world.now)
            answers = []
            while (datagram := self.dtls.poll_transmit()) is not None:
                answers.append(datagram)
            self._world.events(*(("dtls", transport.id, datagram) for datagram in answers if not lose()))
            while (event := self.dtls.poll_event()) is not None:
                self.events.append(event)
            if not sent and not answers:
                return

    def advance(self, transport: Transport, seconds: float, lose: Callable[[], bool] = lambda: False) -> None:
        """Lets time pass on both ends, 50 ms at a time."""
        for _ in range(round(seconds / 0.05)):
            self._world.advance(0.05)
            self.dtls.handle_timeout(self._world.now)
            self.pump(transport, lose)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
CERTIFICATE = Certificate.generate(NOW)
CLIENT_CERTIFICATE = Certificate.generate(NOW)
