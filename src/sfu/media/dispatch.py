"""The way of an event from its shard to the object it is about. An event for an object that is closed by now
is dropped: the close was on its way when the event was made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sfu.ids import ConsumerId, ProducerId, RouterId, TransportId
from sfu.media.consumer import Layers
from sfu.media.shard import Address, ShardLink
from sfu.rtp.codecs import CodecId, CodecName

log = logging.getLogger(__name__)

NativeCodecId = tuple[str, int]


def dispatch(link: ShardLink, event: tuple[Any, ...], now: float) -> None:
    """Tells one event, as ``sfu/_native.pyi`` describes it, to its object."""
    name, *arguments = event
    handler = HANDLERS.get(name)
    if handler is None:
        log.error("unknown_event shard=%d event=%r", link.index, name)
    else:
        handler(link, now, *arguments)


def codec_of(native: NativeCodecId) -> CodecId:
    """The codec that ``(name, variant)`` means."""
    return CodecId(CodecName(native[0]), native[1])


def _dtls(link: ShardLink, now: float, transport_id: int, datagram: bytes) -> None:
    if transport := link.transports.get(TransportId(transport_id)):
        transport.handle_dtls(datagram, now)


def _ice_selected(
    link: ShardLink, now: float, transport_id: int, address: Address, _socket: int, restarted: bool
) -> None:
    if transport := link.transports.get(TransportId(transport_id)):
        transport.ice_selected(address, restarted=restarted, now=now)


def _consent_expired(link: ShardLink, _now: float, transport_id: int) -> None:
    if transport := link.transports.get(TransportId(transport_id)):
        transport.consent_expired()


def _encoding_started(
    link: ShardLink, _now: float, producer_id: int, index: int, ssrc: int, codec: NativeCodecId
) -> None:
    if producer := link.producers.get(ProducerId(producer_id)):
        producer.encoding_started(index, ssrc, codec_of(codec))


def _consumer_layers(
    link: ShardLink, _now: float, consumer_id: int, producer_id: int, spatial: int, temporal: int
) -> None:
    if consumer := link.consumers.get(ConsumerId(consumer_id)):
        consumer.layers_changed(producer_id, Layers(spatial, temporal))


def _consumer_codec_unsupported(
    link: ShardLink, _now: float, consumer_id: int, producer_id: int, codec: NativeCodecId
) -> None:
    if consumer := link.consumers.get(ConsumerId(consumer_id)):
        consumer.codec_unsupported(producer_id, codec_of(codec))


def _bandwidth(
    link: ShardLink, _now: float, transport_id: int, estimate_bps: int, congested: bool, _cause: str
) -> None:
    if transport := link.transports.get(TransportId(transport_id)):
        transport.bandwidth_changed(estimate_bps, congested=congested)


def _consumer_shed(link: ShardLink, _now: float, consumer_id: int, spatial: int, temporal: int) -> None:
    if consumer := link.consumers.get(ConsumerId(consumer_id)):
        consumer.layers_shed(Layers(spatial, temporal))


def _encoding_active(link: ShardLink, _now: float, producer_id: int, index: int, active: bool) -> None:
    if producer := link.producers.get(ProducerId(producer_id)):
        producer.encoding_active(index, active=active)


def _stage_changed(link: ShardLink, _now: float, router_id: int, positions: list[int | None]) -> None:
    if router := link.routers.get(RouterId(router_id)):
        router.stage_changed(positions)


def _levels(link: ShardLink, _now: float, router_id: int, levels: bytes) -> None:
    if router := link.routers.get(RouterId(router_id)):
        router.levels_heard(levels)


def _command_failed(link: ShardLink, _now: float, command: str, handle: int, reason: str) -> None:
    """A bug here: this side chose the ids."""
    link.failures["command"] += 1
    log.error("command_failed shard=%d command=%s id=%d reason=%s", link.index, command, handle, reason)


def _warning(link: ShardLink, _now: float, text: str) -> None:
    log.warning("shard_warning shard=%d: %s", link.index, text)


HANDLERS: dict[str, Callable[..., None]] = {
    "dtls": _dtls,
    "ice_selected": _ice_selected,
    "consent_expired": _consent_expired,
    "encoding_started": _encoding_started,
    "consumer_layers": _consumer_layers,
    "consumer_codec_unsupported": _consumer_codec_unsupported,
    "bandwidth": _bandwidth,
    "consumer_shed": _consumer_shed,
    "encoding_active": _encoding_active,
    "stage_changed": _stage_changed,
    "levels": _levels,
    "command_failed": _command_failed,
    "warning": _warning,
}
