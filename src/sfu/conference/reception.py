"""The video that one transport receives: how each slot is shown, what it gets, and what its client is told of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sfu.clock import Clock
from sfu.conference.beat import Beat
from sfu.conference.events import QualityChanged
from sfu.conference.slot import Slot, SlotState, SlotTable
from sfu.conference.timeline import Timeline
from sfu.conference.track import Content, Source
from sfu.conference.views import QualityView
from sfu.layers import Allocation, Choice, Demand, Ladder, LayerPolicy, Priority, Reason, Subscriber, Wish
from sfu.layers.model import FULL_FPS
from sfu.media.producer import Producer
from sfu.media.states import TransportState
from sfu.media.transport import Transport

FIRST_VOICE_BPS = 54_000
"""Opus at 32 kbit/s in 50 packets a second of 54 bytes of headers each."""

OTHER_VOICE_BPS = 27_000
"""People rarely speak at once, and who listens sends next to nothing."""

MIN_BPS = 30_000
"""The least that an estimate falls to: one voice."""

ANSWER_S = 3.0
"""A client that is sent video and says nothing of how it arrives for so long has no way to say it: it gets what it
wishes. Browsers answer within 100 ms."""

MEASURING_S = 5.0
"""An estimate that is younger, and was never congested, is low because it has not been tried, not because more did not
fit. Until then everybody's lowest layer is: a picture paused for want of a proof is worse than a short queue."""

FIRST_MARGIN = 1.15
FIRST_GAIN = 6
"""So many times the start of the estimate is tried at most, as probes go so far in any case: one picture whose rate
nobody knows yet, or a gallery of lowest layers, not a wall of 49."""

HARMLESS_MOST_BPS = 1_000_000
"""The estimate is held no higher than this for the sake of lowest layers (``HARMLESS_LOSS``)."""

CEILING_MARGIN, RETURN_MARGIN = 1.02, 1.25
"""A ceiling for the server's load leaves so many times the lowest layers: a picture that stands still saves too little
for what it takes away. Where one does so, it leaves enough for a policy that is careful to bring it back."""

HARMLESS_LOSS = 0.3
HARMLESS_QUEUE_US = 50_000
"""While no more is lost and waits in the network, the lowest layers that are sent are evidently carried, however low
the estimate: they are neither paused nor held back for harm that is feared, only for harm that is seen. Radio loses at
random, and receivers short of processor time report arrivals that look like a queue."""

TELL_S, TELL_BURST = 1.0, 2
"""So many messages within that time say how good pictures are; then they gather. Somebody who comes into a meeting that
fills hears of nine slots one by one else.
"""

UNSEEN_MARGIN = 1.25
LONGEST_OUTDATED_S = 5.0
"""So long rates that a receiver has the network for may go on without a new decision."""

FULL, REDUCED, PAUSED = "full", "reduced", "paused"
"""``state`` of the signaling protocol's ``quality``."""


@dataclass(frozen=True, slots=True)
class Tile:
    """How a client shows a slot, in device pixels; 0 x 0: not in view."""

    width: int
    height: int
    fps: float = FULL_FPS
    pinned: bool = False


