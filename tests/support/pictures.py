"""From RTP payloads to pictures: depacketisers of four codecs, and their decoders as PyAV has them.

Written apart from ``crates/core/src/codec``, whose reading of descriptors is what is tested by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import av
import numpy as np

DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9", "h264": "h264", "av1": "libdav1d"}
_TEMPORAL_DELIMITER = b"\x12\x00"
_START_CODE = b"\0\0\0\1"
_OBU_TILE_LIST = 8


@dataclass(frozen=True, slots=True)
class Picture:
    """What a decoder made of a temporal unit."""

    width: int
    height: int
    digest: str


class Decoder:
    """One for each stream that a receiver sees."""

    def __init__(self, codec: str) -> None:
        self._context = av.CodecContext.create(DECODERS[codec], "r")
        self._context.thread_count = 1
        if codec == "av1":
            self._context.options = {"max_frame_delay": "1", "framethreads": "1"}
        self._units = 0

    def decode(self, units: Iterable[bytes]) -> list[Picture | None]:
        """A picture for each unit; None: it made none. ``av.error.FFmpegError``: it cannot be decoded."""
        pictures: dict[int, Picture] = {}
        first = self._units
        for unit in units:
            packet = av.Packet(unit)
            packet.pts = self._units
            self._units += 1
            self._take(self._context.decode(packet), pictures)
        self._take(self._context.decode(None), pictures)
        return [pictures.get(number) for number in range(first, self._units)]

    @staticmethod
    def _take(frames: Sequence[av.VideoFrame], pictures: dict[int, Picture]) -> None:
        for frame in frames:
            assert not frame.is_corrupt, f"unit {frame.pts} is corrupt"
            assert frame.pts is not None
            digest = hashlib.md5(b"".join(map(_visible, frame.planes)), usedforsecurity=False).hexdigest()
            # Of several the highest layer comes last.
            pictures[frame.pts] = Picture(frame.width, frame.height, digest)


def _visible(plane: av.video.plane.VideoPlane) -> bytes:
    """The samples without what fills up lines."""
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width].tobytes()


def layers_of(codec: str, payloads: Sequence[bytes]) -> list[tuple[int, int]]:
    """(spatial, temporal) of each packet with one timestamp, by its payload; zeros where it does not say."""
    layers: list[tuple[int, int]] = []
    for payload in payloads:
        layer = _LAYERS[codec](payload)
        layers.append(layers[-1] if layer is None else layer)
    return layers


def temporal_unit(codec: str, payloads: Sequence[bytes]) -> bytes:
    """The payloads of all packets with one timestamp, in order, as the decoder wants them. ValueError: no frame."""
    return _UNITS[codec](payloads)


def vp8_descriptor_bytes(payload: bytes) -> int:
    """RFC 7741 §4.2."""
    position = 1
    if payload[0] & 0x80:
        flags, position = payload[1], 2
        if flags & 0x80:
            position += 2 if payload[position] & 0x80 else 1
        position += bool(flags & 0x40) + bool(flags & 0x30)
    return position


def _vp8_layer(payload: bytes) -> tuple[int, int]:
    """RFC 7741 §4.2: temporal layers only."""
    if not payload[0] & 0x80 or not payload[1] & 0x20:
        return 0, 0
    return 0, payload[vp8_descriptor_bytes(payload) - 1] >> 6


def _vp9_layer(payload: bytes) -> tuple[int, int]:
    """RFC 9628 §4.2."""
    layers = payload[_after_picture_id(payload)] if payload[0] & 0x20 else 0
    return layers >> 1 & 7, layers >> 5


def _av1_layer(payload: bytes) -> tuple[int, int] | None:
    """The OBU extension (AV1 specification §5.3.3) of the first element that has one; None: a frame goes on."""
    for index, element in enumerate(_av1_elements(payload)):
        if (index or not payload[0] & 0x80) and element and element[0] & 0x04:
            return element[1] >> 3 & 3, element[1] >> 5
    return None if payload[0] & 0x80 else (0, 0)


def _after_picture_id(payload: bytes) -> int:
    if not payload[0] & 0x80:
        return 1
    return 3 if payload[1] & 0x80 else 2


def vp9_descriptor_bytes(payload: bytes) -> int:
    """RFC 9628 §4.2."""
    first, position = payload[0], _after_picture_id(payload)
    is_flexible = first & 0x10
    if first & 0x20:
        position += 1 if is_flexible else 2
    if is_flexible and first & 0x40:
        while payload[position] & 1:
            position += 1
        position += 1
    if first & 0x02:
        position = _after_scalability_structure(payload, position)
    return position


def _after_scalability_structure(payload: bytes, position: int) -> int:
    head = payload[position]
    position += 1
    if head & 0x10:
        position += 4 * ((head >> 5) + 1)
    if head & 0x08:
        pictures = payload[position]
        position += 1
        for _ in range(pictures):
            position += 1 + (payload[position] >> 2 & 3)
    return position


def _vp8_unit(payloads: Sequence[bytes]) -> bytes:
    return b"".join(payload[vp8_descriptor_bytes(payload) :] for payload in payloads)


def _vp9_unit(payloads: Sequence[bytes]) -> bytes:
    """The frames of all layers one after the other: libvpx decodes them without the index of a superframe."""
    return b"".join(payload[vp9_descriptor_bytes(payload) :] for payload in payloads)


def _h264_unit(payloads: Sequence[bytes]) -> bytes:
    """RFC 6184 §5.6 to §5.8: single units, STAP-A and FU-A."""
    unit = bytearray()
    for payload in payloads:
        kind = payload[0] & 0x1F
        if kind == 24:
            position = 1
            while position < len(payload):
                size = int.from_bytes(payload[position : position + 2])
                unit += _START_CODE + payload[position + 2 : position + 2 + size]
                position += 2 + size
        elif kind == 28:
            if payload[1] & 0x80:
                unit += _START_CODE + bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            unit += payload[2:]
        else:
            unit += _START_CODE + payload
    return bytes(unit)


def _av1_unit(payloads: Sequence[bytes]) -> bytes:
    """RTP Payload Format For AV1 §4.4: elements of OBUs, which get their size fields back."""
    elements: list[bytearray] = []
    for payload in payloads:
        for index, element in enumerate(_av1_elements(payload)):
            if index == 0 and payload[0] & 0x80:
                elements[-1] += element
            else:
                elements.append(bytearray(element))
    return _TEMPORAL_DELIMITER + b"".join(_with_size(bytes(element)) for element in elements)


def _av1_elements(payload: bytes) -> list[bytes]:
    """Of one packet; the first may continue the last of the packet before."""
    count, position = payload[0] >> 4 & 3, 1
    elements: list[bytes] = []
    while position < len(payload):
        size = len(payload) - position
        if count == 0 or len(elements) + 1 < count:
            size, position = _leb128(payload, position)
        elements.append(payload[position : position + size])
        position += size
    return elements


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """(value, what follows)"""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position


def _with_size(obu: bytes) -> bytes:
    head = 2 if obu[0] & 0x04 else 1
    if obu[0] & 0x02 or obu[0] >> 3 & 15 == _OBU_TILE_LIST:
        return obu
    size, written = len(obu) - head, bytearray()
    while size >= 0x80:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    written.append(size)
    return bytes([obu[0] | 0x02]) + obu[1:head] + bytes(written) + obu[head:]


_UNITS = {"vp8": _vp8_unit, "vp9": _vp9_unit, "h264": _h264_unit, "av1": _av1_unit}
_LAYERS: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "vp8": _vp8_layer,
    "vp9": _vp9_layer,
    "h264": lambda _: (0, 0),
    "av1": _av1_layer,
}
