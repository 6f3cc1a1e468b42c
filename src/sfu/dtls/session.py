"""A DTLS session with one client, sans-IO: holds early datagrams, checks the fingerprint, gives out SRTP keys.

The protocol itself (RFC 6347, RFC 9147) is ``sfu._native.DtlsSession``'s. This is what WebRTC wants around it
(RFC 5763, RFC 5764, RFC 8122): nothing is answered before the remote description is known, and no key leaves before the
peer's certificate is the one that the description promised.
"""

from __future__ import annotations

import hmac
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from sfu._native import DtlsSession
from sfu.dtls.certificate import FINGERPRINT_ALGORITHMS, Certificate, fingerprint_of
from sfu.dtls.srtp import SrtpKeyMaterial, SrtpProfile
from sfu.errors import RemoteError
from sfu.rtp.codecs import Fingerprint

_log = logging.getLogger(__name__)

MAX_HELD_DATAGRAMS = 16
"""A ClientHello with a post-quantum key share takes two or three, and is sent again every second or so."""
MAX_HELD_DATAGRAM_BYTES = 2048
"""Longer ones fit no path of ours (the shard's receive buffers are as long)."""

DtlsRole: TypeAlias = Literal["client", "server"]


class DtlsState(Enum):
    """WAITING: the remote description is not known yet."""

    WAITING = "waiting"
    HANDSHAKING = "handshaking"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"


class _Trigger(Enum):
    EXPECT = "expect"
    CONNECT = "connect"
    FAIL = "fail"
    CLOSE = "close"


TRANSITIONS: dict[tuple[DtlsState, _Trigger], DtlsState] = {
    (DtlsState.WAITING, _Trigger.EXPECT): DtlsState.HANDSHAKING,
    (DtlsState.WAITING, _Trigger.CLOSE): DtlsState.CLOSED,
    (DtlsState.HANDSHAKING, _Trigger.CONNECT): DtlsState.CONNECTED,
    (DtlsState.HANDSHAKING, _Trigger.FAIL): DtlsState.FAILED,
    (DtlsState.HANDSHAKING, _Trigger.CLOSE): DtlsState.CLOSED,
    (DtlsState.CONNECTED, _Trigger.CLOSE): DtlsState.CLOSED,
}
"""What is not in the table changes nothing: an end is final, and a running session cannot fail any more."""


@dataclass(frozen=True, slots=True)
class DtlsConnected:
    """The peer is who the description said. ``version`` is "DTLS 1.2" or "DTLS 1.3"."""

    version: str
    profile: SrtpProfile
    keys: SrtpKeyMaterial