class Reception:
    """``ladder_of`` finds what a producer offers, ``wanted`` is told of each spatial layer that becomes a
    target, ``tell`` reaches the client.
    """

    def __init__(
        self,
        slots: SlotTable,
        transport: Transport,
        *,
        clock: Clock,
        id: str,  # noqa: A002
        policy: LayerPolicy,
        adaptive: bool,
        start_bps: int,
        max_bps: int,
        ladder_of: Callable[[Producer], Ladder],
        wanted: Callable[[Producer, int], None],
        tell: Callable[[QualityChanged], None],
    ) -> None:
        self.slots = slots
        self.transport = transport
        self.timeline = Timeline(transport)
        self._policy = policy
        self._adaptive = adaptive
        self._start_bps = start_bps
        self._ladder_of = ladder_of
        self._wanted = wanted
        self._tell = tell
        self._subscriber = Subscriber(id)
        self._tiles: Mapping[str, Tile] | None = None
        self._hidden = False
        self._dominant: str | None = None
        self._paused: set[str] = set()
        self._demands: tuple[Demand, ...] = ()
        self._fed: tuple[Slot, ...] = ()
        self._is_stale = False
        """Other slots than those that the allocation was made for are fed."""
        self._audio_bps = 0
        self._outdated_since: float | None = None
        self._unseen_bps = 0
        """What feeds cost more since they were looked at."""
        self._allocation = Allocation((), 0, 0)
        self._probed_bps = 0
        self._told: dict[str, tuple[str, Reason]] = {}
        self._untold: set[str] = set()
        self._beat = Beat(clock, lambda: TELL_S, self._tell_qualities, burst=TELL_BURST)
        self._first_bps = start_bps
        self._sending_since: float | None = None
        self._is_measured = False
        self._lowest_bps = 0
        """Of all that is shown, audio included."""
        self._ceiling_bps: int | None = None
        self._by_server = False
        """The ceiling, not the network, is why there is no more."""
        self._least_decisive_bps = 0
        """While it is the ceiling, an estimate above this changes nothing."""
        self._max_bps = max_bps
        self._least_bps = MIN_BPS
        if adaptive:
            transport.set_bandwidth(min_bps=MIN_BPS, start_bps=start_bps, max_bps=max_bps)

    # what its client says

    def show(self, tiles: Mapping[str, Tile], *, hidden: bool) -> None:
        """The whole layout, by mid: a slot without a tile is not in view. ``hidden``: nothing is (another tab is)."""
        self._tiles, self._hidden = dict(tiles), hidden

    def pause(self, mid: str, *, paused: bool) -> None:
        """The client does not want to see a slot for now."""
        if paused:
            self._paused.add(mid)
        else:
            self._paused.discard(mid)

    def hear(self, dominant: str | None) -> bool:
        """Who has the floor: his picture suffers late. True: that concerns one of those that are shown."""
        before, self._dominant = self._dominant, dominant
        if before == dominant:
            return False
        return any(slot.track is not None and slot.track.participant_id in (before, dominant) for slot in self._fed)

    # what it gets

    def may_wait(self, now: float, dearer_bps: int) -> bool:
        """A feed costs so much more than before, or less. True: every wish is filled and stays so, or it is the server
        that fills no more; it is looked at with the next decision, which ``tick`` makes in the end.
        """
        unseen_bps = self._unseen_bps + max(0, dearer_bps)
        estimate = self.transport.estimate_bps
        carried_bps = self._allocation.used_bps if self._by_server else self._allocation.desired_bps
        has_room = estimate is not None and estimate >= carried_bps + int(UNSEEN_MARGIN * unseen_bps)
        if not (self._subscriber.is_settled or self._by_server) or (self._adaptive and not has_room):
            return False
        self._unseen_bps = unseen_bps
        if self._outdated_since is None:
            self._outdated_since = now
        return True

    def hold(self, ceiling_bps: int | None) -> None:
        """For the sake of the server's load it is sent no more than this, from the next decision on; None: as much as
        its network carries.
        """
        self._ceiling_bps = ceiling_bps

    @property
    def is_indifferent(self) -> bool:
        """Whether the estimate that its network has now changes nothing, because the server gives less."""
        estimate = self.transport.estimate_bps
        return self._by_server and estimate is not None and estimate > self._least_decisive_bps

    @property
    def allocation(self) -> Allocation:
        """What was decided last."""
        return self._allocation

    @property
    def is_held(self) -> bool:
        """Whether the server's load is why it gets no more."""
        return self._by_server and any(choice.reason is Reason.NETWORK for choice in self._allocation.choices)

    @property
    def is_settled(self) -> bool:
        """Every wish is filled, and nothing is waited for."""
        return self._subscriber.is_settled

    @property
    def is_outdated(self) -> bool:
        """Something waits to be looked at; see ``may_wait``."""
        return self._outdated_since is not None

    def collect(self) -> None:
        """Looks anew at what feeds the slots, how they are shown and what the feeds offer."""
        self._outdated_since, self._unseen_bps = None, 0
        fed = tuple(slot for slot in self.slots.video if slot.is_fed and slot.state is SlotState.ACTIVE)
        demands = tuple(map(self._demand, fed))
        if fed != self._fed:
            self._fed, self._is_stale = fed, True
        if demands != self._demands:
            self._demands = demands
        audible = self.slots.audible
        self._audio_bps = FIRST_VOICE_BPS + OTHER_VOICE_BPS * (audible - 1) if audible else 0
        wished = (demand.rungs.costs for demand in demands if not demand.wish.paused)
        self._lowest_bps = self._audio_bps + sum(costs[0] for costs in wished if costs)
        if not self._is_measured:
            most = min(self._start_bps * FIRST_GAIN, self._max_bps)
            self._first_bps = max(self._start_bps, min(int(self._lowest_bps * FIRST_MARGIN), most))

    def decide(self, now: float) -> None:
        """Asks the policy and does what it says."""
        if self.transport.state is TransportState.CLOSED:
            return
        estimate_bps = self._estimate(now)
        allocation = self._select(now, self._below_ceiling(estimate_bps, CEILING_MARGIN))
        if self._by_server and any(choice.paused and choice.reason is Reason.NETWORK for choice in allocation.choices):
            allocation = self._select(now, self._below_ceiling(estimate_bps, RETURN_MARGIN))
        if allocation is self._allocation and not self._is_stale:
            return
        self._allocation, self._is_stale = allocation, False
        self._probe_for(allocation.desired_bps)
        choices = map(_by_server, allocation.choices) if self._by_server else allocation.choices
        for slot, demand, choice in zip(self._fed, self._demands, choices, strict=True):
            slot.prioritize(demand.wish.priority)
            if slot.choice is not choice:
                self._give(slot, choice)
        if self._untold:
            self._beat.due()
        shown = ((slot.mid, slot.choice if slot in self._fed else None) for slot in self.slots.video)
        self.timeline.decided(now, allocation.desired_bps, shown)

    def stop(self) -> None:
        """It receives no longer. Idempotent."""
        self._beat.stop()

    def tick(self, now: float) -> None:
        """Once a second: what time alone changes."""
        if self._outdated_since is not None and now - self._outdated_since >= LONGEST_OUTDATED_S:
            self.collect()
            self.decide(now)
        is_held = self._least_bps > MIN_BPS  # what is seen of the network, not the estimate, ends that
        measures = self._adaptive and bool(self._demands) and not self._is_measured
        if is_held or measures or not self._subscriber.is_settled:
            self.decide(now)
        for slot in self._fed:
            if slot.consumer is not None and slot.consumer.shed is not None:
                slot.give(slot.choice)  # the queue that made the shard shed has had its second

    # what it is told, and others are

    @property
    def qualities(self) -> tuple[QualityView, ...]:
        """Of each slot that has ever been fed, as told last."""
        return tuple(QualityView(mid, state, reason.value) for mid, (state, reason) in self._told.items())

    @property
    def state(self) -> str | None:
        """Of all pictures together: paused if all are, full if all are, None if there is none."""
        states = {_state(choice) for choice in self._allocation.choices}
        return None if not states else states.pop() if len(states) == 1 else REDUCED

    # inner

    def _tell_qualities(self) -> None:
        untold, self._untold = self._untold, set()
        self._tell(QualityChanged(tuple(view for view in self.qualities if view.mid in untold)))

    def _estimate(self, now: float) -> int | None:
        """What its network carries, for the policy; see ``ANSWER_S`` and ``MEASURING_S``."""
        if not self._adaptive:
            return None
        known = self.transport.estimate_bps
        if not self._demands or not self.transport.is_secured:
            self._sending_since = None
            return self._first_bps if known is None else known
        if self._sending_since is None:
            self._sending_since = now
        lasted_s = now - self._sending_since
        if known is None:
            return self._first_bps if lasted_s < ANSWER_S else None
        self._is_measured = self._is_measured or self.transport.congested or lasted_s >= MEASURING_S
        if not self._is_measured:
            return max(known, self._first_bps)
        self._support(known)
        return max(known, self._least_bps)

    def _select(self, now: float, available_bps: int | None) -> Allocation:
        return self._policy.select(now, available_bps, self._audio_bps, self._demands, self._subscriber)

    def _below_ceiling(self, estimate_bps: int | None, margin: float) -> int | None:
        """What there is for the policy to give away."""
        ceiling_bps, by_server = self._ceiling_bps, False
        if ceiling_bps is not None:
            ceiling_bps = max(ceiling_bps, int(self._lowest_bps * margin))
            by_server = estimate_bps is None or ceiling_bps < estimate_bps
            self._least_decisive_bps = ceiling_bps
        if by_server != self._by_server:
            self._by_server, self._is_stale = by_server, True  # the reasons are others, even if the choices are not
        return ceiling_bps if by_server else estimate_bps

    def _probe_for(self, desired_bps: int) -> None:
        """Nothing is tried on the network that the server would not send."""
        if self._by_server:
            desired_bps = min(desired_bps, self._allocation.used_bps)
        if self._adaptive and desired_bps != self._probed_bps:
            self._probed_bps = desired_bps
            self.transport.set_desired_bitrate(desired_bps)

    def _support(self, known: int) -> None:
        """Has the estimate fall no lower than what is evidently carried; see ``HARMLESS_LOSS``."""
        lowest = sum(
            demand.rungs.costs[0]
            for slot, demand in zip(self._fed, self._demands, strict=True)
            if demand.rungs.costs and slot.choice is not None and not slot.choice.paused
        )
        least_bps = MIN_BPS
        if lowest and known <= (needed := int((self._audio_bps + lowest) * FIRST_MARGIN)):
            stats = self.transport.stats()
            loss, queue_us = stats.get("loss") or 0.0, stats.get("queue_us") or 0  # a second old, or not there yet
            if loss < HARMLESS_LOSS and queue_us < HARMLESS_QUEUE_US:
                least_bps = min(needed, HARMLESS_MOST_BPS, self._max_bps)
        elif self._least_bps < known:
            return  # it does not need any support, and what it had costs nothing
        if least_bps != self._least_bps:
            self._least_bps = least_bps
            start_bps = max(self._start_bps, least_bps)
            self.transport.set_bandwidth(min_bps=least_bps, start_bps=start_bps, max_bps=self._max_bps)

    def _demand(self, slot: Slot) -> Demand:
        track = slot.track
        assert track is not None  # noqa: S101 - only what is fed is asked
        assert track.producer is not None  # noqa: S101
        is_screen = track.source is Source.SCREEN
        key = f"{slot.mid}:{track.producer.id}"
        wish = self._wish(slot, is_screen=is_screen)
        # A film on a screen is worth more frames, as a camera's picture is.
        is_still = is_screen and track.content is not Content.MOTION
        return Demand(key, self._ladder_of(track.producer), wish, is_still)

    def _wish(self, slot: Slot, *, is_screen: bool) -> Wish:
        tile = None if self._tiles is None else self._tiles.get(slot.mid, _NOT_IN_VIEW)
        priority = Priority.SCREEN if is_screen else Priority.VISIBLE
        if tile is not None and not tile.width * tile.height:
            priority = Priority.OFF_SCREEN
        elif tile is not None and tile.pinned:
            priority = Priority.PINNED
        elif slot.track is not None and slot.track.participant_id == self._dominant and not is_screen:
            priority = Priority.DOMINANT
        return Wish(
            width=tile.width if tile else None,
            height=tile.height if tile else None,
            fps=tile.fps if tile else FULL_FPS,
            priority=priority,
            max_spatial=slot.limit.spatial,
            max_temporal=slot.limit.temporal,
            paused=self._hidden or slot.mid in self._paused,
        )

    def _give(self, slot: Slot, choice: Choice) -> None:
        slot.give(choice)
        if slot.track is not None and slot.track.producer is not None and not choice.paused:
            self._wanted(slot.track.producer, choice.spatial)
        told = (_state(choice), choice.reason)
        if self._told.get(slot.mid) != told:
            self._told[slot.mid] = told
            self._untold.add(slot.mid)


def _state(choice: Choice) -> str:
    if choice.paused:
        return PAUSED
    return FULL if choice.reason in {Reason.NONE, Reason.TILE} else REDUCED


@lru_cache(4096)
def _by_server(choice: Choice) -> Choice:
    """The same choice, always the same object for it, of which the server is the reason and not the network."""
    return choice._replace(reason=Reason.SERVER) if choice.reason is Reason.NETWORK else choice


_NOT_IN_VIEW = Tile(0, 0)
