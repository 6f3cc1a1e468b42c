"""A consumer: one outgoing RTP stream of a transport. What feeds it can be switched at any time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sfu.errors import StateError
from sfu.ids import ConsumerId
from sfu.rtp.codecs import CodecId, Kind

if TYPE_CHECKING:
    from sfu.media.producer import Producer
    from sfu.media.transport import Transport

log = logging.getLogger(__name__)

BEST_LAYER = 255
"""As a limit: the best there is."""


class Layers(NamedTuple):
    """A coordinate: spatial is the encoding (simulcast) or the spatial layer (SVC)."""

    spatial: int
    temporal: int


class Consumer:
    """Made by ``Transport.consume`` for one m-line; its SSRC and numbering go on through every switch."""

    def __init__(
        self, transport: Transport, kind: Kind, mid: str, *, ssrc: int, rtx_ssrc: int | None, cname: str
    ) -> None:
        self.id = ConsumerId(transport.link.handles.consumer.allocate())
        self.transport = transport
        self.kind = kind
        self.mid = mid
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.producer: Producer | None = None
        self.position: int | None = None
        """Of the stage, while it follows one: then the shard chooses what feeds it, and ``producer`` is None."""
        self.current_layers: Layers | None = None
        """What the shard forwards; None until a switch took effect."""
        self.preferred_layers = Layers(BEST_LAYER, BEST_LAYER)
        self.shed: Layers | None = None
        """What the shard fell back to by itself because too much waited to be sent; ``set_layers`` ends it."""
        self.unsupported_codec: CodecId | None = None
        """What the producer sends, when the remote side cannot decode it."""
        self.paused = False
        self.closed = False
        self.on_layers: Callable[[Consumer, Layers], None] | None = None
        self.on_codec_unsupported: Callable[[Consumer, CodecId], None] | None = None
        link = transport.link
        link.consumers[self.id] = self
        link.port.add_consumer(self.id, transport.id, kind.value, mid, ssrc, rtx_ssrc, cname)

    def switch(self, producer: Producer | None) -> None:
        """Feeds it from another producer of the same router, or from none. Video starts at a keyframe.

        While the transport cannot send yet the shard is not told: the keyframe that it would ask for would come
        for nothing, and the next may be asked for only 500 ms later. Raises ``StateError`` when the producer is
        closed, of another kind or of another router.
        """
        if self.closed or (producer is self.producer and self.position is None):
            return
        self.position = None
        if producer is not None:
            self._check(producer)
            producer.consumers.add(self)
        if self.producer is not None:
            self.producer.consumers.discard(self)
        self.producer = producer
        self.current_layers = None
        self.unsupported_codec = None
        if self.transport.is_secured:
            self.transport.link.port.switch_consumer(self.id, producer.id if producer else None)

    def follow_stage(self, position: int) -> None:
        """Feeds it from a position of its router's stage, whoever stands there, until ``switch`` or ``close``. Where
        that is its own client it is fed from the reserve. Audio only.
        """
        if self.closed or position == self.position:
            return
        self.switch(None)
        self.position = position
        if self.transport.is_secured:
            self.transport.link.port.stage_consumer(self.id, position)

    def start(self) -> None:
        """The transport can send from now on: tells the shard what was chosen before. By the transport."""
        if self.position is not None:
            self.transport.link.port.stage_consumer(self.id, self.position)
        elif self.producer is not None:
            self.transport.link.port.switch_consumer(self.id, self.producer.id)

    def _check(self, producer: Producer) -> None:
        if producer.closed:
            raise StateError(f"producer {producer.id} is closed")
        if producer.kind is not self.kind:
            raise StateError(f"consumer {self.id} takes {self.kind}, producer {producer.id} gives {producer.kind}")
        if producer.transport.router is not self.transport.router:
            raise StateError(f"consumer {self.id} and producer {producer.id} are of different routers")

    def set_layers(self, spatial: int = BEST_LAYER, temporal: int = BEST_LAYER) -> None:
        """The highest layers it may get, 0..255; ``BEST_LAYER`` sets no limit."""
        wanted = Layers(spatial, temporal)
        if not self.closed and (wanted != self.preferred_layers or self.shed is not None):
            self.preferred_layers = wanted
            self.shed = None
            self.transport.link.port.set_layers(self.id, spatial, temporal)

    def set_priority(self, priority: int) -> None:
        """0..255, 128 at first: the lowest of a transport sheds its layers first when too much waits to be sent."""
        if not self.closed:
            self.transport.link.port.set_priority(self.id, priority)

    def pause(self) -> None:
        """Sends nothing until ``resume``; then video starts with a keyframe."""
        self._set_paused(True)

    def resume(self) -> None:
        """Ends ``pause``."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if not self.closed and paused is not self.paused:
            self.paused = paused
            self.transport.link.port.pause_consumer(self.id, paused)

    def request_keyframe(self) -> None:
        """Asks for a keyframe of what feeds it."""
        if not self.closed and self.producer is not None:
            self.producer.request_keyframe()

    def close(self) -> None:
        """Ends the stream. Idempotent."""
        if self.closed:
            return
        self.detach()
        self.transport.link.port.remove_consumer(self.id)

    def detach(self) -> None:
        """Takes it out of every table. For ``close`` and the closing transport, which tell the shard."""
        self.closed = True
        if self.producer is not None:
            self.producer.consumers.discard(self)
            self.producer = None
        self.transport.link.consumers.pop(self.id, None)
        self.transport.consumers.pop(self.id, None)

    def layers_changed(self, producer_id: int, layers: Layers) -> None:
        """The shard forwards these layers from now on. Late news of an earlier producer is dropped."""
        if self.producer is None or self.producer.id != producer_id:
            return
        self.unsupported_codec = None
        if layers != self.current_layers:
            log.debug("consumer %d layers %s -> %s", self.id, self.current_layers, layers)
            self.current_layers = layers
            if self.on_layers is not None:
                self.on_layers(self, layers)

    def layers_shed(self, layers: Layers) -> None:
        """The shard lowered it to these layers by itself."""
        log.debug("consumer %d shed to %s", self.id, layers)
        self.shed = layers

    def codec_unsupported(self, producer_id: int, codec: CodecId) -> None:
        """The shard holds back what the remote side did not negotiate."""
        if self.producer is None or self.producer.id != producer_id or self.unsupported_codec == codec:
            return
        self.unsupported_codec = codec
        self.current_layers = None
        if self.on_codec_unsupported is not None:
            self.on_codec_unsupported(self, codec)

    def stats(self) -> Mapping[str, Any]:
        """Counters of at most a second ago (names: ``ConsumerStats`` in stats.rs); {} before any."""
        found: Mapping[str, Any] = self.transport.link.latest.get("consumers", {}).get(self.id, {})
        return found

    def debug_state(self) -> dict[str, Any]:
        """What this side knows of it, for people."""
        return {
            "id": self.id,
            "transport": self.transport.id,
            "kind": self.kind.value,
            "mid": self.mid,
            "ssrc": self.ssrc,
            "producer": self.producer.id if self.producer else None,
            "position": self.position,
            "current_layers": self.current_layers,
            "preferred_layers": self.preferred_layers,
            "unsupported_codec": self.unsupported_codec.name.value if self.unsupported_codec else None,
            "paused": self.paused,
            "closed": self.closed,
        }
