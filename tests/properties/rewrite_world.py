"""A simulated shard with two publishers and a subscriber, in virtual time, and everything that may happen to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tests.properties.rewrite_model import Wanted
from tests.properties.rewrite_sources import (
    AUDIO_LEVEL,
    MARK,
    MID,
    PACKETS_IN_FRAME,
    PROFILE,
    PWD,
    REPAIRED_RID,
    RID,
    UFRAG,
    End,
    Sent,
    Source,
)

from sfu._native import SimShard
from sfu.rtcp.compound import parse_compound
from sfu.rtcp.feedback import Nack, PictureLossIndication
from sfu.rtcp.report import ReceiverReport, SenderReport
from sfu.rtp.packet import RtpPacket, is_rtcp
from sfu.rtp.rtx import unwrap_rtx
from sfu.rtp.seq import Unwrapper, signed_distance

Fate = Literal["arrives", "twice", "held", "lost"]

VIDEO, AUDIO = 7, 8
VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC = 70, 71, 80
OUT_MID, OUT_TRANSPORT_CC, OUT_AUDIO_LEVEL = 6, 7, 8
"""Extension ids that the subscriber negotiated: others than the publishers."""
FRAME_US, CHECK_US = 10_000, 2_000_000
PUBLISHED_PTS = {1: (96, 97), 2: (100, 101)}
OUT_PTS = {1: 110, 2: 112}
"""By video producer: the second one's codec is another variant."""
MIDS = {VIDEO_SSRC: b"slot-v", RTX_SSRC: b"slot-v", AUDIO_SSRC: b"slot-a"}
NTP_ERA = 3_900_000_000
MAX_NEW_SSRCS = 2
"""Restarts under new SSRCs in one run: a server does not learn any number of them."""

MAX_UNSEEN = 1_000


@dataclass
class Slot:
    """What came under one outgoing sequence number."""

    packet: RtpPacket
    sent: Sent | None
    """None: padding."""
    interruptions: int
    """How often the consumer had been interrupted when it came."""

    @property
    def picture_id(self) -> int:
        return int.from_bytes(self.packet.payload[2:4]) & 0x7FFF

    @property
    def tl0picidx(self) -> int:
        return self.packet.payload[4]


@dataclass
class Incoming:
    """A stream of the subscriber: by extended sequence number, and by what was repaired."""

    slots: dict[int, Slot] = field(default_factory=dict)
    repairs: dict[int, RtpPacket] = field(default_factory=dict)
    in_time: list[Sent] = field(default_factory=list)
    """First transmissions in the order in which they came."""
    unwrapper: Unwrapper = field(default_factory=Unwrapper)


