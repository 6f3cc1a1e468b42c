"""The layer policy that comes with the server: down at once, up only on evidence.

It spends the estimate by ``plan``. What makes it calm is what it remembers of each subscriber:

* Less is given as soon as the estimate does not carry what is sent, but that a dip of some per cent may last for
  ``DIP_S``. For ``WINDOW_S`` after that nobody gets more, but for what was paused and may come back.
* More is given when the estimate is ``MARGIN`` above what would be sent. Once the network has taken something back, the
  estimate at that moment (or nearly what was sent, when it fell by little) is the ``ceiling``: above it, the lowest
  estimate of the last two windows of ``WINDOW_S`` must be ``CAREFUL`` above; for lowest layers (back from audio alone)
  the estimate of the moment is enough, with the same margin. So an estimate that swings by a tenth makes at most the
  first mistake. One that has been ``BETTER`` than the ceiling for ``BETTER_S`` need not wait for the windows.
* The ceiling is forgotten when the network has shown to be a better one, or after ``CEILING_S``, ever longer.
* From the first mistake on every switch spends from an allowance of ``SWITCHES`` that grows by one in ``SWITCH_S``.
  When it is used up, more is given with ``CAREFUL`` alone. A network that has shown to be a better one has all of it
  again.
* Whom the bandwidth goes to changes at once when the wishes do. When only measured rates have shifted, nobody has to
  give for another one more often than every ``RESHUFFLE_S``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.layers.ladder import Rungs
from sfu.layers.model import PAUSED_BY_NETWORK, PAUSED_BY_USER, WAITING, Allocation, Choice, Demand, Priority, Reason
from sfu.layers.plan import NEVER, Filling, Plan
from sfu.layers.policy import Subscriber

MARGIN = 1.05
"""An estimate must be so much above what would be sent: keyframes and the encoders' own swings fit in."""

CAREFUL = 1.1 / 0.9
"""The same after the network took something back: an estimate anywhere within 10 % of the truth then never gives what
it has to take back at the other end of its swing."""

RELIEF = 0.95
"""When something has to go, so much of the estimate is spent on more than lowest layers: the queue drains, and an
estimate that creeps down costs one switch and not five."""

BETTER = 1.3
"""Both windows so much above the ceiling: the network is another one, or what took from it is gone. No swing by a tenth
shows that."""

BETTER_S = 0.9
"""For so long the estimate must be so much above before more is tried; the next tick of a second decides. What was
taken back is not forgotten by that."""

WINDOW_S = 2.5
"""Signal's rule: allocate against the lowest target of the last two such windows."""

CEILING_S = 30.0
CEILING_GROWTH = 4
LONGEST_CEILING_S = 600.0
"""How long a network that took something back is remembered: then it is tried once more with the usual margin. So many
times as long each time that it takes something back again, until it has not for the longest time."""

SWITCHES = 8
SWITCH_S = 150.0
"""However the estimate of a steady link swings, over some minutes it shows less than one switch a minute."""

NEAR = 0.75
FAILED = 0.97
"""An estimate that fell to no less than this share of what was sent is likely low because a queue of our own making is
being drained: then the ceiling is what was sent, a little less."""

DIP = 0.94
DIP_S = 0.9
"""An estimate that is lower than what is sent by no more than this is let pass for so long: draining a short queue
looks like that, and gives back within a second what it took. Nobody gets more meanwhile. The next tick of a second
decides."""

UNLIMITED = NEVER >> 1
"""The estimate while there is none."""

RESHUFFLE_S = 60.0
"""One visible change a minute is what a steady link may show."""

PLANS_KEPT = 4096
"""Subscribers who want the same of the same sources share a plan of some 5 kB."""


