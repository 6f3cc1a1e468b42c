"""What is said in a meeting's chat, as those in it are told: immutable, field by field as in ``docs/signaling.md``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChatMode(StrEnum):
    """Who may write; the values are words of the signaling protocol."""

    EVERYONE = "everyone"
    HOSTS = "hosts"
    """Hosts and co-hosts to everybody; the others to them directly, where direct messages are allowed."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ChatLine:
    """Something that was said to everybody. ``text`` None: it has been deleted."""

    seq: int
    at: str
    participant_id: str
    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class DirectLine(ChatLine):
    """Something that was said to one participant; only the two know of it."""

    to: str
    to_name: str


@dataclass(frozen=True, slots=True)
class ChatDeletion:
    """A line that was told before has been deleted, by its author or by a host."""

    seq: int
    deletes: int
    by: str | None


ChatEntry = ChatLine | ChatDeletion
"""``seq`` numbers all entries of a meeting; whoever is told of some is told in this order."""


@dataclass(frozen=True, slots=True)
class ChatSettingsView:
    """Who may write, and whether direct messages are allowed."""

    mode: str
    direct: bool


@dataclass(frozen=True, slots=True)
class ChatView(ChatSettingsView):
    """Of a ``welcome``. ``log`` names the log whose numbers are meant: they begin anew with another one. ``seq``: the
    last entry before those that will be told of.
    """

    log: str
    seq: int


@dataclass(frozen=True, slots=True)
class ChatPage:
    """Older lines, in their order; ``more``: there are older ones yet."""

    entries: tuple[ChatLine, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ChatSaid:
    """The number of what was said."""

    seq: int
