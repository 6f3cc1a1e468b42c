"""Puts a scenario on: the real conference and engine on a simulated shard, clients that answer its offers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sfu._native import NetSim, lte_trace
from sfu.bench.network.clock import VirtualClock
from sfu.bench.network.scenario import Person, Scalability, Scenario
from sfu.bench.network.sdp import ClientSide, answer, attribute, receiving
from sfu.conference import Conference, ConferenceOptions
from sfu.conference.attendee import Attendee
from sfu.conference.events import EncodingsChanged, Event, OfferMade, QualityChanged
from sfu.conference.reception import Tile
from sfu.conference.track import Source
from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsConnected, DtlsHandshake
from sfu.media.engine import Engine, EngineOptions
from sfu.media.shard import Address
from sfu.rtp.codecs import CodecName, ExtensionKind
from sfu.sdp.formats import EXTENSION_IDS, OFFERED

SERVER: Address = ("192.0.2.1", 40_000)
MICROPHONE, CAMERA = "0", "1"
NUMBERS = {
    "opus": 111,
    "mid": EXTENSION_IDS[ExtensionKind.MID],
    "rid": EXTENSION_IDS[ExtensionKind.RID],
    "repaired_rid": EXTENSION_IDS[ExtensionKind.REPAIRED_RID],
    "transport_cc": EXTENSION_IDS[ExtensionKind.TRANSPORT_CC],
    "audio_level": EXTENSION_IDS[ExtensionKind.AUDIO_LEVEL],
    "dependency_descriptor": EXTENSION_IDS[ExtensionKind.DEPENDENCY_DESCRIPTOR],
}
_PT_OF = {
    codec: next(known.pt for known in OFFERED if known.codec.name is codec)
    for codec in (CodecName.VP8, CodecName.VP9, CodecName.AV1)
}
_CODEC_OF = {None: CodecName.VP8, "vp9": CodecName.VP9, "vp9_key": CodecName.VP9, "av1": CodecName.AV1}


def _numbers(scalability: Scalability | None) -> dict[str, int]:
    pt = _PT_OF[_CODEC_OF[scalability]]
    return {**NUMBERS, "video": pt, "video_rtx": pt + 1}


VIEWER_UPLINK_BPS = 1_000_000
"""What a watcher sends itself decides how often libwebrtc sends feedback: every 50 ms from 218 kbit/s on."""

_NTP_OFFSET_US = 1_790_000_000_000_000
_MAX_ROUNDS = 200
_CERTIFICATES: list[Certificate] = []


def lte_rates(
    seed: int, length_s: float, *, between_outages_s: float, outage_s: float, median_bps: int = 3_000_000
) -> tuple[tuple[float, int], ...]:
    """A mobile network's rates as ``Link`` takes them."""
    trace = lte_trace(
        seed,
        round(length_s * 1e6),
        median_bps=median_bps,
        spread=0.4,
        memory_s=3.0,
        between_outages_s=between_outages_s,
        outage_s=outage_s,
    )
    return tuple((at / 1e6, bps) for at, bps in trace)


class SimPort:
    """A ``NetSim`` as the ``ShardPort`` that the engine wants."""

    event_fd = -1

    def __init__(self, sim: NetSim) -> None:
        self._sim = sim
        self.local_addresses = [SERVER]

    def close(self) -> None:
        """There is nothing to stop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sim, name)


@dataclass(slots=True)
class Notice:
    """A slot's picture changed its state, as the client was told."""

    at_s: float
    person: int
    mid: str
    state: str
    reason: str


@dataclass(slots=True)
class _Seat:
    """One client: its number in the simulation, its handshake, what it expects."""

    client: int
    index: int
    person: Person
    attendee: Attendee
    dtls: DtlsHandshake
    ssrc_of: dict[str, int] = field(default_factory=dict)
    video: int | None = None
    is_secured: bool = False


