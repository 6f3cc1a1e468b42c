"""Drives the DTLS association of one transport: its timer, its limits, and whom it reports to.

The protocol, the datagrams that come too early and the check of the fingerprint are ``sfu.dtls.session``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsClosed, DtlsConnected, DtlsFailed, DtlsHandshake, DtlsRole
from sfu.media.timers import Timer, Timers
from sfu.rtp.codecs import Fingerprint

DATAGRAMS_PER_SECOND = 200
"""A handshake takes fewer than 30 datagrams each way; what floods is dropped before it costs CPU."""


@dataclass(frozen=True, slots=True)
class HandshakeCallbacks:
    """Where an association reports. ``failed`` and ``ended`` come at most once, and not both."""

    send: Callable[[bytes], None]
    secured: Callable[[DtlsConnected], None]
    failed: Callable[[str], None]
    ended: Callable[[], None]


class Handshake:
    """Driven by datagrams and by its own timer in ``timers``."""

    def __init__(
        self, certificate: Certificate, timers: Timers, callbacks: HandshakeCallbacks, seed: int | None
    ) -> None:
        self._dtls = DtlsHandshake(certificate, seed=seed)
        self._timers = timers
        self._callbacks = callbacks
        self._timer: Timer | None = None
        self._over = False
        self._second = 0
        self._datagrams_in_second = 0
        self.started = False
        """Whether the remote's fingerprints are known."""
        self.dropped = 0
        """Datagrams above the rate limit, or after the end."""

    def start(self, role: DtlsRole, fingerprints: tuple[Fingerprint, ...], now: float) -> None:
        """Begins with the remote's fingerprints; ``role`` is ours, ``"client"`` or ``"server"``."""
        self.started = True
        self._dtls.expect(fingerprints, now, role=role)
        self._advance(now)

    def handle_datagram(self, datagram: bytes, now: float) -> None:
        """One datagram from an address that passed a connectivity check."""
        if self._over or self._is_flooded(now):
            self.dropped += 1
            return
        self._dtls.handle_datagram(datagram, now)
        self._advance(now)

    def _is_flooded(self, now: float) -> bool:
        if int(now) != self._second:
            self._second = int(now)
            self._datagrams_in_second = 0
        self._datagrams_in_second += 1
        return self._datagrams_in_second > DATAGRAMS_PER_SECOND

    def _handle_timeout(self, now: float) -> None:
        if not self._over:
            self._dtls.handle_timeout(now)
            self._advance(now)

    def _advance(self, now: float) -> None:
        """Reports, sends what waits, sets the timer for the next flight: in this order, so that the shard has
        the keys before the remote learns that the handshake is done and sends media.
        """
        while (event := self._dtls.poll_event()) is not None:
            match event:
                case DtlsConnected():
                    self._callbacks.secured(event)
                case DtlsFailed(reason=reason):
                    self._finish()
                    self._callbacks.failed(reason)
                case DtlsClosed():
                    self._finish()
                    self._callbacks.ended()
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = None if self._over else self._dtls.poll_timeout()
        if when is not None:
            self._timer = self._timers.at(max(when, now), self._handle_timeout)

    def _flush(self) -> None:
        while (datagram := self._dtls.poll_transmit()) is not None:
            self._callbacks.send(datagram)

    def _finish(self) -> None:
        self._flush()
        self._over = True

    def close(self) -> None:
        """Says goodbye to the remote when there is a session. Idempotent; nothing is reported any more."""
        if not self._over:
            self._dtls.close()
            self._finish()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
