"""A client: ICE (by aioice's messages), DTLS, SRTP (libsrtp, by pylibsrtp), a camera with three encodings and a
microphone, and what a receiver does about loss. Everything that a browser would do, as far as a server can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from aioice import stun
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session
from tests.scenario.harness.audio import AudioStream
from tests.scenario.harness.feedback import ArrivalLog
from tests.scenario.harness.network import Link, Network
from tests.scenario.harness.video import Mark, Stream, frame_payloads
from tests.support.answers import ClientSide, answer_to, attribute
from tests.support.clock import EPOCH

from sfu.conference import Meeting, Source
from sfu.conference.events import Event, OfferMade
from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsClosed, DtlsConnected, DtlsHandshake
from sfu.media.shard import Address
from sfu.rtcp.compound import parse_compound, serialize_compound
from sfu.rtcp.feedback import FullIntraRequest, Nack, PictureLossIndication
from sfu.rtcp.report import ReceiverReport
from sfu.rtp.codecs import ExtensionKind
from sfu.rtp.packet import RtpPacket, is_rtcp
from sfu.rtp.rtx import unwrap_rtx, wrap_rtx
from sfu.sdp.formats import EXTENSION_IDS

OPUS, VP8, RTX, H264_RTX = 111, 96, 97, 103
RIDS = ("q", "h", "f")
CHECK_S = 2.5
FRAME_S = 1 / 25
AUDIO_S = 0.02
GIVE_UP_S = 1.0

PROFILES = {
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "AES128_CM_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


@dataclass
class Encoding:
    """An outgoing stream and its retransmissions."""

    ssrc: int
    mid: str
    rid: str = ""
    seq: int = 65_500
    rtx_ssrc: int = 0
    rtx_seq: int = 0
    keyframe_wanted: bool = True
    keyframes: int = 0
    sent: dict[int, RtpPacket] = field(default_factory=dict)


def _policy(key: bytes, direction: int, profile: int) -> Policy:
    """As browsers have it: libwebrtc widens the replay window to 1024 packets."""
    policy = Policy(key, direction, 0, profile)
    policy.window_size = 1024
    policy.allow_repeat_tx = True
    return policy


class Peer:
    """One participant. ``number`` tells peers apart: it is in addresses, SSRCs and frames. ``tells_arrivals``: it sends
    transport-wide feedback, so that the server knows what its network carries.
    """

    def __init__(
        self,
        network: Network,
        meeting: Meeting,
        number: int,
        link: Link | None = None,
        *,
        tells_arrivals: bool = True,
        **answer: Any,
    ) -> None:
        self.network = network
        self.number = number
        self.link = link or Link()
        self.address: Address = (f"198.51.100.{number}", 5000 + number)
        self.certificate = Certificate.generate(EPOCH)
        self.side = ClientSide(f"cli{number:04}", f"client{number:018}", self.certificate.fingerprint().value)
        self.streams: dict[int, Stream] = {}
        self.audio: dict[int, AudioStream] = {}
        self.events: list[Event] = []
        self.connected_at: float | None = None
        self.goodbye = False
        self.recovered = 0
        self.nacked = 0
        self.version = ""
        self._answer = answer
        self._dtls = DtlsHandshake(self.certificate, seed=network.seed * 1_000 + number)
        self._send: Session | None = None
        self._receive: Session | None = None
        self._rtx_of: dict[int, int] = {}
        self._mid_of: dict[int, str] = {}
        self._asked: dict[tuple[int, int], float] = {}
        self._gap_since: dict[tuple[int, int], float] = {}
        self._pli_at: dict[int, float] = {}
        base = number * 1000
        self.camera = [Encoding(base + 10 + i, "1", rid, rtx_ssrc=base + 20 + i) for i, rid in enumerate(RIDS)]
        self.microphone = Encoding(base + 1, "0")
        self.level = 30
        """What its microphone hears (RFC 6464): 0 is the loudest, 127 silence."""
        self.packet_bytes = (120, 240, 360)
        """Of each encoding; a frame has three packets."""
        self._arrivals = ArrivalLog() if tells_arrivals else None
        self.frames = 0
        self.is_filming = self._is_talking = False
        self._film_run = 0
        network.plug(self.address, self.link, self._receive_datagram)
        self.attendee = meeting.join(f"peer {number}")
        self.attendee.attach(self._hear)
        self._answer_offer(self.attendee.offer.version, self.attendee.offer.sdp)
        self._check()
        self._drive_dtls()
        self._care()

    # Signaling

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, OfferMade):
            self.network.clock.call_later(self.link.delay_s, lambda: self._answer_offer(event.version, event.sdp))

    def _answer_offer(self, version: int, sdp: str) -> None:
        self._remote_ufrag, self._remote_pwd = attribute(sdp, "ice-ufrag"), attribute(sdp, "ice-pwd")
        for line in sdp.splitlines():
            if line.startswith("a=mid:"):
                mid = line.removeprefix("a=mid:")
            if line.startswith("a=ssrc:"):
                self._mid_of[int(line.removeprefix("a=ssrc:").split(" ")[0])] = mid
            if line.startswith("a=ssrc-group:FID "):
                ssrc, rtx_ssrc = map(int, line.split(" ")[1:])
                self._rtx_of[rtx_ssrc] = ssrc
        if self._dtls.state.value == "waiting":
            self._dtls.expect((self.network.certificate.fingerprint(),), self.network.clock.now(), role="client")
        self.attendee.answer(version, answer_to(sdp, client=self.side, **self._answer))

    def publish(self, *sources: Source) -> None:
        """Turns sources on, and says so."""
        for source in sources:
            self.attendee.publish(source)
            if source is Source.CAMERA:
                self.is_filming = True
                self._film_run += 1
                self._film(self._film_run)
            if source is Source.MICROPHONE:
                self._is_talking = True
                self._talk()

    # ICE

    def _check(self) -> None:
        request = stun.Message(
            message_method=stun.Method.BINDING,
            message_class=stun.Class.REQUEST,
            transaction_id=self.network.rng.randbytes(12),
        )
        request.attributes["USERNAME"] = f"{self._remote_ufrag}:{self.side.ufrag}"
        request.attributes["PRIORITY"] = 0x7E7F1EFF
        request.attributes["ICE-CONTROLLING"] = self.number
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote_pwd.encode())
        self.network.send(self.address, bytes(request))
        self.network.clock.call_later(CHECK_S if self.connected_at else 0.1, self._check)

    def move(self, address: Address) -> None:
        """The client's network changes: same credentials, new address."""
        self.network.unplug(self.address)
        self.address = address
        self.network.plug(address, self.link, self._receive_datagram)

    def vanish(self) -> None:
        """The machine is gone, without a word."""
        self.network.unplug(self.address)

    # DTLS

    def _drive_dtls(self) -> None:
        self._dtls.handle_timeout(self.network.clock.now())
        self._flush_dtls()
        self.network.clock.call_later(0.05, self._drive_dtls)

    def _flush_dtls(self) -> None:
        while (event := self._dtls.poll_event()) is not None:
            if isinstance(event, DtlsConnected):
                self._secured(event)
            elif isinstance(event, DtlsClosed):
                self.goodbye = True
        while (datagram := self._dtls.poll_transmit()) is not None:
            self.network.send(self.address, datagram)

    def _secured(self, event: DtlsConnected) -> None:
        keys, profile = event.keys, PROFILES[event.profile.value]
        self.version = event.version
        self._send = Session(_policy(keys.send_key + keys.send_salt, Policy.SSRC_ANY_OUTBOUND, profile))
        self._receive = Session(_policy(keys.receive_key + keys.receive_salt, Policy.SSRC_ANY_INBOUND, profile))
        self.connected_at = self.network.clock.now()

    # Sending media

    def _film(self, run: int) -> None:
        if not self.is_filming or run != self._film_run:
            return
        self.network.clock.call_later(FRAME_S, lambda: self._film(run))
        if self._send is None:
            return
        self.frames += 1
        for index, encoding in enumerate(self.camera):
            is_keyframe, encoding.keyframe_wanted = encoding.keyframe_wanted, False
            encoding.keyframes += is_keyframe
            mark = Mark(self.number, index, self.frames)
            payloads = frame_payloads(
                mark,
                is_keyframe=is_keyframe,
                picture_id=self.frames,
                tl0picidx=self.frames,
                size=self.packet_bytes[index],
            )
            for place, payload in enumerate(payloads):
                self._send_packet(encoding, VP8, self.frames * 3600, payload, marker=place == len(payloads) - 1)

    def _talk(self) -> None:
        if not self._is_talking:
            return
        self.network.clock.call_later(AUDIO_S, self._talk)
        if self._send is not None:
            timestamp = round(self.network.clock.now() * 48_000)
            self._send_packet(self.microphone, OPUS, timestamp, b"\x78" + self.number.to_bytes(2) + bytes(60))

    def stop(self) -> None:
        """Camera and microphone off."""
        self.is_filming = self._is_talking = False

    def stop_filming(self) -> None:
        """Camera off."""
        self.is_filming = False

    def _send_packet(
        self, encoding: Encoding, pt: int, timestamp: int, payload: bytes, *, marker: bool = False
    ) -> None:
        encoding.seq = encoding.seq + 1 & 0xFFFF
        extensions = [(EXTENSION_IDS[ExtensionKind.MID], encoding.mid.encode())]
        if encoding.rid:
            extensions.append((EXTENSION_IDS[ExtensionKind.RID], encoding.rid.encode()))
        if pt == OPUS:
            extensions.append((EXTENSION_IDS[ExtensionKind.AUDIO_LEVEL], bytes([0x80 | self.level])))
        packet = RtpPacket(
            pt=pt,
            seq=encoding.seq,
            timestamp=timestamp & 0xFFFFFFFF,
            ssrc=encoding.ssrc,
            marker=marker,
            extensions=tuple(extensions),
            payload=payload,
        )
        encoding.sent[packet.seq] = packet
        self._protect_and_send(packet)

    def _protect_and_send(self, packet: RtpPacket) -> None:
        assert self._send is not None
        self.network.send(self.address, self._send.protect(bytes(packet)))

    def _retransmit(self, encoding: Encoding, seq: int) -> None:
        packet = encoding.sent.get(seq)
        if packet is None or not encoding.rtx_ssrc:
            return
        encoding.rtx_seq = encoding.rtx_seq + 1 & 0xFFFF
        self.nacked += 1
        rid = (EXTENSION_IDS[ExtensionKind.REPAIRED_RID], encoding.rid.encode())
        again = wrap_rtx(packet, pt=RTX, ssrc=encoding.rtx_ssrc, seq=encoding.rtx_seq)
        extensions = (*(item for item in again.extensions if item[0] != EXTENSION_IDS[ExtensionKind.RID]), rid)
        self._protect_and_send(
            RtpPacket(
                again.pt,
                again.seq,
                again.timestamp,
                again.ssrc,
                again.marker,
                extensions=extensions,
                payload=again.payload,
            )
        )

    # Receiving

    def _receive_datagram(self, datagram: bytes) -> None:
        first = datagram[0]
        if 20 <= first <= 63:
            self._dtls.handle_datagram(datagram, self.network.clock.now())
            self._flush_dtls()
        elif first >= 128 and self._receive is not None:
            try:
                if is_rtcp(datagram):
                    self._receive_rtcp(self._receive.unprotect_rtcp(datagram))
                else:
                    self._receive_rtp(RtpPacket.parse(self._receive.unprotect(datagram)))
            except SrtpError as error:
                raise AssertionError(f"the server sent what libsrtp refuses: {error}") from error

    def _receive_rtp(self, packet: RtpPacket) -> None:
        extensions = dict(packet.extensions)
        mid = extensions.get(EXTENSION_IDS[ExtensionKind.MID])
        assert mid is not None
        number = extensions.get(EXTENSION_IDS[ExtensionKind.TRANSPORT_CC])
        if number is not None and self._arrivals is not None:
            self._arrivals.add(int.from_bytes(number), self.network.clock.now())
        assert mid.decode() == self._mid_of[packet.ssrc], "the m-line that the offer gave this SSRC"
        if packet.pt == OPUS:
            self.audio.setdefault(packet.ssrc, AudioStream()).add(packet)
            return
        if packet.pt in {RTX, H264_RTX} and not packet.payload:
            return  # a probe made of padding
        if packet.pt == RTX:
            self.recovered += 1
            packet = unwrap_rtx(packet, pt=VP8, ssrc=self._rtx_of[packet.ssrc])
        assert packet.pt == VP8, f"payload type {packet.pt} was not negotiated"
        self.streams.setdefault(packet.ssrc, Stream()).add(packet, self.network.clock.now())

    def _receive_rtcp(self, compound: bytes) -> None:
        for packet in parse_compound(compound):
            match packet:
                case Nack(media_ssrc=ssrc, lost=lost):
                    for encoding in self.camera:
                        if encoding.ssrc == ssrc:
                            for seq in lost:
                                self._retransmit(encoding, seq)
                case PictureLossIndication(media_ssrc=ssrc):
                    self._want_keyframe(ssrc)
                case FullIntraRequest(requests=requests):
                    for ssrc, _ in requests:
                        self._want_keyframe(ssrc)

    def _want_keyframe(self, ssrc: int) -> None:
        for encoding in self.camera:
            if encoding.ssrc == ssrc:
                encoding.keyframe_wanted = True

    def _care(self) -> None:
        """Every 20 ms: asks again for what is missing, gives up after a second, asks for keyframes."""
        self.network.clock.call_later(0.02, self._care)
        if self._send is None:
            return
        now = self.network.clock.now()
        report = self._arrivals.report(now) if self._arrivals is not None else None
        packets: list[Any] = [report] if report is not None else []
        for ssrc, stream in self.streams.items():
            missing = stream.missing()
            while missing and now - self._gap_since.setdefault((ssrc, missing[0]), now) > GIVE_UP_S:
                stream.give_up(now)
                missing = stream.missing()
            for number in missing:
                self._gap_since.setdefault((ssrc, number), now)
            due = [number for number in missing if now - self._asked.get((ssrc, number), 0) > 0.1][:100]
            self._asked.update({(ssrc, number): now for number in due})
            if due:
                packets.append(Nack(1, ssrc, tuple(number & 0xFFFF for number in due)))
            if stream.wants_keyframe and now - self._pli_at.get(ssrc, 0) > 0.5:
                self._pli_at[ssrc] = now
                packets.append(PictureLossIndication(1, ssrc))
        if packets:
            compound = serialize_compound([ReceiverReport(1), *packets])
            self.network.send(self.address, self._send.protect_rtcp(compound))

    # What a test asks

    def seen(self, sender: Peer) -> list[Mark]:
        """Frames of ``sender`` that could be shown, on whatever stream, in order."""
        return [mark for stream in self.streams.values() for mark in stream.shown if mark.sender == sender.number]

    def heard(self, sender: Peer) -> int:
        """Audio packets of ``sender``."""
        return sum(stream.count(sender.number) for stream in self.audio.values())

    def longest_freeze_s(self, sender: Peer, since: float) -> float:
        """The longest time between two frames of ``sender`` that could be shown, after ``since``."""
        times = sorted(
            at
            for stream in self.streams.values()
            for mark, at in zip(stream.shown, stream.shown_at, strict=True)
            if mark.sender == sender.number and at >= since
        )
        return max((later - earlier for earlier, later in pairwise(times)), default=float("inf"))

    @property
    def state(self) -> str:
        return self.attendee.transport.state.value