class World:
    """Producers 1 and 3 (simulcast, Opus) are of transport 1, 2 and 4 of transport 2; the subscriber is 3."""

    def __init__(self) -> None:
        self.shard = SimShard(seed=5)
        self.now_us = 1_000_000
        self.ends = {number: End(number) for number in (1, 2, 3)}
        self.sents: list[Sent] = []
        self.faults: list[tuple[Sent, bytes, bool]] = []
        """What is on its way (False) or lost (True)."""
        self.commands = 0
        self.is_calm = True
        """Nothing went wrong upstream so far."""
        self.new_ssrcs = 0
        self.keyframes_wanted: set[int] = set()
        self.video, self.audio = Incoming(), Incoming()
        self.wanted_video, self.wanted_audio = Wanted(is_simulcast=True), Wanted(False, starts_anywhere=True)
        self.sources = {
            1: [Source(f"A{n}", 1, n, 1000 + 2 * n, 96, 97, "v", "qhf"[n], 90_000, 65_400, 77 << n) for n in range(3)],
            2: [Source("B", 2, 0, 2000, 100, 101, "v", "", 90_000, 30_000, 0xFFFF_0000, 32_760, 250)],
            3: [Source("a", 3, 0, 3000, 111, None, "a", "", 48_000, 65_500, 5)],
            4: [Source("b", 4, 0, 4000, 111, None, "a", "", 48_000, 9, 1 << 31)],
        }
        self._transport_cc: int | None = None
        self._checked_us = 0
        self._set_up()

    def _set_up(self) -> None:
        shard = self.shard
        shard.add_router(1)
        for number, end in self.ends.items():
            shard.add_transport(number, 1, UFRAG.format(number), PWD.format(number))
            shard.set_srtp_keys(number, PROFILE, *end.to_client, *end.to_server)
        ids = [(MID, "mid"), (RID, "rid"), (REPAIRED_RID, "repaired_rid"), (AUDIO_LEVEL, "audio_level")]
        for number in (1, 2):
            pt, rtx_pt = PUBLISHED_PTS[number]
            pts = [(pt, ("vp8", number - 1), 90_000, rtx_pt), (111, ("opus", 0), 48_000, None)]
            shard.set_rtp(number, (pts, ids), ([], []), True)
            shard.add_producer(number + 2, number, "audio", "a", [(None, None, None)])
        shard.add_producer(1, 1, "video", "v", [(rid, None, None) for rid in "qhf"])
        shard.add_producer(2, 2, "video", "v", [(None, None, None)])
        pts = [(OUT_PTS[number], ("vp8", number - 1), 90_000, OUT_PTS[number] + 1) for number in (1, 2)]
        ids = [(OUT_MID, "mid"), (OUT_TRANSPORT_CC, "transport_cc"), (OUT_AUDIO_LEVEL, "audio_level")]
        shard.set_rtp(3, ([], []), ([*pts, (63, ("opus", 0), 48_000, None)], ids), True)
        shard.add_consumer(VIDEO, 3, "video", "slot-v", VIDEO_SSRC, RTX_SSRC, "cname")
        shard.add_consumer(AUDIO, 3, "audio", "slot-a", AUDIO_SSRC, None, "cname")
        self.pass_time(0)

    # What publishers do

    def frame(
        self, producer: int, keys: int, *, is_sync: bool, fates: dict[int, Fate], is_reversed: bool, is_single: bool
    ) -> None:
        """A frame of every encoding; ``keys`` has a bit for each that is a keyframe."""
        self.pass_time(FRAME_US)
        made: list[Sent] = []
        for source in self.sources[producer]:
            is_keyframe = bool(keys >> source.encoding & 1) or source.ssrc in self.keyframes_wanted
            self.keyframes_wanted.discard(source.ssrc)
            frame = source.make_frame(len(self.sents), self.now_us, is_keyframe=is_keyframe, is_sync=is_sync)
            self.sents += frame
            made += frame
        assert len(made) == PACKETS_IN_FRAME * len(self.sources[producer])
        self._send(producer, made, [fates.get(place, "arrives") for place in range(len(made))], is_reversed, is_single)

    def audio_packet(self, producer: int, fate: Fate) -> None:
        self.pass_time(FRAME_US)
        self.sents.append(self.sources[producer][0].make(len(self.sents), self.now_us, b"\x78 opus "))
        self._send(producer, self.sents[-1:], [fate])

    def padding(self, producer: int) -> None:
        """A packet of padding alone, in every encoding."""
        made = [source.make(0, self.now_us, b"", padding=200) for source in self.sources[producer]]
        self._send(producer, made, ["arrives"] * len(made))

    def _send(
        self, producer: int, made: list[Sent], fates: list[Fate], is_reversed: bool = False, is_single: bool = False
    ) -> None:
        end, batch = self.ends[self.transport_of(producer)], []
        for sent, fate in zip(made, fates, strict=True):
            sent.made_in = self.commands
            datagram = end.protect(sent.packet)
            if fate in {"held", "lost"}:
                self.faults.append((sent, datagram, fate == "lost"))
                self.is_calm = False
            else:
                batch += [(sent, datagram)] * (1 + (fate == "twice"))
        if is_reversed:
            batch.reverse()
            self.is_calm = False
        for part in [[entry] for entry in batch] if is_single else [batch]:
            self._arrive(end, part)

    @staticmethod
    def transport_of(producer: int) -> int:
        return 2 - producer % 2

    def recover(self, which: int) -> None:
        """What is on its way arrives, or what was lost is sent again."""
        if not self.faults:
            return
        sent, datagram, is_lost = self.faults.pop(which % len(self.faults))
        end = self.ends[self.transport_of(sent.source.producer)]
        if is_lost and sent.source.rtx_pt is None:
            return
        self._arrive(end, [(sent, end.protect(sent.source.again(sent)) if is_lost else datagram)])

    def restart(self, producer: int, jump: int | None) -> None:
        """The sender leaps ahead in its sequence numbers, or begins anew under other SSRCs (None)."""
        if jump is None and self.new_ssrcs == MAX_NEW_SSRCS:
            return
        # Of two leaps with nothing in between that arrived nobody could tell how often the numbers went round.
        if jump is not None and any(source.index - source.highest > MAX_UNSEEN for source in self.sources[producer]):
            return
        self.faults = [fault for fault in self.faults if fault[0].source.producer != producer]
        self.commands += 1
        if jump is not None:
            for source in self.sources[producer]:
                source.index += jump
            return
        self.new_ssrcs += 1
        for place, old in enumerate(self.sources[producer]):
            ssrc = old.ssrc + 100
            names = (f"{old.name}'", old.producer, old.encoding, ssrc, old.pt, old.rtx_pt, old.mid, old.rid)
            seq, first_ts, picture_id = (old.index * 7 + 11) & 0xFFFF, old.first_ts + (1 << 30), old.picture_id + 999
            clock = old.clock_rate_hz
            self.sources[producer][place] = Source(*names, clock, seq, first_ts, picture_id, old.tl0picidx + 99 & 0xFF)

    def report(self, producer: int) -> None:
        """Sender reports of all encodings; the two publishers' clocks are days apart."""
        transport = self.transport_of(producer)
        ntp = (NTP_ERA + transport * 1_000_000 << 32) + (self.now_us << 32) // 1_000_000
        reports = [SenderReport(s.ssrc, ntp, s.timestamp(self.now_us), 0, 0) for s in self.sources[producer]]
        end = self.ends[transport]
        self._route(self.shard.handle(self.now_us, [(end.address, end.protect_rtcp(*reports))]))

    # What the control plane does

    def switch(self, producer: int | None) -> None:
        self.commands += 1
        self.shard.switch_consumer(VIDEO, producer)
        self.wanted_video.choose(producer)
        self.pass_time(0)

    def switch_audio(self, producer: int | None) -> None:
        self.commands += 1
        self.shard.switch_consumer(AUDIO, producer)
        self.wanted_audio.choose(producer)
        self.pass_time(0)

    def pause_consumer(self, *, paused: bool) -> None:
        self.commands += 1
        self.shard.pause_consumer(VIDEO, paused)
        self.wanted_video.pause(paused=paused)
        self.pass_time(0)

    def pause_producer(self, producer: int, *, paused: bool) -> None:
        self.commands += 1
        self.shard.pause_producer(producer, paused)
        wanted = self.wanted_video if producer in {1, 2} else self.wanted_audio
        wanted.pause_producer(producer, paused=paused)
        self.pass_time(0)

    def set_layers(self, spatial: int, temporal: int) -> None:
        self.commands += 1
        self.shard.set_layers(VIDEO, spatial, temporal)
        self.wanted_video.spatial, self.wanted_video.temporal = spatial, temporal
        self.pass_time(0)

    # What the subscriber does

    def nack(self, back: int, count: int) -> None:
        """Asks for some numbers, the first ``back`` behind the highest."""
        if self.video.unwrapper.highest is None:
            return
        first = max(self.video.unwrapper.highest - back, min(self.video.slots))
        seqs = tuple(number & 0xFFFF for number in range(first, min(first + count, first + back + 1)))
        end = self.ends[3]
        datagram = end.protect_rtcp(ReceiverReport(1), Nack(1, VIDEO_SSRC, seqs))
        self._route(self.shard.handle(self.now_us, [(end.address, datagram)]))

    # Time and the network

    def pass_time(self, us: int) -> None:
        """Lets time pass, timer by timer; commands take effect."""
        until = self.now_us + us
        self._route(self.shard.handle_timeout(self.now_us))
        while (due := self.shard.poll_timeout()) is not None and due <= until:
            self.now_us = max(self.now_us + 1, due)
            self._route(self.shard.handle_timeout(self.now_us))
        self.now_us = max(self.now_us, until)
        if self._checked_us == 0 or self.now_us - self._checked_us >= CHECK_US:
            self._checked_us = self.now_us
            checks = [(end.address, end.check()) for end in self.ends.values()]
            self._route(self.shard.handle(self.now_us, checks))
        for event in self.shard.poll_events():
            assert event[0] not in {"command_failed", "overflow", "warning"}, event

    def _arrive(self, end: End, batch: list[tuple[Sent, bytes]]) -> None:
        if not batch:
            return
        producer = batch[0][0].source.producer
        wanted = self.wanted_video if producer in {1, 2} else self.wanted_audio
        fresh = []
        for sent, _ in batch:
            if sent.arrived_in is not None:
                continue
            fresh.append(sent)
            sent.arrived_in, sent.arrived_us = self.commands, self.now_us
            sent.in_order = sent.index > sent.source.highest
            sent.source.highest = max(sent.source.highest, sent.index)
            sent.is_muted = producer in wanted.paused_producers and sent.made_in == self.commands
        if fresh:
            wanted.arrive(fresh, self.now_us)
        self._route(self.shard.handle(self.now_us, [(end.address, datagram) for _, datagram in batch]))

    def _route(self, datagrams: list[tuple[tuple[str, int], bytes]]) -> None:
        for address, datagram in datagrams:
            end = next(end for end in self.ends.values() if end.address == address)
            if datagram[0] < 128:
                continue
            if is_rtcp(datagram):
                for packet in parse_compound(end.unprotect_rtcp(datagram)):
                    if isinstance(packet, PictureLossIndication):
                        self.keyframes_wanted.add(packet.media_ssrc)
            else:
                assert end is self.ends[3], "media went to a publisher"
                self._receive(RtpPacket.parse(end.unprotect(datagram)))

    def _receive(self, packet: RtpPacket) -> None:
        assert packet.extension(OUT_MID) == MIDS[packet.ssrc]
        number = int.from_bytes(packet.extension(OUT_TRANSPORT_CC) or b"")
        assert self._transport_cc is None or number == self._transport_cc + 1 & 0xFFFF
        self._transport_cc = number
        if packet.ssrc == RTX_SSRC and not packet.payload:
            return  # padding: a probe
        if packet.ssrc == RTX_SSRC:
            original = unwrap_rtx(packet, pt=packet.pt - 1, ssrc=VIDEO_SSRC)
            highest = self.video.unwrapper.highest
            assert highest is not None
            ext_seq = highest + signed_distance(original.seq, highest & 0xFFFF)
            before = self.video.repairs.setdefault(ext_seq, original)
            assert before.payload == original.payload, f"{ext_seq} was repaired in two ways"
            return
        incoming, wanted = (
            (self.video, self.wanted_video) if packet.ssrc == VIDEO_SSRC else (self.audio, self.wanted_audio)
        )
        sent = self._find(packet)
        ext_seq = incoming.unwrapper.unwrap(packet.seq)
        assert ext_seq not in incoming.slots, f"number {packet.seq} was used twice"
        if sent is not None and incoming.in_time and incoming.in_time[-1].source is not sent.source:
            self.commands += 1
        incoming.slots[ext_seq] = Slot(packet, sent, wanted.interruptions)
        if sent is not None:
            incoming.in_time.append(sent)

    def _find(self, packet: RtpPacket) -> Sent | None:
        at = packet.payload.find(MARK)
        return None if at < 0 else self.sents[int.from_bytes(packet.payload[at + 4 : at + 8])]
