"""When the layer policy is asked, and for whom: at once when an estimate, a feed or a wish changed, and once a second.

A turn of the event loop decides for at most ``BATCH`` receivers, so that a thousand of them hold up nobody; whose
network got worse goes first. Rates are read once a second, of a thousand in ten parts.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sfu.clock import Clock, Timer
from sfu.conference.events import QualityChanged
from sfu.conference.offering import Offering, TellEncodings
from sfu.conference.reception import Reception
from sfu.conference.slot import SlotTable
from sfu.conference.strain import Strain
from sfu.conference.track import Limits
from sfu.ids import ProducerId, TransportId
from sfu.layers import Ladder, LayerPolicy
from sfu.media.producer import Producer
from sfu.media.transport import Transport

log = logging.getLogger(__name__)

BATCH = 30
"""Some 5 ms when for each of nine videos everything has to be decided anew."""

REVIEW_S = 1.0
SLICE = 100
MAX_SLICES = 10
"""Everybody's second, in so many parts that one is short. Not more: what is costly is to wake up beside the packet
path, which has the caches by then."""


@dataclass(frozen=True, slots=True)
class ReceptionStats:
    """All receivers together."""

    states: Mapping[str, int]
    """Those who are shown anything, by ``Reception.state``."""
    estimates_bps: Sequence[int]
    """Of those whose network is known."""
    held: int = 0
    """How many get less for the sake of the server's load."""
    ceilings_bps: Mapping[int, int] = field(default_factory=dict)
    """What receivers of a shard get at most for that, by the index of those that are so busy."""


