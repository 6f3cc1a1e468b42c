"""Protocol buffers on the wire (https://protobuf.dev/programming-guides/encoding/): numbers and bytes, no schema.

What is not needed is skipped: fixed-width fields and unknown ones.
"""

from __future__ import annotations

from collections.abc import Sequence

Field = tuple[int, "int | str | bytes | Sequence[Field]"]
"""(number, value); a sequence is a message within."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class ProtobufError(ValueError):
    """These bytes are not a message."""


def encode(fields: Sequence[Field]) -> bytes:
    """The bytes of a message; numbers are unsigned."""
    message = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            message += _varint(number << 3 | _VARINT) + _varint(value)
            continue
        inner = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else encode(value)
        message += _varint(number << 3 | _BYTES) + _varint(len(inner)) + inner
    return bytes(message)


def decode(data: bytes) -> dict[int, list[int | bytes]]:
    """Field number to its values in order. ProtobufError."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == _VARINT:
            value, at = _read_varint(data, at)
            fields.setdefault(key >> 3, []).append(value)
            continue
        if key & 7 == _BYTES:
            length, at = _read_varint(data, at)
            fields.setdefault(key >> 3, []).append(data[at : at + length])
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(key & 7, len(data))
        at += length
        if at > len(data):
            raise ProtobufError(f"field {key >> 3} ends after the message")
    return fields


def text(fields: dict[int, list[int | bytes]], number: int) -> str:
    """The last value of a field as text; "" without one, as its schema would have it."""
    return message(fields, number).decode(errors="replace")


def message(fields: dict[int, list[int | bytes]], number: int) -> bytes:
    """The last value of a field as bytes; empty without one."""
    value = fields.get(number, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends)."""
    value = 0
    for shift, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ProtobufError(f"no number at {at}")
