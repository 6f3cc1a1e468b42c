"""What one process sends to another: batches of steps, as msgpack. Parsing is total: a batch or ``WireError``.

A batch is ``[VERSION, sender, epoch, number, steps]``. Numbers count up within an epoch, from 0: whoever sees a gap
knows that something was lost, and a new epoch says that everything before is over. A step is a list, its name first:

| step | from | says |
|---|---|---|
| ``open, stream, head, body`` | who carries | a request or a socket for a meeting of the receiver |
| ``data, stream, frame`` | who carries | a message of the client |
| ``gone, stream, code`` | who carries | the client is gone |
| ``reply, stream, status, headers, body`` | the home | the answer to a request |
| ``send, [stream…], frame`` | the home | a message to these clients |
| ``tell, stream, message`` | the home | another ASGI message to a client: accept, close, a refusal |
| ``not_here, stream`` | the home | the meeting is not here |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped]

from sfu.errors import WireError

VERSION = 1
MAX_BATCH_BYTES = 1024 * 1024
"""More goes in the next one; a step that is longer goes alone."""
MAX_STEPS = 10_000

_FORMS: dict[str, tuple[type | tuple[type, ...], ...]] = {
    "open": (int, dict, (bytes, type(None))),
    "data": (int, (str, bytes)),
    "gone": (int, int),
    "reply": (int, int, list, bytes),
    "send": (list, (str, bytes)),
    "tell": (int, dict),
    "not_here": (int,),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Of steps, each with its name and arguments as ``_FORMS`` says."""

    sender: str
    epoch: int
    number: int
    steps: list[list[Any]]


def pack(batch: Batch) -> bytes:
    """As it is published."""
    packed: bytes = msgpack.packb([VERSION, batch.sender, batch.epoch, batch.number, batch.steps])
    return packed


def unpack(data: bytes) -> Batch:
    """Raises ``WireError``."""
    try:
        found = msgpack.unpackb(data)  # no part of it can be longer than it is
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise WireError("not msgpack") from error
    if not isinstance(found, list) or len(found) != 5 or found[0] != VERSION:
        raise WireError("not a batch of this version")
    _, sender, epoch, number, steps = found
    if not isinstance(sender, str) or not _is_count(epoch) or not _is_count(number) or not isinstance(steps, list):
        raise WireError("not a batch")
    for step in steps:
        _check(step)
    return Batch(sender, epoch, number, steps)


def _check(step: object) -> None:
    if not isinstance(step, list) or not step or not isinstance(step[0], str):
        raise WireError("not a step")
    form = _FORMS.get(step[0])
    if form is None or len(step) != len(form) + 1:
        raise WireError("not a known step", step[0][:32])
    for value, kind in zip(step[1:], form, strict=True):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise WireError("a step with a wrong argument", step[0])
    if step[0] == "send" and not all(map(_is_count, step[1])):
        raise WireError("streams that are none")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