class Stage:
    """``run`` plays the scenario once. SimulationError: the clients could not be connected."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.clock = VirtualClock()
        self.sim = NetSim(seed=seed, ntp_offset_us=_NTP_OFFSET_US)
        self.notices: list[Notice] = []
        self._seats: dict[int, _Seat] = {}
        if not _CERTIFICATES:
            _CERTIFICATES.extend(Certificate.generate(self.clock.wall()) for _ in range(2))
        self._certificate, self._client_certificate = _CERTIFICATES
        options = EngineOptions(certificate=self._certificate, seed=seed)
        self.engine = Engine(options, shard_factory=self._shard)
        self.conference = Conference(self.engine, self.clock, ConferenceOptions(adaptive=True))
        self.meeting = asyncio.run(self.conference.create_meeting())
        for index, link in enumerate(scenario.downlinks):
            flows = [
                (flow.algorithm, round(flow.start_s * 1e6), round(flow.stop_s * 1e6), round(flow.return_delay_ms * 1e3))
                for flow in scenario.downloads
                if flow.downlink == index
            ]
            self.sim.add_downlink(link.native(), flows)

    def _shard(self, _index: int, _listen: Sequence[Address], _options: EngineOptions) -> Any:
        return SimPort(self.sim)

    def run(self) -> None:
        """From the beginning to the end."""
        for index, person in enumerate(self.scenario.people):
            self.clock.call_later(person.joins_s, lambda index=index, person=person: self._join(index, person))  # type: ignore[misc]
        stalls = sorted(self.scenario.stalls)
        while stalls:
            begin_s, end_s = stalls.pop(0)
            self._run_until(begin_s)
            self.sim.run_until(round(end_s * 1e6), stop_at_events=False)
        self._run_until(self.scenario.length_s)
        self.sim.finish()

    def close(self) -> None:
        """Ends the meeting."""
        self.conference.close()
        self.engine.close()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.sim.now_us / 1e6

    def client_of(self, person: int) -> int:
        """The number of a person's client in the simulation."""
        return self._seats[person].client

    def _run_until(self, end_s: float) -> None:
        self._control()
        while self.now_s < end_s:
            timers = (self.clock.next_timer(), self.engine.poll_timeout())
            due = min((at - self.clock.START_S for at in timers if at is not None), default=end_s)
            # A whole microsecond after the timer: never before it by rounding.
            self.sim.run_until(max(self.sim.now_us, min(round(end_s * 1e6), int(due * 1e6) + 1)))
            self._control()

    def _control(self) -> None:
        """The control plane's turn: events, timers, handshakes."""
        now = self.clock.START_S + self.sim.now_us / 1e6
        for _ in range(_MAX_ROUNDS):
            self.clock.move_to(now)
            self.engine.handle_events(now)
            when = self.engine.poll_timeout()
            if when is not None and when <= now:
                self.engine.handle_timeout(now)
            if not self._carry_handshakes(now) and (self.clock.next_timer() or now + 1) > now:
                return
        raise SimulationError("the control plane does not come to rest")

    # Clients

    def _join(self, index: int, person: Person) -> None:
        attendee = self.meeting.join(f"person {index}")
        uplink_bps = None if person.camera else VIEWER_UPLINK_BPS
        if person.camera:
            uplink_bps = sum(encoding.bps for encoding in person.camera)
        client = self.sim.add_client(
            (f"198.51.100.{index + 1}", 50_000), person.uplink.native(), person.downlink, uplink_bps=uplink_bps
        )
        seat = _Seat(client, index, person, attendee, DtlsHandshake(self._client_certificate))
        self._seats[index] = seat
        attendee.attach(lambda event: self._hear(seat, event))
        self._answer(seat, attendee.offer.version, attendee.offer.sdp)
        self.sim.connect(client, attribute(attendee.offer.sdp, "ice-ufrag"), attribute(attendee.offer.sdp, "ice-pwd"))
        seat.dtls.expect((self._certificate.fingerprint(),), self.clock.now(), role="client")
        if person.microphone:
            attendee.publish(Source.MICROPHONE)
        if person.camera:
            attendee.publish(Source.CAMERA)
        attendee.request_slots(8 if person.tile else 0)

    def _answer(self, seat: _Seat, version: int, sdp: str) -> None:
        side = ClientSide(
            f"net{seat.index:04}", f"netsim{seat.index:018}", self._client_certificate.fingerprint().value
        )
        sending = [MICROPHONE] * seat.person.microphone + [CAMERA] * bool(seat.person.camera)
        lines = [line for line in receiving(sdp) if line.mid not in seat.ssrc_of]
        seat.ssrc_of.update({line.mid: line.ssrc for line in lines})
        streams = [(line.ssrc, line.rtx_ssrc) for line in lines]
        self.sim.expect(seat.client, streams, NUMBERS["transport_cc"])
        simulcast = seat.person.scalability is None
        seat.attendee.answer(version, answer(sdp, side, sending, simulcast=simulcast))

    def _hear(self, seat: _Seat, event: Event) -> None:
        match event:
            case OfferMade(version=version, sdp=sdp):
                self.clock.call_later(0.0, lambda: self._answer(seat, version, sdp))
            case QualityChanged(slots=slots):
                for view in slots:
                    self.notices.append(Notice(self.now_s, seat.index, view.mid, view.state, view.reason))
                    self.sim.announce(seat.client, seat.ssrc_of[view.mid], view.state == "paused")
            case EncodingsChanged(active=active) if seat.video is not None:
                rids = [encoding.rid for encoding in seat.person.camera] if seat.person.scalability is None else [""]
                for place, rid in enumerate(rids):
                    self.sim.set_encoding_active(seat.client, seat.video, place, active.get(rid, True))
            case _:
                pass

    def _carry_handshakes(self, now: float) -> bool:
        """True when a datagram was carried, in either direction."""
        moved = False
        by_client = {seat.client: seat for seat in self._seats.values()}
        while (told := self.sim.poll_handshake()) is not None:
            client, datagram = told
            by_client[client].dtls.handle_datagram(datagram, now)
            moved = True
        for seat in by_client.values():
            if seat.is_secured:
                continue
            while (event := seat.dtls.poll_event()) is not None:
                if isinstance(event, DtlsConnected):
                    self._secured(seat, event)
            moved = self._flush(seat) or moved
        return moved

    def _flush(self, seat: _Seat) -> bool:
        moved = False
        while (datagram := seat.dtls.poll_transmit()) is not None:
            self.sim.inject(seat.client, datagram)
            moved = True
        return moved

    def _secured(self, seat: _Seat, event: DtlsConnected) -> None:
        keys, person = event.keys, seat.person
        profile = event.profile.value
        self.sim.set_client_keys(
            seat.client, profile, keys.receive_key, keys.receive_salt, keys.send_key, keys.send_salt
        )
        self._flush(seat)
        seat.is_secured = True
        base = 10_000 + 100 * seat.index
        if person.microphone:
            self.sim.publish_audio(seat.client, MICROPHONE, _numbers(None), base)
        if person.camera:
            seat.video = self._publish_video(seat.client, person, base + 1)
        if person.tile is not None:
            width, height = person.tile
            video = [place.mid for place in seat.attendee.slots.places if seat.attendee.slots.find(place.mid)]
            tiles = {mid: Tile(width, height) for mid in video if self._is_video(seat, mid)}
            seat.attendee.show(tiles, hidden=False)

    def _publish_video(self, client: int, person: Person, ssrc: int) -> int:
        numbers = _numbers(person.scalability)
        if person.scalability is not None:
            layers = [(it.width, it.height, it.bps) for it in person.camera]
            return self.sim.publish_scalable(
                client, CAMERA, numbers, person.scalability, (ssrc, ssrc + 1), layers, person.frame_rate
            )
        encodings = [
            (
                it.rid,
                ssrc + 2 * n,
                ssrc + 1 + 2 * n,
                it.width,
                it.height,
                it.bps,
                person.frame_rate,
                person.temporal_layers,
            )
            for n, it in enumerate(person.camera)
        ]
        return self.sim.publish_video(client, CAMERA, numbers, encodings)

    @staticmethod
    def _is_video(seat: _Seat, mid: str) -> bool:
        return any(slot.mid == mid for slot in seat.attendee.slots.video)


class SimulationError(Exception):
    """The simulation cannot go on. The text is for people."""
