"""The running process as plugins see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.homes import ClusterStats
from sfu.conference.ledger import LedgerStats
from sfu.dtls.certificate import Certificate
from sfu.media.engine import Engine, EngineStats
from sfu.rtp.codecs import Fingerprint
from sfu.runtime.metrics import LoopLag

if TYPE_CHECKING:
    from sfu.cluster.cluster import Cluster
    from sfu.events.service import EventService
    from sfu.store.writer import Writer


class Runtime:
    """Implements ``sfu.plugins.api.RuntimeView``."""

    def __init__(self, engine: Engine, certificate: Certificate, clock: Clock) -> None:
        self.engine = engine
        self.lag = LoopLag(clock)
        self.is_stopping = False
        self.writer: Writer | None = None
        self.cluster: Cluster | None = None
        self.events: EventService | None = None
        """See ``RuntimeView.events``."""
        self._certificate = certificate

    def engine_stats(self) -> EngineStats:
        """Counters and objects of the media engine."""
        return self.engine.stats()

    def loop_lag_s(self) -> float:
        """The worst of the last 15 s."""
        return self.lag.worst_s()

    def not_ready(self) -> tuple[str, ...]:
        """Why no new work should come here."""
        stopping = ("the server is stopping",) if self.is_stopping else ()
        failed = tuple(error.detail for error in self.engine.failed)
        return stopping + failed + self._store_away() + self._others_away()

    def _store_away(self) -> tuple[str, ...]:
        stats = self.ledger_stats()
        if stats is None or not stats.is_away:
            return ()
        return (f"the database does not answer; {stats.journal_bytes} bytes of writes wait for it on disk",)

    def _others_away(self) -> tuple[str, ...]:
        stats = self.cluster_stats()
        if stats is None or stats.is_up:
            return ()
        return ("Redis does not answer; meetings that are not on this server can not be joined here",)

    def cluster_stats(self) -> ClusterStats | None:
        """Of this process as one of several; None: it is alone."""
        return None if self.cluster is None else self.cluster.stats()

    def ledger_stats(self) -> LedgerStats | None:
        """Of what is on its way to the database; None: there is none."""
        return None if self.writer is None else self.writer.stats()

    def certificate_fingerprint(self) -> Fingerprint:
        """Of the DTLS certificate."""
        return self._certificate.fingerprint()
