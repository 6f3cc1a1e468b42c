"""What must hold of everything that a subscriber got, in the order of its sequence numbers."""

from __future__ import annotations

from itertools import pairwise

from tests.properties.rewrite_sources import MARK, Sent, Source
from tests.properties.rewrite_world import OUT_AUDIO_LEVEL, OUT_PTS, Incoming, Slot, World

from sfu.rtp.seq import signed_distance

VIDEO_HZ, AUDIO_HZ = 90_000, 48_000
SHORTEST_STEP_US = {VIDEO_HZ: 1_000, AUDIO_HZ: 20_000}
"""Between the last packet of a source and the first of the next one, when their clocks would have it less."""
ROUNDING_US = 1_000

Numbered = tuple[int, Slot, Sent]


def check_all(world: World) -> None:
    for incoming, wanted in ((world.video, world.wanted_video), (world.audio, world.wanted_audio)):
        if world.is_calm:
            assert incoming.in_time == wanted.packets, "with nothing lost exactly what is wanted comes, in order"
        media = _media(incoming)
        assert len({id(sent) for _, _, sent in media}) == len(media), "a packet has two numbers"
        for _, slot, sent in media:
            _check_identity(slot, sent)
        for first, second in pairwise(media):
            _check_step(incoming, first, second)
    media = _media(world.video)
    for first, second in pairwise(media):
        _check_pictures(first, second)
    _check_starts(media)
    _check_references(media)
    _check_repairs(world.video)


def _media(incoming: Incoming) -> list[Numbered]:
    return [(number, slot, slot.sent) for number, slot in sorted(incoming.slots.items()) if slot.sent is not None]


def _check_identity(slot: Slot, sent: Sent) -> None:
    """The packet that was sent, but for what is rewritten."""
    packet, original, producer = slot.packet, sent.packet, sent.source.producer
    assert not sent.is_muted, f"{sent} was sent and came while the producer was paused"
    assert packet.marker == original.marker
    if producer in OUT_PTS:
        assert packet.pt == OUT_PTS[producer]
        assert (packet.payload[:2], packet.payload[5:]) == (original.payload[:2], original.payload[5:])
    else:
        assert (packet.pt, packet.payload) == (63, original.payload)
        assert packet.extension(OUT_AUDIO_LEVEL) == b"\x9e"


def _is_same_stay(first: Sent, second: Sent) -> bool:
    """Certainly: a consumer comes (back) to a source at a keyframe, or to audio at any packet."""
    return first.source is second.source and not second.starts_keyframe and second.source.clock_rate_hz == VIDEO_HZ


def _check_step(incoming: Incoming, first: Numbered, second: Numbered) -> None:
    (a_number, a_slot, a), (b_number, b_slot, b) = first, second
    what = f"between {a} and {b}"
    if a.source is b.source:
        assert a.index < b.index, f"order {what}"
    ticks = signed_distance(b_slot.packet.timestamp, a_slot.packet.timestamp, 32)
    between = signed_distance(b.packet.timestamp, a.packet.timestamp, 32)
    if _is_same_stay(a, b):
        assert ticks == between, f"{ticks} ticks instead of {between} {what}"
    elif a.source is not b.source or ticks != between:
        _check_entry_time(ticks, a, b)
    missing = sum(number not in incoming.slots for number in range(a_number + 1, b_number))
    excuses = _excuses(a, b)
    if not _is_same_stay(a, b):
        # A frame that was unfinished when the next one began shows as one missing number.
        is_unfinished = b.source.clock_rate_hz == VIDEO_HZ and not (a.packet.marker and a.in_order)
        excuses += is_unfinished
    assert missing <= excuses, f"{missing} numbers are missing {what}, {excuses} are excused"
    if _is_same_stay(a, b) and a.frame == b.frame:
        assert b_number - a_number == b.index - a.index, f"a loss within a frame does not show {what}"


def _excuses(a: Sent, b: Sent) -> int:
    """Packets between that the shard did not get in time: lost, or late after it had been told something else."""
    end = b.index if a.source is b.source else a.source.index + 1
    candidates = (sent for sent in a.source.by_index.values() if a.index < sent.index < end)
    return sum(not sent.in_order and sent.arrived_in != sent.made_in for sent in candidates)