@dataclass(frozen=True, slots=True)
class DtlsFailed:
    """No session will come of this. ``reason`` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class DtlsClosed:
    """The peer said goodbye (close_notify)."""


DtlsEvent: TypeAlias = DtlsConnected | DtlsFailed | DtlsClosed


class DtlsHandshake:
    """One DTLS association from first datagram to close. Drain the polls after every input.

    ``now`` is seconds of any monotonic clock, the same for all calls. ``seed`` is for simulations: lost flights are
    sent again at the same times in each run.
    """

    def __init__(
        self, certificate: Certificate, *, version: Literal["auto", "1.2", "1.3"] = "auto", seed: int | None = None
    ) -> None:
        self._certificate = certificate
        self._version = version
        self._seed = seed
        self._state = DtlsState.WAITING
        self._session: DtlsSession | None = None
        self._role: DtlsRole = "server"
        self._expected: tuple[Fingerprint, ...] = ()
        self._held: deque[bytes] = deque(maxlen=MAX_HELD_DATAGRAMS)
        self._events: deque[DtlsEvent] = deque()
        self._peer_is_known = False
        self._protocol_version: str | None = None

    @property
    def state(self) -> DtlsState:
        return self._state

    @property
    def protocol_version(self) -> str | None:
        """ "DTLS 1.2" or "DTLS 1.3" once negotiated."""
        return self._protocol_version

    def expect(self, fingerprints: Sequence[Fingerprint], now: float, *, role: DtlsRole = "server") -> None:
        """Starts the handshake: ``role`` is ours, the peer's certificate must have one of ``fingerprints``.

        Again with the same fingerprints changes nothing. RemoteError ("bad_sdp") when a later description names others:
        a new association on a running transport is not supported.
        """
        if self._state is not DtlsState.WAITING:
            if set(fingerprints) != set(self._expected):
                raise RemoteError("bad_sdp", "the certificate of a running session cannot change", "open a new one")
            return
        self._expected = tuple(fingerprints)
        self._role = role
        self._change(_Trigger.EXPECT)
        self._session = DtlsSession(
            self._certificate.certificate_der,
            self._certificate.private_key_der,
            is_client=role == "client",
            now=now,
            version=self._version,
            seed=self._seed,
        )
        held, self._held = self._held, deque(maxlen=0)
        for datagram in held:
            self.handle_datagram(datagram, now)

    def handle_datagram(self, data: bytes, now: float) -> None:
        """A datagram of the peer. Held while the remote description is not known, the oldest lost when too many."""
        if self._session is None:
            if self._state is DtlsState.WAITING and len(data) <= MAX_HELD_DATAGRAM_BYTES:
                self._held.append(data)
            return
        try:
            self._session.handle_datagram(data, now)
        except ValueError as error:
            self._break(str(error))
        self._read_events()

    def handle_timeout(self, now: float) -> None:
        """Call it when ``poll_timeout`` says so; calls at other times do no harm."""
        if self._session is None:
            return
        try:
            self._session.handle_timeout(now)
        except ValueError as error:
            self._break(str(error))
        self._read_events()

    def poll_transmit(self) -> bytes | None:
        """The next datagram for the peer."""
        return self._session.poll_transmit() if self._session else None

    def poll_timeout(self) -> float | None:
        """When ``handle_timeout`` must be called; None: not before the next input."""
        return self._session.poll_timeout() if self._session else None

    def poll_event(self) -> DtlsEvent | None:
        """What has happened, oldest first."""
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Ends the session; a ``close_notify`` waits in ``poll_transmit`` when it was connected. Idempotent."""
        if self._session is not None and self._state is not DtlsState.FAILED:
            self._session.close()
        self._held.clear()
        self._change(_Trigger.CLOSE)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _read_events(self) -> None:
        """Takes everything the engine says about one input, then decides: it names the keys after "connected"."""
        if self._session is not None:
            self._protocol_version = self._session.protocol_version
        connected = False
        keys: SrtpKeyMaterial | None = None
        while self._session is not None and (event := self._session.poll_event()) is not None:
            match event:
                case ("peer_certificate", bytes(der)):
                    self._check_peer(der)
                case ("connected",):
                    connected = True
                case ("keying_material", str(profile), bytes(material)):
                    keys = SrtpKeyMaterial.split(SrtpProfile(profile), material, is_client=self._role == "client")
                case ("closed",):
                    if self._change(_Trigger.CLOSE):
                        self._events.append(DtlsClosed())
        if not connected or self._state is not DtlsState.HANDSHAKING:
            return
        if not self._peer_is_known:
            self._fail("the peer showed no certificate")
        elif keys is None:
            self._fail("the peer supports none of our SRTP profiles")
        else:
            self._change(_Trigger.CONNECT)
            self._events.append(DtlsConnected(self.protocol_version or "", keys.profile, keys))

    def _check_peer(self, certificate_der: bytes) -> None:
        """RFC 8122 §5.1: of the fingerprints with the strongest hash function that we know, one must match."""
        for algorithm in FINGERPRINT_ALGORITHMS:
            promised = [print_ for print_ in self._expected if print_.algorithm == algorithm]
            if not promised:
                continue
            actual = fingerprint_of(certificate_der, algorithm)
            matches = [hmac.compare_digest(print_.value.upper().encode(), actual.value.encode()) for print_ in promised]
            if any(matches):
                self._peer_is_known = True
            else:
                names = " or ".join(print_.value for print_ in promised)
                self._fail(
                    f"fingerprint mismatch: the description promised {algorithm} {names}, "
                    f"the peer's certificate has {actual.value}"
                )
            return
        offered = ", ".join(sorted({print_.algorithm for print_ in self._expected})) or "none"
        self._fail(f"no usable fingerprint: the description has {offered}, accepted are {FINGERPRINT_ALGORITHMS}")

    def _break(self, reason: str) -> None:
        """The engine gave up. Once connected that ends DTLS but not SRTP, whose keys do not depend on it any more."""
        if self._state is DtlsState.CONNECTED:
            _log.warning("dtls after the handshake: %s; media goes on", reason)
            self._session = None
        else:
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        if self._change(_Trigger.FAIL):
            self._session = None
            self._events.append(DtlsFailed(reason))

    def _change(self, trigger: _Trigger) -> bool:
        """The only place that changes the state; False when the table has no such transition."""
        after = TRANSITIONS.get((self._state, trigger))
        if after is None:
            return False
        _log.debug("dtls %s -> %s", self._state.value, after.value)
        self._state = after
        return True
