"""The control plane's view of one transport's ICE: credentials, generations, state. Sans-IO, ICE-lite.

Checks are answered in the data plane (RFC 8445 §6.1.1: a lite agent only answers); what it reports comes in
here as events. The table ``TRANSITIONS`` is the whole machine.
"""

from __future__ import annotations

import logging
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from sfu.errors import StateError

logger = logging.getLogger(__name__)

UFRAG_CHARS = 8
"""47 bits; RFC 8445 §5.3 asks for 24, and the data plane tells transports apart by it."""
PWD_CHARS = 24
"""142 bits; RFC 8445 §5.3 asks for 128."""
_ALPHABET = (string.ascii_letters + string.digits).encode()
_EVENLY = 256 - 256 % len(_ALPHABET)
_CHARACTER_OF_BYTE = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_PASSED_OVER = bytes(range(_EVENLY, 256))


class IceState(StrEnum):
    NEW = "new"
    CHECKING = "checking"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"


class IceEvent(StrEnum):
    REMOTE_KNOWN = "remote_known"
    SELECTED = "selected"
    CONSENT_EXPIRED = "consent_expired"
    RESTARTED = "restarted"
    CLOSED = "closed"


TRANSITIONS: Mapping[tuple[IceState, IceEvent], IceState] = {
    (IceState.NEW, IceEvent.REMOTE_KNOWN): IceState.CHECKING,
    # A client's checks may overtake its answer: they need nothing of it.
    (IceState.NEW, IceEvent.SELECTED): IceState.CONNECTED,
    (IceState.NEW, IceEvent.CONSENT_EXPIRED): IceState.DISCONNECTED,
    (IceState.NEW, IceEvent.RESTARTED): IceState.NEW,
    (IceState.NEW, IceEvent.CLOSED): IceState.CLOSED,
    (IceState.CHECKING, IceEvent.REMOTE_KNOWN): IceState.CHECKING,
    (IceState.CHECKING, IceEvent.SELECTED): IceState.CONNECTED,
    (IceState.CHECKING, IceEvent.CONSENT_EXPIRED): IceState.DISCONNECTED,
    (IceState.CHECKING, IceEvent.RESTARTED): IceState.CHECKING,
    (IceState.CHECKING, IceEvent.CLOSED): IceState.CLOSED,
    (IceState.CONNECTED, IceEvent.REMOTE_KNOWN): IceState.CONNECTED,
    # The client roamed, or nominated another pair.
    (IceState.CONNECTED, IceEvent.SELECTED): IceState.CONNECTED,
    (IceState.CONNECTED, IceEvent.CONSENT_EXPIRED): IceState.DISCONNECTED,
    # The old pair carries media until one of the new generation is selected (RFC 8445 §2.4).
    (IceState.CONNECTED, IceEvent.RESTARTED): IceState.CONNECTED,
    (IceState.CONNECTED, IceEvent.CLOSED): IceState.CLOSED,
    (IceState.DISCONNECTED, IceEvent.REMOTE_KNOWN): IceState.DISCONNECTED,
    (IceState.DISCONNECTED, IceEvent.SELECTED): IceState.CONNECTED,
    (IceState.DISCONNECTED, IceEvent.CONSENT_EXPIRED): IceState.DISCONNECTED,
    (IceState.DISCONNECTED, IceEvent.RESTARTED): IceState.CHECKING,
    (IceState.DISCONNECTED, IceEvent.CLOSED): IceState.CLOSED,
    # Events of the data plane may still be under way when the transport closes.
    (IceState.CLOSED, IceEvent.SELECTED): IceState.CLOSED,
    (IceState.CLOSED, IceEvent.CONSENT_EXPIRED): IceState.CLOSED,
    (IceState.CLOSED, IceEvent.CLOSED): IceState.CLOSED,
}


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """Username fragment and password of one generation."""

    ufrag: str
    pwd: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """From the system's source of secrets."""
        return cls(_random_word(UFRAG_CHARS), _random_word(PWD_CHARS))


def _random_word(length: int) -> str:
    """Each character as likely as every other: of the bytes that the system gives those are passed over which would
    come round to the first characters once more. One call to the system is enough for most words.
    """
    word = ""
    while len(word) < length:
        word += secrets.token_bytes(2 * length).translate(_CHARACTER_OF_BYTE, _PASSED_OVER).decode()
    return word[:length]


class IceSession:
    """ICE of one transport, as the control plane knows it. Used from the control thread only.

    ``generation`` counts restarts; ``remote_address`` is the client's selected address, None before the first.
    """

    def __init__(self, local: IceCredentials | None = None, *, name: str = "") -> None:
        self.local = local or IceCredentials.generate()
        self.remote: IceCredentials | None = None
        self.remote_address: tuple[str, int] | None = None
        self.generation = 0
        self.state = IceState.NEW
        self._name = name

    def set_remote(self, remote: IceCredentials) -> None:
        """The remote description is known. The same credentials again change nothing."""
        self._change(IceEvent.REMOTE_KNOWN)
        self.remote = remote

    def select(self, address: tuple[str, int]) -> None:
        """The data plane reports a nominated pair, or the client's new address."""
        if self._change(IceEvent.SELECTED) is not IceState.CLOSED:
            self.remote_address = address

    def expire_consent(self) -> None:
        """No valid check for 30 s (RFC 7675 §5.1)."""
        self._change(IceEvent.CONSENT_EXPIRED)

    def restart(self) -> IceCredentials:
        """New local credentials, a new generation (RFC 8445 §9). The caller gives them to the data plane."""
        self._change(IceEvent.RESTARTED)
        self.generation += 1
        self.local = IceCredentials.generate()
        return self.local

    def close(self) -> None:
        """Idempotent."""
        self._change(IceEvent.CLOSED)

    def _change(self, event: IceEvent) -> IceState:
        before, after = self.state, TRANSITIONS.get((self.state, event))
        if after is None:
            raise StateError(f"ICE session is {before.value}: {event.value} is not possible")
        self.state = after
        if after is not before:
            logger.debug("- ice %s %s -> %s (%s)", self._name, before.value, after.value, event.value)
        return after