def _check_entry_time(ticks: int, a: Sent, b: Sent) -> None:
    """The time between two sources' packets is that between their captures, or between their arrivals when a clock is
    not known yet; at least one step.
    """
    step_us = ticks * 1_000_000 // b.source.clock_rate_hz
    spans = (b.captured_us - a.captured_us, b.arrived_us - a.arrived_us)
    shortest = SHORTEST_STEP_US[b.source.clock_rate_hz]
    low, high = max(min(spans), shortest) - ROUNDING_US, max(*spans, shortest) + ROUNDING_US
    assert ticks > 0, f"the timestamp does not rise between {a} and {b}"
    assert low <= step_us <= high, f"{step_us} us between {a} and {b}, not {low} to {high}"


def _check_pictures(first: Numbered, second: Numbered) -> None:
    (_, a_slot, a), (_, b_slot, b) = first, second
    what = f"between {a} and {b}"
    pictures = b_slot.picture_id - a_slot.picture_id & 0x7FFF
    base_layers = b_slot.tl0picidx - a_slot.tl0picidx & 0xFF
    if a.source is not b.source:
        assert (pictures, base_layers) == (1, 1), f"{(pictures, base_layers)} {what}"
        return
    if a.frame == b.frame:
        assert (pictures, base_layers) == (0, 0), what
        return
    doubtful = {sent.frame for sent in a.source.by_index.values() if a.frame < sent.frame < b.frame and _is_late(sent)}
    assert 1 <= pictures <= 1 + len(doubtful), f"{pictures} pictures, {len(doubtful)} may be missing {what}"
    assert base_layers in _base_layers_between(a, b), f"{base_layers} base layer frames {what}"


def _is_late(sent: Sent) -> bool:
    return not sent.in_order


def _base_layers_between(a: Sent, b: Sent) -> set[int]:
    """As the source counts; from a new start on, one."""
    return {b.tl0picidx - a.tl0picidx & 0xFF} | ({1} if b.starts_keyframe else set())


def _check_starts(media: list[Numbered]) -> None:
    """After every interruption and change of source a keyframe comes first."""
    source: Source | None = None
    stays: set[int] = set()
    """Interruptions before what comes in order: two when it is open to which stay a keyframe that came late belongs."""
    for _, slot, sent in media:
        if sent.source is not source or sent.starts_keyframe:
            assert sent.starts_keyframe, f"{sent} comes first of its source"
            # One that came late may stand in its place in the stay before.
            kept = stays if sent.source is source and not sent.in_order else set()
            source, stays = sent.source, kept | {slot.interruptions}
        # Others that came late may stand at the end of what was before.
        if sent.in_order:
            assert slot.interruptions in stays, f"{sent} comes before a keyframe"
            stays = {slot.interruptions}


def _check_references(media: list[Numbered]) -> None:
    """No layer is let in before what it needs: a frame that came refers to frames that came, or were lost or late."""
    came = {(sent.source.ssrc, sent.frame) for _, _, sent in media}
    for _, _, sent in media:
        if not sent.in_order or sent.place != 0:
            continue
        undisturbed = (frame for frame in sent.refers_to if sent.source.came_in_order(frame))
        missing = [frame for frame in undisturbed if (sent.source.ssrc, frame) not in came]
        assert not missing, f"{sent} refers to frames that were not sent: {missing}"


def _check_repairs(video: Incoming) -> None:
    for number, repair in video.repairs.items():
        slot = video.slots.get(number)
        if slot is None:
            assert not repair.payload or MARK in repair.payload
            continue
        assert repair.payload == slot.packet.payload, f"{number} was repaired by another packet"
        if repair.payload:
            original = slot.packet
            assert (repair.pt, repair.timestamp, repair.marker) == (original.pt, original.timestamp, original.marker)


def check_settled(world: World, fresh: list[Sent]) -> None:
    """Of ``fresh``, which arrived undisturbed, exactly what is within the limits comes, without any gap."""
    temporal = world.wanted_video.temporal
    wanted = [sent for sent in fresh if sent.tid <= temporal]
    media = _media(world.video)[-len(wanted) :]
    assert [sent for _, _, sent in media] == wanted
    for (a_number, a, a_sent), (b_number, b, b_sent) in pairwise(media):
        assert b_number == a_number + 1
        assert b.picture_id - a.picture_id & 0x7FFF == (a_sent.frame != b_sent.frame)
