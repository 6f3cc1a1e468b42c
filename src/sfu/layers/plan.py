"""The order in which bandwidth is given away, and what a budget buys in it. Stateless.

The order is worked out once for a set of demands, whatever the budget: first the lowest step of everybody, the highest
class first; then, again and again, the next step of whoever is farthest from its wish, in doublings of pixels a second
weighted by class. One rule comes before that: a step does not go ahead of a cheaper one of a higher class. A step that
does not fit into what is left is passed over, and with it all later steps of the same demand.

So with a larger budget nobody gets less unless somebody of the same or a higher class gets more, or somebody comes
back from a pause. The proof: take the first step where two budgets part. It fits into the larger one alone, so what the
smaller one has left is less than it costs; and every higher class's next step costs at least as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sfu.layers.ladder import Rungs
from sfu.layers.model import Priority

WEIGHTS = {
    Priority.OFF_SCREEN: 0.5,
    Priority.VISIBLE: 1.0,
    Priority.DOMINANT: 2.0,
    Priority.SCREEN: 3.0,
    Priority.PINNED: 4.0,
}
"""How much a doubling that is missing counts. Chosen so that a speaker two doublings short goes before a visible
camera that is three short, and after one that is at its lowest layer of nine."""

NEVER = 1 << 62
"""More bits per second than there will be."""

Step = tuple[int, int, int]
"""(demand, level that it reaches, bits per second that it adds)"""


class Filling(NamedTuple):
    """What a budget bought. ``levels``: index into the rungs of each demand, -1 for nothing."""

    levels: tuple[int, ...]
    used_bps: int
    next_base_bps: int
    """With a budget for lowest steps below this, and"""
    next_raise_bps: int
    """one for all below this, but none below ``used_bps``, the result is the same."""


class Plan:
    """The steps for demands with these rungs and classes."""

    __slots__ = ("_bases", "_count", "_raises", "wished_bps")

    def __init__(self, demands: Sequence[tuple[Rungs, Priority]]) -> None:
        sending = [(index, rungs, priority) for index, (rungs, priority) in enumerate(demands) if rungs.costs]
        order = sorted(sending, key=lambda item: -item[2])
        self._count = len(demands)
        self._bases: list[Step] = [(index, 0, rungs.costs[0]) for index, rungs, _ in order]
        self._raises = _raises(sending)
        self.wished_bps = sum(rungs.costs[-1] for _, rungs, _ in sending)

    def fill(self, base_bps: int, raise_bps: int, most: Sequence[int] | None = None) -> Filling:
        """Spends a budget from nothing; ``raise_bps`` of it for more than lowest steps. ``most``: levels
        that no demand may pass, but that the lowest is open to all.
        """
        levels = [-1] * self._count
        used = 0
        next_base = next_raise = NEVER
        for demand, level, cost in self._bases:
            if used + cost <= (base_bps if most is None or most[demand] >= 0 else raise_bps):
                used += cost
                levels[demand] = level
            elif used + cost < next_base:
                next_base = used + cost
        for demand, level, cost in self._raises:
            if levels[demand] != level - 1 or (most is not None and most[demand] < level):
                continue
            if used + cost <= raise_bps:
                used += cost
                levels[demand] = level
            elif used + cost < next_raise:
                next_raise = used + cost
        return Filling(tuple(levels), used, next_base, next_raise)

    def add(self, held: Sequence[int], used_bps: int, base_bps: int, raise_bps: int) -> Filling:
        """Spends what is left of a budget beside levels that stay as they are or rise."""
        levels = list(held)
        used = used_bps
        next_base = next_raise = NEVER
        for demand, level, cost in self._bases:
            if levels[demand] < 0:
                if used + cost <= base_bps:
                    used += cost
                    levels[demand] = level
                else:
                    next_base = min(next_base, used + cost)
        for demand, level, cost in self._raises:
            if levels[demand] == level - 1:
                if used + cost <= raise_bps:
                    used += cost
                    levels[demand] = level
                else:
                    next_raise = min(next_raise, used + cost)
        return Filling(tuple(levels), used, next_base, next_raise)


def _raises(sending: Sequence[tuple[int, Rungs, Priority]]) -> list[Step]:
    """Steps above the lowest, in order."""
    ranked: list[tuple[float, Priority, Step]] = []
    queues: dict[Priority, list[list[Step]]] = {}
    next_of: dict[int, list[Step]] = {}
    for index, rungs, priority in sending:
        weight = -WEIGHTS[priority]
        own = []
        for level, (missing, cost) in enumerate(rungs.increments, 1):
            step = (index, level, cost)
            own.append(step)
            ranked.append((weight * missing, priority, step))
        own.reverse()
        queues.setdefault(priority, []).append(own)
        next_of[index] = own
    ranked.sort()
    above = {
        priority: [own for higher in sorted(queues, reverse=True) if higher > priority for own in queues[higher]]
        for priority in queues
    }
    steps: list[Step] = []
    taken: set[Step] = set()
    for _, priority, step in ranked:
        if step in taken:
            continue
        cost = step[2]
        for own in above[priority]:
            while own and own[-1][2] <= cost:
                cheaper = own.pop()
                taken.add(cheaper)
                steps.append(cheaper)
        next_of[step[0]].pop()
        steps.append(step)
    return steps
