"""A producer: one published source of a transport, with one to four encodings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sfu.errors import StateError
from sfu.ids import ProducerId
from sfu.rtp.codecs import CodecId, EncodingParameters, Kind

if TYPE_CHECKING:
    from sfu.media.consumer import Consumer
    from sfu.media.transport import Transport

log = logging.getLogger(__name__)

MAX_ENCODINGS = 4
"""As the shard has it; browsers send at most three."""


class Producer:
    """Made by ``Transport.produce``; lives until it or its transport is closed.

    The shard forwards it to whatever consumers are switched to it. ``codec`` is known from the first
    packet on, and may change when the sender's does.
    """

    def __init__(self, transport: Transport, kind: Kind, mid: str, encodings: Sequence[EncodingParameters]) -> None:
        if not 1 <= len(encodings) <= MAX_ENCODINGS:
            raise StateError(f"a producer has 1 to {MAX_ENCODINGS} encodings, not {len(encodings)}")
        self.id = ProducerId(transport.link.handles.producer.allocate())
        self.transport = transport
        self.kind = kind
        self.mid = mid
        self.encodings = tuple(encodings)
        self.codec: CodecId | None = None
        self.paused = False
        self.closed = False
        self.consumers: set[Consumer] = set()
        self.on_codec: Callable[[Producer, CodecId], None] | None = None
        """First packet, or the codec changed."""
        self.on_encoding_active: Callable[[Producer, int], None] | None = None
        """An encoding, by index, began or ended to arrive."""
        self.on_close: Callable[[Producer], None] | None = None
        self._ssrcs: dict[int, int] = {}
        self._staged = (False, False)
        link = transport.link
        link.producers[self.id] = self
        link.port.add_producer(
            self.id, transport.id, kind.value, mid, [(item.rid, item.ssrc, item.rtx_ssrc) for item in encodings]
        )

    def pause(self) -> None:
        """Forwards nothing of it until ``resume``; its consumers then start with a keyframe."""
        self._set_paused(True)

    def resume(self) -> None:
        """Ends ``pause``."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if not self.closed and paused is not self.paused:
            self.paused = paused
            self.transport.link.port.pause_producer(self.id, paused)

    def stage(self, *, always: bool = False) -> None:
        """Brings it on its router's stage: audio only. ``always``: it counts as sounding unless it is digital silence,
        as what a screen plays does.
        """
        self._set_staged(True, always)

    def unstage(self) -> None:
        """Ends ``stage``."""
        self._set_staged(False, False)

    def _set_staged(self, staged: bool, always: bool) -> None:
        if not self.closed and (staged, always) != self._staged:
            self._staged = (staged, always)
            self.transport.link.port.stage_producer(self.id, staged, always)

    def request_keyframe(self) -> None:
        """Asks the sender for a keyframe; the shard limits how often it really asks."""
        if not self.closed and self.kind is Kind.VIDEO:
            self.transport.link.port.request_keyframe(self.id)

    def close(self) -> None:
        """Ends it. Its consumers stay, fed by nothing. Idempotent."""
        if self.closed:
            return
        self.detach()
        self.transport.link.port.remove_producer(self.id)

    def detach(self) -> None:
        """Takes it out of every table. For ``close`` and the closing transport, which tell the shard."""
        self.closed = True
        for consumer in list(self.consumers):
            consumer.switch(None)
        self.transport.link.producers.pop(self.id, None)
        self.transport.producers.pop(self.id, None)
        if self.on_close is not None:
            self.on_close(self)

    def encoding_started(self, index: int, ssrc: int, codec: CodecId) -> None:
        """The shard saw the first packet of an encoding, or its codec changed."""
        self._ssrcs[index] = ssrc
        if codec != self.codec:
            log.debug("producer %d codec %s -> %s", self.id, self.codec, codec)
            self.codec = codec
            if self.on_codec is not None:
                self.on_codec(self, codec)

    def encoding_active(self, index: int, *, active: bool) -> None:
        """The shard receives an encoding again, or has not for a while."""
        log.debug("producer %d encoding %d %s", self.id, index, "started" if active else "stopped")
        if self.on_encoding_active is not None:
            self.on_encoding_active(self, index)

    def stats(self) -> Mapping[str, Any]:
        """Counters of at most a second ago (names: ``ProducerStats``, ``EncodingStats`` in stats.rs); {} before any."""
        found: Mapping[str, Any] = self.transport.link.latest.get("producers", {}).get(self.id, {})
        return found

    def debug_state(self) -> dict[str, Any]:
        """What this side knows of it, for people."""
        return {
            "id": self.id,
            "transport": self.transport.id,
            "kind": self.kind.value,
            "mid": self.mid,
            "codec": f"{self.codec.name.value}/{self.codec.variant}" if self.codec else None,
            "ssrcs": dict(self._ssrcs),
            "paused": self.paused,
            "closed": self.closed,
            "consumers": sorted(consumer.id for consumer in self.consumers),
        }
