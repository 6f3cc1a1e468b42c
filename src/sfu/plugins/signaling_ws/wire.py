"""The two subprotocols: the same maps as JSON text or as msgpack binary frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]

from sfu.conference.events import (
    ChatSettingsChanged,
    ChatTold,
    EncodingsChanged,
    Event,
    KeptOutChanged,
    LockChanged,
    MeetingEnded,
    ModerationChanged,
    Muted,
    OfferMade,
    PermissionsChanged,
    QualityChanged,
    ReactionsShown,
    RosterChanged,
    SlotsChanged,
    SpeakersChanged,
    TransportChanged,
    UnmuteAsked,
    Unpublished,
    ViewChanged,
    WaitingRoomChanged,
)
from sfu.conference.views import ParticipantView, Welcome
from sfu.errors import WireError

Frame = str | bytes

_ENCODER = json.JSONEncoder(separators=(",", ":"))

MAX_MESSAGE_BYTES = 256 * 1024
"""Of a message from a client. Only an ``answer`` is long: to an offer with all 49 video slots, some 150 KiB."""

NOTIFICATIONS: dict[type, str] = {
    OfferMade: "offer",
    RosterChanged: "roster",
    SlotsChanged: "slots",
    SpeakersChanged: "speakers",
    ViewChanged: "view",
    PermissionsChanged: "permissions",
    Unpublished: "unpublished",
    QualityChanged: "quality",
    EncodingsChanged: "encodings",
    ChatTold: "chat",
    ReactionsShown: "reactions",
    Muted: "muted",
    UnmuteAsked: "unmute_asked",
    ModerationChanged: "moderation",
    ChatSettingsChanged: "chat_settings",
    TransportChanged: "transport",
    LockChanged: "lock",
    WaitingRoomChanged: "waiting_room",
    KeptOutChanged: "kept_out",
    MeetingEnded: "meeting_ended",
}
"""Events that become messages, and the ``type`` of each."""


class Wire(Protocol):
    """One subprotocol."""

    subprotocol: str

    def encode(self, message: Mapping[str, Any]) -> Frame:
        """A message as a frame."""

    def encode_with(self, message: Mapping[str, Any], name: str, parts: Sequence[Any]) -> Frame:
        """A message with one more field, a list of maps that are frames already."""

    def decode(self, frame: Frame) -> dict[str, Any]:
        """A frame as a message. Raises ``WireError`` for everything that is not a map."""


class JsonWire:
    """Text frames (RFC 8259)."""

    subprotocol = "sfu.v1.json"

    def encode(self, message: Mapping[str, Any]) -> Frame:
        """See ``Wire``."""
        # ASCII only: an error may quote a client's lone surrogate, which has no UTF-8 form.
        return _ENCODER.encode(message)

    def encode_with(self, message: Mapping[str, Any], name: str, parts: Sequence[Any]) -> Frame:
        """See ``Wire``."""
        return f'{_ENCODER.encode(message)[:-1]},"{name}":[{",".join(parts)}]}}'

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

    def encode_with(self, message: Mapping[str, Any], name: str, parts: Sequence[Any]) -> Frame:
        """See ``Wire``."""
        packer = msgpack.Packer()
        frames = [packer.pack_map_header(len(message) + 1)]
        frames += [packer.pack(each) for item in message.items() for each in item]
        return b"".join([*frames, packer.pack(name), packer.pack_array_header(len(parts)), *parts])

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


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass as the map that is sent. ``dataclasses.asdict`` copies every leaf, which thousands of them feel."""
    return {name: _plain(getattr(value, name)) for name in _names(type(value))}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return fields_of(value)


_NAMES: dict[type, tuple[str, ...]] = {}


def _names(kind: type) -> tuple[str, ...]:
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(kind))
    return names


PARTS_KEPT = 2_000
"""Participants as parts of frames: 250 bytes each."""


class EventEncoder:
    """Frames. Many in a meeting get the same event, or an equal one, one after the other; the last of each kind is
    kept. Those who come one after the other are told of the same participants: each is encoded once.
    """

    def __init__(self) -> None:
        self._last: dict[type, tuple[Event, dict[str, Frame]]] = {}
        self._parts: dict[tuple[str, str], tuple[ParticipantView, Frame]] = {}

    def welcome(self, request_id: int, welcome: Welcome, wire: Wire) -> Frame:
        """The frame of the reply to ``hello``."""
        fields = fields_of(replace(welcome, participants=()))
        del fields["participants"]
        parts = [self._part(view, wire) for view in welcome.participants]
        return wire.encode_with({"type": "welcome", "reply": request_id, **fields}, "participants", parts)

    def _part(self, view: ParticipantView, wire: Wire) -> Frame:
        key = wire.subprotocol, view.id
        kept = self._parts.get(key)
        if kept is None or kept[0] is not view:
            if len(self._parts) >= PARTS_KEPT:
                del self._parts[next(iter(self._parts))]
            kept = self._parts[key] = view, wire.encode(fields_of(view))
        return kept[1]

    def encode(self, event: Event, wire: Wire) -> Frame:
        """The frame of an event that is in ``NOTIFICATIONS``."""
        last, frames = self._last.get(type(event), (None, {}))
        if event is not last and event != last:
            frames = {}
            self._last[type(event)] = event, frames
        frame = frames.get(wire.subprotocol)
        if frame is None:
            frame = frames[wire.subprotocol] = wire.encode({"type": NOTIFICATIONS[type(event)], **fields_of(event)})
        return frame
