"""Choices of the scenario ``meeting``, apart from what it imports: the command line shows them."""

from __future__ import annotations

from enum import StrEnum


class Noise(StrEnum):
    """What who does not talk sends."""

    ROOM = "room"
    """The noise of a room, a packet every 20 ms: microphones that are open, without DTX."""
    DTX = "dtx"
    """Next to nothing: a packet every 400 ms."""


class Control(StrEnum):
    """Where the server's control plane runs."""

    SERVER = "server"
    """On the data plane's processor, which comes first there."""
    LOAD = "load"
    """Beside the load generator: the data plane has its processor for itself."""
