"""Bencode (https://www.bittorrent.org/beps/bep_0003.html#bencoding), as far as rtpengine's control protocol goes.

Text is UTF-8 both ways; rtpengine does not ask for dictionaries' keys in order, and does not give them so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = str | int | Sequence["Value"] | Mapping[str, "Value"]
_MAX_DEPTH = 16
_MAX_DIGITS = 19


class BencodeError(ValueError):
    """These bytes are not one bencoded value."""


def encode(value: Value) -> bytes:
    """The bytes of a value."""
    match value:
        case str():
            text = value.encode()
            return b"%d:%b" % (len(text), text)
        case int():
            return b"i%de" % value
        case Mapping():
            return b"d" + b"".join(encode(key) + encode(item) for key, item in value.items()) + b"e"
        case _:
            return b"l" + b"".join(encode(item) for item in value) + b"e"


def decode(data: bytes) -> Value:
    """The one value that these bytes are. BencodeError for anything else, what follows it included."""
    value, end = _decode(data, 0, _MAX_DEPTH)
    if end != len(data):
        raise BencodeError(f"{len(data) - end} bytes after the value")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    """(value, where it ends)."""
    if depth == 0:
        raise BencodeError(f"deeper than {_MAX_DEPTH}")
    match data[at : at + 1]:
        case b"i":
            return _number(data, at + 1, b"e")
        case b"l":
            return _items(data, at + 1, depth)
        case b"d":
            items, end = _items(data, at + 1, depth)
            keys, values = items[::2], items[1::2]
            if len(keys) != len(values) or not all(isinstance(key, str) for key in keys):
                raise BencodeError(f"no dictionary at {at}")
            return {str(key): item for key, item in zip(keys, values, strict=True)}, end
        case _:
            length, start = _number(data, at, b":")
            if length < 0 or start + length > len(data):
                raise BencodeError(f"no text of {length} bytes at {start}")
            return data[start : start + length].decode(errors="replace"), start + length


def _items(data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    items: list[Value] = []
    while data[at : at + 1] != b"e":
        item, at = _decode(data, at, depth - 1)
        items.append(item)
    return items, at + 1


def _number(data: bytes, at: int, end_mark: bytes) -> tuple[int, int]:
    end = data.find(end_mark, at, at + _MAX_DIGITS + 2)
    digits = data[at:end] if end >= 0 else b""
    if not digits.removeprefix(b"-").isdigit():
        raise BencodeError(f"no number at {at}")
    return int(digits), end + 1
