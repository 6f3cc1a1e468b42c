"""How hosts have a meeting: what they said last, for everybody in it. Written down whole with each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.conference.chat_views import ChatMode
from sfu.conference.standings import Standing


@dataclass(frozen=True, slots=True)
class Orders:
    """What is not said is as agreed when the meeting was made."""

    locked: bool = False
    may_unmute: bool = True
    """Whether those who come and are no hosts may unmute themselves."""
    spotlight: tuple[str, ...] = ()
    chat: ChatMode | None = None
    direct: bool | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has of a meeting besides its record, for when it is opened again."""

    orders: Orders = Orders()
    standings: Sequence[Standing] = ()
    """The oldest first."""


NOTHING = Kept()
