"""What a subscriber ought to get, said without looking at how the shard does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.properties.rewrite_sources import Sent, Source

STOPPED_AFTER_US = 1_000_000
"""An encoding that was silent for so long is chosen again only once it sends."""


@dataclass
class Wanted:
    """The packets that a subscriber gets when nothing goes wrong upstream: of the chosen producer the best encoding
    within the limit, from a keyframe on, without the temporal layers above the limit.
    """

    is_simulcast: bool
    starts_anywhere: bool = False
    """Audio: every packet is as good a start as another."""
    producer: int | None = None
    is_paused: bool = False
    paused_producers: set[int] = field(default_factory=set)
    spatial: int = 255
    temporal: int = 255
    current: Source | None = None
    packets: list[Sent] = field(default_factory=list)
    interruptions: int = 0
    _temporal_now: int = 255
    _passes: bool = False
    _active: dict[int, set[int]] = field(default_factory=dict)
    _arrived_us: dict[tuple[int, int], int] = field(default_factory=dict)

    def choose(self, producer: int | None) -> None:
        if producer != self.producer:
            self.producer = producer
            self._interrupt()

    def pause(self, *, paused: bool) -> None:
        if paused != self.is_paused:
            self.is_paused = paused
            self._interrupt()

    def pause_producer(self, producer: int, *, paused: bool) -> None:
        if paused == (producer in self.paused_producers):
            return
        self.paused_producers ^= {producer}
        if producer == self.producer:
            self._interrupt()

    def _interrupt(self) -> None:
        self.current = None
        self.interruptions += 1

    def best_encoding(self, producer: int) -> int | None:
        """Of those that send."""
        allowed = {encoding for encoding in self._active.get(producer, set()) if encoding <= self.spatial}
        return max(allowed, default=None)

    def arrive(self, batch: list[Sent], now_us: int) -> None:
        """Packets of one producer, undisturbed and in order."""
        producer = batch[0].source.producer
        for sent in batch:
            self._arrived_us[producer, sent.source.encoding] = now_us
        if producer in self.paused_producers:
            return
        flowing = {
            encoding
            for (of, encoding), at_us in self._arrived_us.items()
            if of == producer and now_us - at_us < STOPPED_AFTER_US
        }
        self._active.setdefault(producer, set()).update(flowing)
        if producer == self.producer and not self.is_paused:
            for sent in batch:
                self._take(sent)

    def _take(self, sent: Sent) -> None:
        if not sent.packet.payload:
            return
        if sent.source is not self.current:
            is_best = not self.is_simulcast or sent.source.encoding == self.best_encoding(sent.source.producer)
            if not is_best or not (sent.starts_keyframe or self.starts_anywhere):
                return
            self.current = sent.source
        if sent.place == 0:
            self._passes = self._frame_passes(sent)
        if self._passes:
            self.packets.append(sent)

    def _frame_passes(self, sent: Sent) -> bool:
        """A higher layer comes in with a keyframe or with a frame that needs only the base layer (RFC 7741 §4.2, Y);
        a lower limit holds from the next frame on.
        """
        self._temporal_now = min(self._temporal_now, self.temporal)
        if sent.is_keyframe:
            self._temporal_now = self.temporal
        elif sent.is_sync and self._temporal_now < sent.tid <= self.temporal:
            self._temporal_now = sent.tid
        return sent.tid <= self._temporal_now
