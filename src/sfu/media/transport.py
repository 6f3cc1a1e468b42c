"""A transport: one ICE + DTLS association with one client, and the producers and consumers on it.

Its way: made with credentials that the shard answers checks for; ``connect`` when the remote description is
known; DTLS by events; keys to the shard; closed by its owner, the remote, a failed handshake, or the end of
ICE consent (RFC 7675). States in ``states.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sfu.dtls.session import DtlsConnected
from sfu.errors import RemoteError, StateError
from sfu.ice.session import IceCredentials, IceSession, IceState
from sfu.ids import ConsumerId, ProducerId, TransportId
from sfu.media.consumer import Consumer
from sfu.media.handshake import Handshake, HandshakeCallbacks
from sfu.media.producer import Producer
from sfu.media.shard import Address, native_rtp_map
from sfu.media.states import TransportInput, TransportState, next_state
from sfu.media.timers import Timer
from sfu.rtp.codecs import EncodingParameters, Kind, LocalTransportParameters, RemoteTransportParameters, RtpMap

if TYPE_CHECKING:
    from sfu.media.router import Router

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 30.0
"""From ``connect`` to keys: checks, and a handshake that may lose several flights (1 + 2 + 4 + 8 s)."""

SILENT_AFTER_US = 12_000_000
"""Without a valid check for so long a transport counts as disconnected: RFC 7675 §5.1 has one at least every
6 s (5 s and 20 % of jitter), so two are missing."""

StateCallback = Callable[["Transport", TransportState, str], None]


class Transport:
    """Made by ``Router.create_transport``. All calls on the thread of the control plane; none blocks."""

    def __init__(self, router: Router) -> None:
        link = router.link
        self.id = TransportId(link.handles.transport.allocate())
        self.router = router
        self.link = link
        self.state = TransportState.NEW
        self.close_reason = ""
        self.remote: RemoteTransportParameters | None = None
        self.dtls_version: str | None = None
        self.srtp_profile: str | None = None
        self.send_rtp = RtpMap()
        """What the remote side can receive."""
        self.estimate_bps: int | None = None
        """What its network carries; None until the remote has sent feedback."""
        self.congested = False
        self.producers: dict[ProducerId, Producer] = {}
        self.consumers: dict[ConsumerId, Consumer] = {}
        self.on_state: StateCallback | None = None
        """Called after each change, once with CLOSED; the text says why (may be empty)."""
        self.on_bandwidth: Callable[[Transport], None] | None = None
        """``estimate_bps`` changed."""
        self._ice = IceSession(name=f"transport {self.id}")
        self._ssrcs: set[int] = set()
        self._deadline: Timer | None = None
        callbacks = HandshakeCallbacks(self._send_dtls, self._secured, self._dtls_failed, self._dtls_ended)
        self._handshake = Handshake(link.certificate, link.timers, callbacks, link.handshake_seed(self.id))
        link.transports[self.id] = self
        router.transports[self.id] = self
        link.port.add_transport(self.id, router.id, self._ice.local.ufrag, self._ice.local.pwd)
        if link.on_transport_added is not None:
            link.on_transport_added()

    @property
    def remote_address(self) -> Address | None:
        """Where the client is; None before the first nomination."""
        return self._ice.remote_address

    @property
    def is_secured(self) -> bool:
        """Whether the shard has keys, so that media can be sent."""
        return self.srtp_profile is not None

    # Negotiation

    @property
    def local(self) -> LocalTransportParameters:
        """What our description says of this transport; changes with ``restart_ice``."""
        return LocalTransportParameters(
            ufrag=self._ice.local.ufrag,
            pwd=self._ice.local.pwd,
            fingerprints=(self.link.certificate.fingerprint(),),
            candidates=self.link.candidates,
        )

    def connect(self, remote: RemoteTransportParameters) -> None:
        """Starts with what the remote description says. Raises ``StateError`` when not in state NEW."""
        if self.state is not TransportState.NEW:
            raise StateError(f"transport {self.id} is {self.state}, not new")
        if not remote.fingerprints:
            raise RemoteError("bad_sdp", "the description has no certificate fingerprint", status=400)
        self._know(remote)
        self._move(TransportInput.CONNECT)
        self.link.timers.soon(self._begin)

    def restart_ice(self) -> LocalTransportParameters:
        """New credentials, accepted beside the old ones until the remote uses them; media goes on."""
        self._require_open()
        credentials = self._ice.restart()
        self.link.port.restart_ice(self.id, credentials.ufrag, credentials.pwd)
        return self.local

    def update_remote(self, remote: RemoteTransportParameters) -> None:
        """The answer to a restart: new credentials, the same DTLS association.

        Raises ``RemoteError`` when the certificate changed, which would need a new transport.
        """
        self._require_open()
        if self.remote is None:
            raise StateError(f"transport {self.id} has not been connected")
        if set(remote.fingerprints).isdisjoint(self.remote.fingerprints):
            raise RemoteError(
                "unsupported_media",
                "the certificate fingerprint changed within one transport",
                "join again",
                status=422,
            )
        self._know(remote)

    def _know(self, remote: RemoteTransportParameters) -> None:
        self.remote = remote
        self._ice.set_remote(IceCredentials(remote.ufrag, remote.pwd))

    def set_rtp(self, receive: RtpMap, send: RtpMap, rtcp_reduced_size: bool) -> None:
        """What was negotiated, directions as seen from here. May be repeated after a new offer."""
        self._require_open()
        self.send_rtp = send
        self.link.port.set_rtp(self.id, native_rtp_map(receive), native_rtp_map(send), rtcp_reduced_size)

    def set_bandwidth(self, *, min_bps: int, start_bps: int, max_bps: int) -> None:
        """Bounds of the estimate of what the client's network carries, and where it begins."""
        self._require_open()
        self.link.port.set_bandwidth(self.id, min_bps, start_bps, max_bps)

    def set_desired_bitrate(self, bps: int) -> None:
        """What would be sent if the network carried it; the shard probes for so much. 0: for nothing."""
        self._require_open()
        self.link.port.set_desired_bitrate(self.id, bps)

    # What hangs from it

    def produce(self, kind: Kind, mid: str, encodings: Sequence[EncodingParameters]) -> Producer:
        """A source that the remote sends on m-line ``mid``; encodings lowest quality first."""
        self._require_open()
        producer = Producer(self, kind, mid, encodings)
        self.producers[producer.id] = producer
        self._ssrcs.update(ssrc for item in encodings for ssrc in (item.ssrc, item.rtx_ssrc) if ssrc is not None)
        return producer

    def allocate_egress(self, kind: Kind) -> tuple[int, int | None]:
        """Fresh SSRCs for an egress m-line: of the stream, and of its retransmissions (video only)."""
        return self._fresh_ssrc(), self._fresh_ssrc() if kind is Kind.VIDEO else None

    def _fresh_ssrc(self) -> int:
        while (ssrc := self.link.rng.randrange(1, 2**32)) in self._ssrcs:
            pass
        self._ssrcs.add(ssrc)
        return ssrc

    def consume(self, kind: Kind, mid: str, ssrc: int, rtx_ssrc: int | None, cname: str) -> Consumer:
        """An outgoing stream on m-line ``mid``, fed by nothing yet."""
        self._require_open()
        consumer = Consumer(self, kind, mid, ssrc=ssrc, rtx_ssrc=rtx_ssrc, cname=cname)
        self.consumers[consumer.id] = consumer
        return consumer

    # Events of the shard, by ``Engine``

    def handle_dtls(self, datagram: bytes, now: float) -> None:
        """A DTLS datagram from an address that passed a check."""
        self._handshake.handle_datagram(datagram, now)

    def ice_selected(self, address: Address, *, restarted: bool, now: float) -> None:
        """The first nomination, or the client moved."""
        how = "restarted" if restarted else "selected"
        log.debug("transport %d address %s -> %s (%s)", self.id, self.remote_address, address, how)
        self._ice.select(address)
        self._start_handshake(now)

    def consent_expired(self) -> None:
        """The remote has sent no valid check for 30 s (RFC 7675 §5.1): it is gone."""
        self._ice.expire_consent()
        self._fail("consent", "ICE consent expired: no connectivity check for 30 s")

    def bandwidth_changed(self, estimate_bps: int, *, congested: bool) -> None:
        """The shard estimates anew what the network carries."""
        self.estimate_bps, self.congested = estimate_bps, congested
        if self.on_bandwidth is not None:
            self.on_bandwidth(self)

    def changes_by(self, age_us: int) -> bool:
        """Whether ``review`` is worth a call: hardly ever, so everybody's second costs this alone."""
        return (age_us > SILENT_AFTER_US) is (self.state is TransportState.CONNECTED)

    def review(self, age_us: int) -> None:
        """Told how long ago the client's last valid check was."""
        silent = age_us > SILENT_AFTER_US
        detail = f"no connectivity check for {age_us / 1e6:.0f} s" if silent else ""
        self._move(TransportInput.SILENT if silent else TransportInput.HEARD, detail)

    def _begin(self, now: float) -> None:
        if self.state is TransportState.CONNECTING:
            self._deadline = self.link.timers.at(now + HANDSHAKE_TIMEOUT_S, self._too_late)
            self._start_handshake(now)

    def _start_handshake(self, now: float) -> None:
        """As client we speak first, so an address must be known; as server we answer."""
        if self.remote is None or self.state is not TransportState.CONNECTING or self._handshake.started:
            return
        if self.remote.dtls_role == "server":
            self._handshake.start("server", self.remote.fingerprints, now)
        elif self.remote_address is not None:
            self._handshake.start("client", self.remote.fingerprints, now)

    def _too_late(self, _now: float) -> None:
        if self.state is not TransportState.CONNECTING:
            return
        if self.remote_address is None:
            self._fail("ice", f"no ICE connectivity check arrived within {HANDSHAKE_TIMEOUT_S:.0f} s")
        else:
            self._fail("dtls", f"the DTLS handshake did not finish within {HANDSHAKE_TIMEOUT_S:.0f} s")

    # Reports of the handshake

    def _send_dtls(self, datagram: bytes) -> None:
        # RFC 7675 §5.1: nothing is sent without consent, a goodbye neither.
        if self._ice.state is not IceState.DISCONNECTED:
            self.link.port.send_dtls(self.id, datagram)

    def _secured(self, secured: DtlsConnected) -> None:
        keys = secured.keys
        self.dtls_version = secured.version
        self.srtp_profile = secured.profile.value
        if self._deadline is not None:
            self._deadline.cancel()
        self.link.port.set_srtp_keys(
            self.id, self.srtp_profile, keys.send_key, keys.send_salt, keys.receive_key, keys.receive_salt
        )
        for consumer in self.consumers.values():
            consumer.start()
        self._move(TransportInput.SECURED, f"{secured.version}, {self.srtp_profile}")

    def _dtls_failed(self, reason: str) -> None:
        self._fail("dtls", f"DTLS: {reason}")

    def _dtls_ended(self) -> None:
        self.close("closed by the remote side")

    # State

    def _fail(self, kind: str, reason: str) -> None:
        self.link.failures[kind] += 1
        self.close(reason)

    def _move(self, event: TransportInput, detail: str = "") -> bool:
        """The only place that changes the state. False when ``event`` changes nothing."""
        before, self.state = self.state, next_state(self.state, event)
        if self.state is before:
            return False
        log.info("transport %d - %s -> %s%s", self.id, before, self.state, f": {detail}" if detail else "")
        if self.state is not TransportState.CLOSED:
            self._notify(detail)
        return True

    def _notify(self, detail: str) -> None:
        if self.on_state is not None:
            self.on_state(self, self.state, detail)

    def _require_open(self) -> None:
        if self.state is TransportState.CLOSED:
            raise StateError(f"transport {self.id} is closed: {self.close_reason}")

    def close(self, reason: str = "") -> None:
        """Ends consumers, producers, DTLS and itself, then tells the owner. Idempotent."""
        if not self._move(TransportInput.CLOSE, reason):
            return
        self.close_reason = reason
        for consumer in list(self.consumers.values()):
            consumer.detach()
        for producer in list(self.producers.values()):
            producer.detach()
        if self._deadline is not None:
            self._deadline.cancel()
        self._handshake.close()
        self._ice.close()
        self.router.transports.pop(self.id, None)
        self.link.transports.pop(self.id, None)
        self.link.port.remove_transport(self.id)
        self._notify(reason)

    def stats(self) -> Mapping[str, Any]:
        """Counters of at most a second ago (names: ``TransportStats`` in stats.rs); {} before any."""
        found: Mapping[str, Any] = self.link.latest.get("transports", {}).get(self.id, {})
        return found

    def debug_state(self) -> dict[str, Any]:
        """What this side knows of it and of what hangs from it, for people. No secrets."""
        return {
            "id": self.id,
            "state": self.state.value,
            "close_reason": self.close_reason,
            "remote_address": self.remote_address,
            "dtls_version": self.dtls_version,
            "srtp_profile": self.srtp_profile,
            "dtls_datagrams_dropped": self._handshake.dropped,
            "producers": [producer.debug_state() for producer in self.producers.values()],
            "consumers": [consumer.debug_state() for consumer in self.consumers.values()],
        }
