"""After lost events: brings the objects of a shard in line with a snapshot that is younger than the loss.

Lost DTLS datagrams need nothing here, the remote sends them again. What a snapshot can not tell is worked
out from what this side knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sfu.media.consumer import Consumer, Layers
from sfu.media.shard import Address, ShardLink
from sfu.rtp.codecs import CodecId, CodecName


def resync(link: ShardLink, snapshot: Mapping[str, Any], now: float) -> None:
    """Replays what the lost events would have said."""
    for transport_id, stats in snapshot["transports"].items():
        transport = link.transports.get(transport_id)
        if transport is None:
            continue
        address = parse_address(stats["remote"])
        if stats["state"] == "expired":
            transport.consent_expired()
        elif address is not None and address != transport.remote_address:
            transport.ice_selected(address, restarted=False, now=now)
        if stats["feedback"] is not None and stats["estimate_bps"] != transport.estimate_bps:
            transport.bandwidth_changed(stats["estimate_bps"], congested=transport.congested)
    for producer_id, stats in snapshot["producers"].items():
        producer = link.producers.get(producer_id)
        if producer is None:
            continue
        for index, encoding in enumerate(stats["encodings"]):
            if encoding["codec"] is not None and encoding["ssrc"] is not None:
                codec = CodecId(CodecName(encoding["codec"]), encoding["codec_variant"])
                producer.encoding_started(index, encoding["ssrc"], codec)
                producer.encoding_active(index, active=encoding["active"])
    _resync_stages(link, snapshot["stages"])
    for consumer_id, stats in snapshot["consumers"].items():
        consumer = link.consumers.get(consumer_id)
        if consumer is not None and stats["producer"] is not None:
            _resync_consumer(consumer, stats)


def _resync_stages(link: ShardLink, stages: Mapping[int, Sequence[int | None]]) -> None:
    for router in link.routers.values():
        router.stage_changed(stages.get(router.id, router.positions))


def _resync_consumer(consumer: Consumer, stats: Mapping[str, Any]) -> None:
    codec = consumer.producer.codec if consumer.producer else None
    receivable = {entry.codec for entry in consumer.transport.send_rtp.payload_types}
    if codec is not None and codec not in receivable:
        consumer.codec_unsupported(stats["producer"], codec)
    elif stats["spatial_layer"] is not None:
        consumer.layers_changed(stats["producer"], Layers(stats["spatial_layer"], stats["temporal_layer"] or 0))


def parse_address(text: str | None) -> Address | None:
    """``"192.0.2.1:5000"`` or ``"[2001:db8::1]:5000"`` as the shard writes addresses."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
