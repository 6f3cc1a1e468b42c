"""What a layer policy has to have. A public plugin point: ``[layers] policy = "module:object"``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sfu.layers.model import Allocation, Demand


@dataclass(slots=True)
class Subscriber:
    """Whom a policy decides for. Made once for each, and handed to every call for it.

    ``memory`` is the policy's own: None at first, then whatever the policy left there. ``is_settled`` is for it to say
    that time alone will not change its answer; who does not say so is asked once a second.
    """

    id: str = ""
    memory: Any = field(default=None, repr=False)
    is_settled: bool = False


class LayerPolicy(Protocol):
    """Decides what each subscriber gets. Called on the control plane's thread, thousands of times a second in a large
    server: it must not block, and should return the very same ``Allocation`` when nothing changes.
    """

    def select(
        self,
        now: float,
        estimate_bps: int | None,
        audio_bps: int,
        demands: Sequence[Demand],
        subscriber: Subscriber,
    ) -> Allocation:
        """What to send. ``estimate_bps``: what the network carries, None while nobody knows; ``audio_bps`` of it is
        taken already. ``demands`` is the same object as before when nothing about them changed. ``now``: seconds of a
        monotonic clock.
        """
