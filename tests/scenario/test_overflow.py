"""When Python falls so far behind that events are lost, nothing stays wrong."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenario.test_meeting import meet, new_frames

from sfu.rtp.codecs import Kind

FULL, DRAINED = "full", "drained"


class LeakyQueue:
    """The shard's events, of which all are lost while it is full; then it says how many."""

    def __init__(self, shard: Any) -> None:
        self._shard = shard
        self.state = ""
        self.lost: list[tuple[Any, ...]] = []

    def poll_events(self, limit: int = 1024) -> list[tuple[Any, ...]]:
        events = self._shard.poll_events(limit)
        if self.state == FULL:
            self.lost += events
            return []
        if self.state == DRAINED:
            self.state = ""
            return [("overflow", len(self.lost)), *events]
        return events


def test_what_lost_events_would_have_said_is_read_from_a_snapshot(make_network, monkeypatch: pytest.MonkeyPatch):
    network = make_network()
    queue = LeakyQueue(network.port.shard)
    monkeypatch.setattr(network.port, "poll_events", queue.poll_events, raising=False)
    one, two = meet(network, 2)
    link = network.engine._links[0]
    videos = [c for c in two.attendee.transport.consumers.values() if c.kind is Kind.VIDEO and c.producer is not None]
    network.run_until(lambda: all(consumer.current_layers == (2, 0) for consumer in videos), within_s=5)
    queue.state = FULL
    one.move(("203.0.113.5", 5005))
    (slot,) = [slot for slot in two.attendee.slots.views() if slot.kind == "video" and slot.participant_id]
    two.attendee.set_layers(slot.mid, 0, 255)
    network.run(5)
    assert {event[0] for event in queue.lost} >= {"ice_selected", "consumer_layers"}
    watching = next(consumer for consumer in two.attendee.transport.consumers.values() if consumer.mid == slot.mid)
    assert one.attendee.transport.remote_address != ("203.0.113.5", 5005)
    assert watching.current_layers == (2, 0)
    queue.state = DRAINED
    network.run(3)
    assert one.attendee.transport.remote_address == ("203.0.113.5", 5005)
    assert watching.current_layers == (0, 0)
    heard = [producer for producer in link.producers.values() if producer.id in one.attendee.transport.router.positions]
    seen = [producer for producer in link.producers.values() if producer.consumers]
    assert len(heard) == 2
    assert {producer.codec.name for producer in (*heard, *seen)} == {"vp8", "opus"}
    assert network.engine.stats().failures == {"overflow": 1}
    assert new_frames(network, two, one, 1) >= 24
