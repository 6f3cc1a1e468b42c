"""What the microphones of a big meeting send where nobody talks."""

from __future__ import annotations

from enum import StrEnum


class Noise(StrEnum):
    """What who does not talk sends."""

    ROOM = "room"
    """The noise of a room, a packet every 20 ms: microphones that are open, without DTX."""
    DTX = "dtx"
    """Next to nothing: a packet every 400 ms."""
