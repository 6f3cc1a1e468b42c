"""The states of a transport and the only ways between them, as data."""

from __future__ import annotations

from enum import StrEnum


class TransportState(StrEnum):
    """Values are the words of signaling."""

    NEW = "new"
    """The remote parameters are not known yet."""
    CONNECTING = "connecting"
    """Connectivity checks and the DTLS handshake are under way."""
    CONNECTED = "connected"
    """Keys are in place, media flows."""
    DISCONNECTED = "disconnected"
    """Connected before, but no check has come for a while. It may come back by itself."""
    CLOSED = "closed"
    """For good; ``close_reason`` says why."""


class TransportInput(StrEnum):
    """What may happen to a transport."""

    CONNECT = "connect"
    SECURED = "secured"
    SILENT = "silent"
    HEARD = "heard"
    CLOSE = "close"


TRANSITIONS: dict[tuple[TransportState, TransportInput], TransportState] = {
    (TransportState.NEW, TransportInput.CONNECT): TransportState.CONNECTING,
    (TransportState.NEW, TransportInput.CLOSE): TransportState.CLOSED,
    (TransportState.CONNECTING, TransportInput.SECURED): TransportState.CONNECTED,
    (TransportState.CONNECTING, TransportInput.CLOSE): TransportState.CLOSED,
    (TransportState.CONNECTED, TransportInput.SILENT): TransportState.DISCONNECTED,
    (TransportState.CONNECTED, TransportInput.CLOSE): TransportState.CLOSED,
    (TransportState.DISCONNECTED, TransportInput.HEARD): TransportState.CONNECTED,
    (TransportState.DISCONNECTED, TransportInput.CLOSE): TransportState.CLOSED,
}
"""What is not here changes nothing."""


def next_state(state: TransportState, event: TransportInput) -> TransportState:
    """The state after ``event``: total, so that a late event never raises."""
    return TRANSITIONS.get((state, event), state)
