"""What a subscriber wishes, and what it is given. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sfu.layers.ladder import Ladder, Rungs

NO_LIMIT = 255
"""As a limit of layers: the best there is."""

FULL_FPS = 30.0


class Priority(IntEnum):
    """Whose picture suffers last: the higher the later."""

    OFF_SCREEN = 0
    """Scrolled away: worth its lowest layer, so that it is there when it comes into view."""
    VISIBLE = 1
    DOMINANT = 2
    """Who speaks."""
    SCREEN = 3
    PINNED = 4
    """Chosen by the person who looks."""


class Reason(StrEnum):
    """Why a subscriber gets no more of a source than it does; the values are words of the signaling protocol."""

    NONE = "none"
    """It gets the best there is."""
    NETWORK = "network"
    """More would not fit into what its network carries."""
    TILE = "tile_size"
    """More would not be seen at the size and frame rate that it is shown at."""
    PUBLISHER = "publisher"
    """The publisher does not send more, or nothing at all."""
    USER = "user"
    """The subscriber's own limit or pause."""
    POLICY = "policy"
    """The layer policy's limit."""
    SERVER = "server"
    """More would be more than the server has time for."""


class Choice(NamedTuple):
    """What a subscriber gets of one source."""

    spatial: int
    temporal: int
    reason: Reason
    bitrate_bps: int
    paused: bool = False
    """Nothing is sent; the layers mean nothing then."""


PAUSED_BY_NETWORK = Choice(0, 0, Reason.NETWORK, 0, paused=True)
PAUSED_BY_USER = Choice(0, 0, Reason.USER, 0, paused=True)
WAITING = Choice(0, NO_LIMIT, Reason.PUBLISHER, 0)
"""For a source that sends nothing now: its lowest layer may start at once when it does."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a source is shown. Sizes in device pixels; None: not known, so the full size is wished.

    ``max_…`` are the subscriber's limits, ``policy_…`` those of a ``LayerPolicy``.
    """

    width: int | None = None
    height: int | None = None
    fps: float = FULL_FPS
    priority: Priority = Priority.VISIBLE
    max_spatial: int = NO_LIMIT
    max_temporal: int = NO_LIMIT
    policy_spatial: int = NO_LIMIT
    policy_temporal: int = NO_LIMIT
    paused: bool = False

    @property
    def pixels(self) -> int | None:
        """Of the tile; nothing is seen of what is off the screen."""
        if self.priority is Priority.OFF_SCREEN:
            return 0
        if self.width is None or self.height is None:
            return None
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Demand:
    """One source that a subscriber may get. ``key`` tells it from the subscriber's others and stays the same."""

    key: str
    ladder: Ladder
    wish: Wish
    is_screen: bool = False
    _rungs: Rungs | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def rungs(self) -> Rungs:
        """The steps that it may be given. Found once: each decision asks for them three times."""
        found = self._rungs
        if found is None:
            found = self.ladder.rungs(self.wish, is_screen=self.is_screen)
            object.__setattr__(self, "_rungs", found)
        return found

    def limited(self, spatial: int = NO_LIMIT, temporal: int = NO_LIMIT) -> Demand:
        """The same with a policy's limit."""
        return replace(self, wish=replace(self.wish, policy_spatial=spatial, policy_temporal=temporal))

    def prioritized(self, priority: Priority) -> Demand:
        """The same in another class."""
        return replace(self, wish=replace(self.wish, priority=priority))


@dataclass(frozen=True, slots=True)
class Allocation:
    """One choice for each demand, in their order."""

    choices: tuple[Choice, ...]
    used_bps: int
    """Audio included."""
    desired_bps: int
    """What the network would have to carry to fill every wish, audio and margin included: what to probe for."""
