"""The running process as plugins see it."""

from __future__ import annotations

from sfu.clock import Clock
from sfu.dtls.certificate import Certificate
from sfu.media.engine import Engine, EngineStats
from sfu.rtp.codecs import Fingerprint
from sfu.runtime.metrics import LoopLag


class Runtime:
    """Implements ``sfu.plugins.api.RuntimeView``."""

    def __init__(self, engine: Engine, certificate: Certificate, clock: Clock) -> None:
        self.engine = engine
        self.lag = LoopLag(clock)
        self.is_stopping = False
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
        return stopping + tuple(error.detail for error in self.engine.failed)

    def certificate_fingerprint(self) -> Fingerprint:
        """Of the DTLS certificate."""
        return self._certificate.fingerprint()
