"""What Chromium sends, through the shard along random paths of layers, decoded: every picture is the one that the whole
stream gives at that place and size. The recordings are those of tests/vectors/streams.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.rewrite_sources import PROFILE, PWD, UFRAG, End
from tests.support.examples import examples
from tests.support.pictures import DECODERS, Decoder, Picture, layers_of, temporal_unit
from tests.support.recording import DEPENDENCY_DESCRIPTOR, FIRST_SSRC, FOLDER, PTS, Recorded, load

from sfu._native import SimShard
from sfu.rtcp.compound import parse_compound
from sfu.rtcp.feedback import PictureLossIndication
from sfu.rtp.packet import RtpPacket, is_rtcp

NAMES = sorted(path.stem for path in FOLDER.glob("*.rtpdump"))
CONSUMER, SSRC = 7, 70
START_US = 1_000_000
CHECK_US = 2_000_000
TOP = 2
SIZES = {0: (240, 135), 1: (480, 270), 2: (960, 540)}


class Unit(NamedTuple):
    """A temporal unit of the publisher as far as a spatial layer, and its picture when nothing is left out but the
    layers above it.
    """

    encoding: int
    timestamp: int
    temporal: int
    picture: Picture


class Reference(NamedTuple):
    """What the whole stream gives."""

    units: dict[bytes, Unit]
    spatial: int
    """The highest layer, or encoding."""


def codec_of(name: str) -> str:
    return name.partition("-")[0]


@cache
def reference(name: str) -> Reference:
    """By contents."""
    codec, recorded = codec_of(name), load(name)
    units: dict[bytes, Unit] = {}
    top = 0
    for encoding in {entry.encoding for entry in recorded}:
        pictures = [
            (packets[0].timestamp, list(zip(packets, layers_of(codec, [it.payload for it in packets]), strict=True)))
            for packets in grouped(entry.packet for entry in recorded if entry.encoding == encoding)
        ]
        highest = max(spatial for _, packets in pictures for _, (spatial, _) in packets)
        top = max(top, highest, encoding)
        for limit in range(highest + 1):
            contents = [
                temporal_unit(codec, [packet.payload for packet, (spatial, _) in packets if spatial <= limit])
                for _, packets in pictures
            ]
            decoded = Decoder(codec).decode(contents)
            for (timestamp, packets), content, picture in zip(pictures, contents, decoded, strict=True):
                assert picture is not None, f"{name}: no picture at {timestamp}"
                unit = Unit(encoding, timestamp, packets[0][1][1], picture)
                assert units.setdefault(content, unit) == unit
    return Reference(units, top)


def grouped(packets: Iterable[RtpPacket]) -> list[list[RtpPacket]]:
    """By timestamp, in the order of their numbers."""
    received = list(packets)
    first = received[0].seq
    ordered = sorted(received, key=lambda packet: (packet.seq - first + 0x8000) & 0xFFFF)
    return [list(group) for _, group in groupby(ordered, key=lambda packet: packet.timestamp)]


class Playback:
    """A publisher that sends a recording, and a subscriber."""

    def __init__(self, name: str) -> None:
        self.codec = codec_of(name)
        self.recorded = load(name)
        self.received: list[RtpPacket] = []
        self.keyframe_requests = 0
        self.publisher, self.subscriber = End(1), End(2)
        self.shard = SimShard(seed=3)
        self._now_us, self._checked_us = START_US, -CHECK_US
        shard, pt = self.shard, PTS[self.codec]
        shard.add_router(1)
        for end in (self.publisher, self.subscriber):
            shard.add_transport(end.transport, 1, UFRAG.format(end.transport), PWD.format(end.transport))
            shard.set_srtp_keys(end.transport, PROFILE, *end.to_client, *end.to_server)
        rtp = ([(pt, (self.codec, 0), 90_000, None)], [(DEPENDENCY_DESCRIPTOR, "dependency_descriptor")])
        shard.set_rtp(1, rtp, ([], []), True)
        shard.set_rtp(2, ([], []), rtp, True)
        count = 1 + max(entry.encoding for entry in self.recorded)
        encodings = [("qhf"[n] if count > 1 else None, FIRST_SSRC + n, None) for n in range(count)]
        shard.add_producer(1, 1, "video", "v", encodings)
        shard.add_consumer(CONSUMER, 2, "video", "v", SSRC, None, "cname")
        shard.switch_consumer(CONSUMER, 1)

    def play(self, path: dict[int, tuple[int, int]], lost: frozenset[int] = frozenset()) -> None:
        """``path``: at which packet of the recording the consumer is given which layers; ``lost``: timestamps of which
        nothing comes, and nothing is sent again.
        """
        for index, entry in enumerate(self.recorded):
            if index in path:
                self.shard.set_layers(CONSUMER, *path[index])
            if entry.packet.timestamp not in lost:
                self._send(entry)
        assert not [event for event in self.shard.poll_events() if event[0] in {"command_failed", "warning"}]

    def _send(self, entry: Recorded) -> None:
        self._now_us = START_US + entry.ms * 1_000
        batch = [(self.publisher.address, self.publisher.protect(entry.packet))]
        if self._now_us - self._checked_us >= CHECK_US:
            self._checked_us = self._now_us
            batch = [(end.address, end.check()) for end in (self.publisher, self.subscriber)] + batch
        self._take(self.shard.handle_timeout(self._now_us))
        self._take(self.shard.handle(self._now_us, batch))

    def _take(self, datagrams: list[tuple[tuple[str, int], bytes]]) -> None:
        for address, datagram in datagrams:
            if address == self.publisher.address and is_rtcp(datagram):
                packets = parse_compound(self.publisher.unprotect_rtcp(datagram))
                self.keyframe_requests += sum(isinstance(packet, PictureLossIndication) for packet in packets)
            if address == self.subscriber.address and datagram[0] >= 128 and not is_rtcp(datagram):
                self.received.append(RtpPacket.parse(self.subscriber.unprotect(datagram)))

    def units(self) -> list[bytes]:
        """What the subscriber's decoder gets: all in order, without gaps. But where the encoding changed in the middle
        of a frame, a number is left out, and what there is of the frame is nothing.
        """
        is_cut: set[int] = set()
        for before, packet in pairwise(self.received):
            step = (packet.seq - before.seq) & 0xFFFF
            if step == 2 and not before.marker and packet.timestamp != before.timestamp:
                is_cut.add(before.timestamp)
            else:
                assert step == 1, f"{packet.seq} comes after {before.seq}"
        whole = [packets for packets in grouped(self.received) if packets[0].timestamp not in is_cut]
        return [temporal_unit(self.codec, [packet.payload for packet in packets]) for packets in whole]


def check(playback: Playback, name: str, contents: list[bytes] | None = None) -> list[Unit]:
    """Every unit is one of the publisher's, and every picture as the publisher's decoder would see it."""
    contents = playback.units() if contents is None else contents
    units = reference(name).units
    sent = []
    for content in contents:
        assert content in units, "a unit that was not sent like this"
        sent.append(units[content])
    pictures = Decoder(playback.codec).decode(contents)
    for unit, picture in zip(sent, pictures, strict=True):
        assert picture == unit.picture, f"{unit} became {picture}"
    return sent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spatial", range(TOP + 1))
@pytest.mark.parametrize("temporal", range(TOP + 1))
def test_a_limit_from_the_start_gives_all_pictures_of_its_size_and_rate_and_no_others(
    name: str, spatial: int, temporal: int
) -> None:
    playback = Playback(name)
    playback.play({0: (spatial, temporal)})
    sent = check(playback, name)
    top = reference(name).spatial
    at = min(spatial, top)
    width, height = SIZES[TOP - top + at] if top else SIZES[TOP]
    assert {unit.picture.width for unit in sent} == {width}
    assert {abs(unit.picture.height - height) <= 1 for unit in sent} == {True}
    of_size = {u.timestamp: u.temporal for u in reference(name).units.values() if u.picture.width == width}
    if playback.codec != "h264" or temporal == TOP:
        assert [u.timestamp for u in sent] == [ts for ts, layer in of_size.items() if layer <= temporal]


layers = st.tuples(st.integers(0, TOP), st.integers(0, TOP))
paths = st.dictionaries(st.integers(0, 330), layers, min_size=2, max_size=25)


@pytest.mark.parametrize("name", NAMES)
def test_along_any_path_of_layers_every_picture_is_decoded_as_it_was_sent(name: str) -> None:
    sizes: dict[int, int] = defaultdict(int)

    @settings(max_examples=examples(12))
    @given(paths)
    def run(path: dict[int, tuple[int, int]]) -> None:
        playback = Playback(name)
        playback.play(path)
        for unit in check(playback, name):
            sizes[unit.picture.width] += 1

    run()
    assert len(sizes) == 1 + reference(name).spatial, f"only {dict(sizes)}"


@pytest.mark.parametrize("name", [name for name in NAMES if codec_of(name) == "av1"])
@pytest.mark.parametrize("temporal", [0, TOP])
def test_a_picture_that_is_lost_for_good_costs_a_keyframe_only_where_others_need_it(name: str, temporal: int) -> None:
    playback = Playback(name)
    # In the first second, so that it is given up before the recording ends; a keyframe is asked for once at the start.
    early = [entry.packet for entry in playback.recorded if 100 < entry.ms < 600]
    timestamp = next(it.timestamp for it in early if layers_of("av1", [it.payload])[0][1] == temporal)
    playback.play({}, frozenset({timestamp}))
    at_start = Playback(name)
    at_start.play({})
    assert (playback.keyframe_requests > at_start.keyframe_requests) == (temporal == 0)
    if temporal == TOP:
        contents = [temporal_unit("av1", [it.payload for it in packets]) for packets in grouped(playback.received)]
        assert len(check(playback, name, contents)) == len(at_start.units()) - 1


def test_all_codecs_are_there() -> None:
    assert {codec_of(name) for name in NAMES} == set(DECODERS)