@dataclass(slots=True)
class Memory:
    """What is remembered of one subscriber."""

    estimate_bps: int = UNLIMITED
    window_since: float = float("-inf")
    window_bps: int = UNLIMITED
    last_window_bps: int = UNLIMITED
    ceiling_bps: int | None = None
    ceiling_since: float = float("-inf")
    ceiling_s: float = CEILING_S
    better_since: float | None = None
    """From then on the estimate has been ``BETTER`` than the ceiling."""
    switches_left: float = SWITCHES
    switched_at: float = float("-inf")
    short_since: float | None = None
    demands: Sequence[Demand] | None = None
    shape: tuple[object, ...] | None = None
    audio_bps: int = 0
    plan: Plan = field(default_factory=lambda: Plan(()))
    rungs: tuple[Rungs, ...] = ()
    filling: Filling = field(default=Filling((), 0, NEVER, NEVER))
    calm_until: float = float("-inf")
    reshuffle_at: float = float("-inf")
    wants_reshuffle: bool = False
    allocation: Allocation = field(default=Allocation((), 0, 0))

    def observe(self, now: float, estimate_bps: int) -> None:
        """Keeps the lowest estimate of this window and the one before. Between two calls it was the earlier one."""
        if now - self.window_since >= WINDOW_S:
            long_ago = now - self.window_since >= 2 * WINDOW_S
            self.last_window_bps = self.estimate_bps if long_ago else self.window_bps
            self.window_bps = estimate_bps
            self.window_since = now
        self.window_bps = min(self.window_bps, estimate_bps)
        self.estimate_bps = estimate_bps
        if self.ceiling_bps is None or estimate_bps <= BETTER * self.ceiling_bps:
            self.better_since = None
        elif self.better_since is None:
            self.better_since = now

    @property
    def lowest_bps(self) -> int:
        """The lowest estimate of the last two windows."""
        return min(self.window_bps, self.last_window_bps)

    def has_to_give(self, now: float, room: int) -> bool:
        """More is sent than there is room for: whether to act on it now."""
        if room < DIP * self.filling.used_bps:
            return True
        if self.short_since is None:
            self.short_since = now
        return now - self.short_since >= DIP_S

    def take_back(self, now: float) -> None:
        """The network takes something back; steps of one fall within two windows count as one."""
        passed_s = now - self.ceiling_since
        if passed_s >= LONGEST_CEILING_S:
            self.ceiling_s = CEILING_S
        elif passed_s > 2 * WINDOW_S:
            self.ceiling_s = min(LONGEST_CEILING_S, CEILING_GROWTH * self.ceiling_s)
        used_bps = self.audio_bps + self.filling.used_bps
        is_near = self.estimate_bps >= NEAR * used_bps
        self.ceiling_bps = max(self.estimate_bps, int(FAILED * used_bps)) if is_near else self.estimate_bps
        self.ceiling_since, self.short_since, self.better_since = now, None, None

    def forget_ceiling(self, now: float) -> None:
        """Forgets it when the time has come."""
        if self.ceiling_bps is None:
            return
        if self.lowest_bps > BETTER * self.ceiling_bps:
            self.ceiling_bps, self.switches_left = None, SWITCHES
        elif now - self.ceiling_since >= self.ceiling_s:
            self.ceiling_bps = None

    def may_switch(self, now: float) -> bool:
        """Whether more may be given that the network may take back: before it ever did so, and with a switch left."""
        return self.ceiling_since == float("-inf") or self._allowance(now) >= 1

    def count_switch(self, now: float) -> None:
        """Another picture is shown than before."""
        self.switches_left, self.switched_at = self._allowance(now) - 1, now

    def _is_better(self, now: float) -> bool:
        return self.better_since is not None and now - self.better_since >= BETTER_S

    def _allowance(self, now: float) -> float:
        return min(SWITCHES, self.switches_left + max(0.0, now - self.switched_at) / SWITCH_S)

    def budgets(self, now: float) -> tuple[int, int]:
        """What may be given where nothing is yet: in lowest layers, and in all."""
        estimate = self.estimate_bps
        if estimate >= UNLIMITED:
            return UNLIMITED, UNLIMITED
        raises = int(self.lowest_bps / CAREFUL)
        if self.may_switch(now):
            ceiling = None if self._is_better(now) else self.ceiling_bps
            carried = estimate if ceiling is None else min(estimate, ceiling)
            raises = max(raises, int(carried / MARGIN))
        return max(raises, int(estimate / CAREFUL)), raises


