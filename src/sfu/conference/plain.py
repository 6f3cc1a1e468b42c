"""Dataclasses as JSON and back: what is written down, or handed to another process. What is read may be of an older
version of this program, so a field that is not there takes its default.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any


def plain(value: Any) -> Any:
    """A dataclass, and what it is made of, as JSON."""
    kind = type(value)
    if kind in _LEAVES:
        return value
    if is_dataclass(kind):
        return {name: plain(getattr(value, name)) for name in _names(kind)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


_LEAVES = frozenset({str, int, float, bool, type(None)})


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


@cache
def _types(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def read(kind: Any, value: Any) -> Any:
    """The opposite of ``plain``, into a value of the type ``kind``; unknown fields are passed over. Raises
    ``ValueError``, ``TypeError`` and their like for what is none.
    """
    if isinstance(kind, types.UnionType):  # only ever "or None"
        return None if value is None else read(typing.get_args(kind)[0], value)
    if typing.get_origin(kind) is frozenset:
        [member] = typing.get_args(kind)
        return frozenset(read(member, one) for one in value)
    if typing.get_origin(kind) is tuple:  # only ever of one kind
        return tuple(read(typing.get_args(kind)[0], one) for one in value)
    if typing.get_origin(kind) is dict:  # of JSON, whatever that is
        return read(dict, value)
    if is_dataclass(kind):
        return _read_dataclass(kind, value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is bytes:
        return bytes.fromhex(value)
    if issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _read_dataclass(kind: Any, value: Mapping[str, Any]) -> Any:
    known = _types(kind)
    return kind(**{item.name: read(known[item.name], value[item.name]) for item in fields(kind) if item.name in value})
