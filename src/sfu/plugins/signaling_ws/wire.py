"""The two subprotocols: the same maps as JSON text or as msgpack binary frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]

from sfu.conference.events import (
    EncodingsChanged,
    Event,
    MeetingEnded,
    OfferMade,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    QualityChanged,
    SlotsChanged,
    TransportChanged,
)
from sfu.errors import WireError

Frame = str | bytes

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message from a client. Only an ``answer`` is long: to an offer with all 49 video slots, some 150 KiB."""

NOTIFICATIONS: dict[type, str] = {
    OfferMade: "offer",
    ParticipantJoined: "participant_joined",
    ParticipantLeft: "participant_left",
    ParticipantUpdated: "participant_updated",
    SlotsChanged: "slots",
    QualityChanged: "quality",
    EncodingsChanged: "encodings",
    TransportChanged: "transport",
    MeetingEnded: "meeting_ended",
}
"""Events that become messages, and the ``type`` of each."""


class Wire(Protocol):
    """One subprotocol."""

    subprotocol: str

    def encode(self, message: Mapping[str, Any]) -> Frame:
        """A message as a frame."""

    def decode(self, frame: Frame) -> dict[str, Any]:
        """A frame as a message. Raises ``WireError`` for everything that is not a map."""


class JsonWire:
    """Text frames (RFC 8259)."""

    subprotocol = "sfu.v1.json"

    def encode(self, message: Mapping[str, Any]) -> Frame:
        """See ``Wire``."""
        # ASCII only: an error may quote a client's lone surrogate, which has no UTF-8 form.
        return json.dumps(message, separators=(",", ":"))

    def decode(self, frame: Frame) -> dict[str, Any]:
        """See ``Wire``."""
        if not isinstance(frame, str):
            raise WireError("binary frame", f"{self.subprotocol} has text frames")
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError) as error:
            raise WireError("not JSON") from error
        return _require_map(message)


class MsgpackWire:
    """Binary frames."""

    subprotocol = "sfu.v1.msgpack"

    def encode(self, message: Mapping[str, Any]) -> Frame:
        """See ``Wire``."""
        packed: bytes = msgpack.packb(message)
        return packed

    def decode(self, frame: Frame) -> dict[str, Any]:
        """See ``Wire``."""
        if not isinstance(frame, bytes):
            raise WireError("text frame", f"{self.subprotocol} has binary frames")
        try:
            message = msgpack.unpackb(frame)
        except (ValueError, RecursionError, msgpack.UnpackException) as error:
            raise WireError("not msgpack") from error
        return _require_map(message)


def _require_map(message: object) -> dict[str, Any]:
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise WireError("not a map with strings as keys")
    return message


WIRES: dict[str, Wire] = {wire.subprotocol: wire for wire in (JsonWire(), MsgpackWire())}


class EventEncoder:
    """Frames of events. Everybody in a meeting gets the same event one after the other, so the last is kept."""

    def __init__(self) -> None:
        self._event: Event | None = None
        self._frames: dict[str, Frame] = {}

    def encode(self, event: Event, wire: Wire) -> Frame:
        """The frame of an event that is in ``NOTIFICATIONS``."""
        if event is not self._event:
            self._event, self._frames = event, {}
        frame = self._frames.get(wire.subprotocol)
        if frame is None:
            frame = wire.encode({"type": NOTIFICATIONS[type(event)], **asdict(event)})
            self._frames[wire.subprotocol] = frame
        return frame