class StandardPolicy:
    """See the module. Deterministic; keeps plans that several subscribers share, and nothing else."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[tuple[Rungs, Priority], ...], Plan] = OrderedDict()

    def select(
        self,
        now: float,
        estimate_bps: int | None,
        audio_bps: int,
        demands: Sequence[Demand],
        subscriber: Subscriber,
    ) -> Allocation:
        """See ``LayerPolicy``."""
        memory = subscriber.memory
        if not isinstance(memory, Memory):
            memory = subscriber.memory = Memory()
        memory.observe(now, UNLIMITED if estimate_bps is None else estimate_bps)
        memory.forget_ceiling(now)
        if demands is not memory.demands:
            self._take(now, demands, audio_bps, memory)
        else:
            is_as_loud = audio_bps == memory.audio_bps
            memory.audio_bps = audio_bps
            _follow(now, memory)
            if not is_as_loud:
                _publish(memory)
        # With every wish filled only less can come, and less comes by an estimate.
        is_filled = memory.filling.next_raise_bps >= NEVER and not memory.wants_reshuffle
        subscriber.is_settled = is_filled and memory.short_since is None
        return memory.allocation

    def _take(self, now: float, demands: Sequence[Demand], audio_bps: int, memory: Memory) -> None:
        """Wishes or ladders may have changed."""
        pairs = tuple((_PAUSED if demand.wish.paused else demand.rungs, demand.wish.priority) for demand in demands)
        shape = tuple(
            (demand.key, rungs.shape, priority) for demand, (rungs, priority) in zip(demands, pairs, strict=True)
        )
        plan = self._plan(pairs)
        is_same = shape == memory.shape
        before = memory.filling
        memory.demands, memory.shape, memory.audio_bps, memory.plan = demands, shape, audio_bps, plan
        memory.rungs = tuple(rungs for rungs, _ in pairs)
        if is_same:
            used = sum(
                rungs.costs[level] for rungs, level in zip(memory.rungs, before.levels, strict=True) if level >= 0
            )
            memory.filling = Filling(before.levels, used, 0, 0)
            _follow(now, memory)
        else:
            # What was sent until now is carried, whomever it goes to.
            carried = max(0, min(before.used_bps, memory.estimate_bps - audio_bps))
            base_bps, raise_bps = (max(carried, budget - audio_bps) for budget in memory.budgets(now))
            memory.filling = plan.fill(base_bps, raise_bps)
            memory.wants_reshuffle = False
        _publish(memory)

    def _plan(self, pairs: tuple[tuple[Rungs, Priority], ...]) -> Plan:
        plan = self._plans.get(pairs)
        if plan is None:
            plan = self._plans[pairs] = Plan(pairs)
            if len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(pairs)
        return plan


def _follow(now: float, memory: Memory) -> None:
    """The estimate changed, or measured rates, or time passed."""
    filling, plan = memory.filling, memory.plan
    room = memory.estimate_bps - memory.audio_bps
    base_bps, raise_bps = (budget - memory.audio_bps for budget in memory.budgets(now))
    if now < memory.calm_until:
        raise_bps = min(raise_bps, filling.used_bps)
    if filling.used_bps > max(room, 0):
        if memory.has_to_give(now, room):
            _reduce(now, memory, room)
            _publish(memory)
        return
    memory.short_since = None
    if (
        base_bps >= filling.next_base_bps
        or raise_bps >= filling.next_raise_bps
        or (memory.wants_reshuffle and now >= memory.reshuffle_at and memory.may_switch(now))
    ):
        used = filling.used_bps
        wanted = plan.fill(max(used, base_bps), max(used, raise_bps))
        is_raise = all(new >= old for new, old in zip(wanted.levels, filling.levels, strict=True))
        brings_back = any(new >= 0 > old for new, old in zip(wanted.levels, filling.levels, strict=True))
        if is_raise or brings_back or now >= memory.reshuffle_at:
            memory.wants_reshuffle = False
            if not is_raise:
                memory.reshuffle_at = now + RESHUFFLE_S
        else:
            memory.wants_reshuffle = True
            wanted = plan.add(filling.levels, used, base_bps, raise_bps)
        if wanted.levels != filling.levels:
            memory.count_switch(now)
        memory.filling = wanted
        _publish(memory)


def _reduce(now: float, memory: Memory, room: int) -> None:
    """The network does not carry what is sent: nobody gets more, somebody less."""
    plan, held = memory.plan, memory.filling.levels
    memory.take_back(now)
    memory.count_switch(now)
    memory.calm_until, memory.reshuffle_at, memory.wants_reshuffle = now + WINDOW_S, now + RESHUFFLE_S, True
    filling = plan.fill(room, int(room * RELIEF), held)
    # Where the thresholds for more lie is worked out by the next call, with the careful margins.
    memory.filling = Filling(filling.levels, filling.used_bps, 0, 0)


def _publish(memory: Memory) -> None:
    """Puts the filling into the words of an allocation; the same object when it says the same."""
    plan = memory.plan
    choices = tuple(map(_choice, memory.rungs, memory.filling.levels))
    margin = MARGIN if memory.ceiling_bps is None else CAREFUL
    allocation = Allocation(
        choices,
        memory.audio_bps + memory.filling.used_bps,
        int(margin * (memory.audio_bps + plan.wished_bps)) + 1 if plan.wished_bps else memory.audio_bps,
    )
    if allocation != memory.allocation:
        memory.allocation = allocation


def _choice(rungs: Rungs, level: int) -> Choice:
    if level >= 0:
        return rungs.choices[level]
    if rungs is _PAUSED:
        return PAUSED_BY_USER
    return PAUSED_BY_NETWORK if rungs.choices else WAITING


_PAUSED = Rungs((), Reason.USER)
"""Of a source that its subscriber has paused."""