class Allocator:
    """Of one process. Costs nothing while nobody receives."""

    def __init__(
        self, clock: Clock, policy: LayerPolicy, *, adaptive: bool, start_bps: int, max_bps: int, max_load: float = 1.0
    ) -> None:
        self._clock = clock
        self._policy = policy
        self._adaptive = adaptive
        self._start_bps = start_bps
        self._max_bps = max_bps
        self._strain = Strain(max_load)
        self._receptions: dict[TransportId, Reception] = {}
        self._offerings: dict[ProducerId, Offering] = {}
        self._waiting: deque[TransportId] = deque()
        self._changed: dict[TransportId, bool] = {}
        """Whose turn is to come; True: more than the estimate changed."""
        self._slice = 0
        self._slices = 1
        self._tick_timer: Timer | None = None
        self._turn_timer: Timer | None = None

    # who receives

    def receive(
        self,
        participant_id: str,
        slots: SlotTable,
        transport: Transport,
        tell: Callable[[QualityChanged], None],
        max_bps: int | None = None,
    ) -> Reception:
        """From now on the video slots of a transport get what the policy says, until ``leave``. ``max_bps``: it is sent
        less than others at most.
        """
        most_bps = min(self._max_bps, max_bps or self._max_bps)
        reception = Reception(
            slots,
            transport,
            clock=self._clock,
            id=participant_id,
            policy=self._policy,
            adaptive=self._adaptive,
            start_bps=min(self._start_bps, most_bps),
            max_bps=most_bps,
            ladder_of=self._ladder,
            wanted=self._wanted,
            tell=tell,
        )
        reception.hold(self._strain.ceiling_of(transport.link))
        self._receptions[transport.id] = reception
        slots.on_feeds = lambda: self.touch(reception)
        slots.on_flow = lambda: self._flows(reception)
        transport.on_bandwidth = self._bandwidth
        self._start()
        return reception

    def leave(self, reception: Reception) -> None:
        """The transport receives no longer. Idempotent."""
        self._receptions.pop(reception.transport.id, None)
        reception.stop()
        reception.slots.on_feeds = reception.slots.on_flow = None
        reception.transport.on_bandwidth = None
        self._stop_if_idle()

    def touch(self, reception: Reception) -> None:
        """Its feeds or wishes changed."""
        self._enqueue(reception.transport.id, anew=True)

    def stats(self) -> ReceptionStats:
        """How everybody fares."""
        receptions = self._receptions.values()
        return ReceptionStats(
            states=Counter(state for reception in receptions if (state := reception.state) is not None),
            estimates_bps=tuple(
                estimate for reception in receptions if (estimate := reception.transport.estimate_bps) is not None
            ),
            held=sum(reception.is_held for reception in receptions),
            ceilings_bps=self._strain.ceilings_bps,
        )

    # who publishes

    def offer(self, producer: Producer, tell: TellEncodings | None) -> Offering:
        """A video producer can be received, until it is closed."""
        offering = self._offerings[producer.id] = Offering(producer, tell, self._clock.now())
        producer.on_encoding_active = self._encoding_active
        producer.on_close = self._closed
        self._start()
        return offering

    def limit(self, producer: Producer, limits: Limits) -> None:
        """No more of it reaches anybody, whoever asks for more."""
        offering = self._offerings.get(producer.id)
        if offering is not None and offering.limit(limits):
            for consumer in producer.consumers:
                self._enqueue(consumer.transport.id, anew=True)

    def keep_warm(self, producer: Producer, *, warm: bool) -> None:
        """Whether its smallest encoding is to be sent whoever watches, because it may be shown any moment."""
        if offering := self._offerings.get(producer.id):
            offering.keep_warm(self._clock.now(), warm=warm)

    # inner

    def _ladder(self, producer: Producer) -> Ladder:
        offering = self._offerings.get(producer.id)
        return (offering or self.offer(producer, None)).ladder

    def _wanted(self, producer: Producer, spatial: int) -> None:
        if offering := self._offerings.get(producer.id):
            offering.want(self._clock.now(), spatial)

    def _encoding_active(self, producer: Producer, _index: int) -> None:
        self._measure(producer.id)

    def _closed(self, producer: Producer) -> None:
        self._offerings.pop(producer.id, None)
        self._stop_if_idle()

    def _bandwidth(self, transport: Transport) -> None:
        reception = self._receptions.get(transport.id)
        if reception is None or not reception.is_indifferent:
            self._enqueue(transport.id, first=transport.congested)

    def _flows(self, reception: Reception) -> None:
        """A slot gets other layers: what the policy waited for, where not every wish is filled."""
        if not reception.is_settled and not reception.is_indifferent:
            self._enqueue(reception.transport.id)

    def _enqueue(self, transport_id: TransportId, *, anew: bool = False, first: bool = False) -> None:
        if transport_id not in self._changed:
            (self._waiting.appendleft if first else self._waiting.append)(transport_id)
        self._changed[transport_id] = anew or self._changed.get(transport_id, False)
        if self._turn_timer is None:
            self._turn_timer = self._clock.call_later(0.0, self._turn)

    def _turn(self) -> None:
        self._turn_timer = None
        now = self._clock.now()
        for _ in range(BATCH):
            if not self._waiting:
                return
            transport_id = self._waiting.popleft()
            anew = self._changed.pop(transport_id)
            if reception := self._receptions.get(transport_id):
                self._guarded(transport_id, self._decide, reception, now, anew)
        if self._waiting:
            self._turn_timer = self._clock.call_later(0.0, self._turn)

    @staticmethod
    def _decide(reception: Reception, now: float, anew: bool) -> None:
        if anew or reception.is_outdated:
            reception.collect()
        reception.decide(now)

    def _tick(self) -> None:
        self._slice += 1
        if self._slice >= self._slices:
            self._slice = 0
            self._slices = min(MAX_SLICES, 1 + len(self._receptions) // SLICE)
        self._start_timer()
        now, slices, part = self._clock.now(), self._slices, self._slice
        if part == 0:
            for held in self._strain.look(now, self._receptions.values()):
                self._enqueue(held.transport.id)
        for producer_id in [key for key in self._offerings if key % slices == part]:
            self._guarded(producer_id, self._measure, producer_id)
        for transport_id in [key for key in self._receptions if key % slices == part]:
            if reception := self._receptions.get(transport_id):
                self._guarded(transport_id, reception.tick, now)

    def _measure(self, producer_id: ProducerId) -> None:
        offering = self._offerings.get(producer_id)
        if offering is None:
            return
        now, before = self._clock.now(), offering.ladder
        if not offering.tick(now):
            return
        dearer_bps = offering.ladder.dearer_by(before)
        for consumer in offering.producer.consumers:
            reception = self._receptions.get(consumer.transport.id)
            if reception is not None and (dearer_bps is None or not reception.may_wait(now, dearer_bps)):
                self._enqueue(consumer.transport.id, anew=True)

    @staticmethod
    def _guarded(about: int, callback: Callable[..., None], *args: object) -> None:
        """A policy's bug about one must not stop the others."""
        try:
            callback(*args)
        except Exception:
            log.exception("allocation_failed for %d", about)

    def _start(self) -> None:
        if self._tick_timer is None:
            self._start_timer()

    def _start_timer(self) -> None:
        self._tick_timer = self._clock.call_later(REVIEW_S / self._slices, self._tick)

    def _stop_if_idle(self) -> None:
        if self._receptions or self._offerings:
            return
        for timer in (self._tick_timer, self._turn_timer):
            if timer is not None:
                timer.cancel()
        self._tick_timer = self._turn_timer = None
        self._waiting.clear()
        self._changed.clear()
