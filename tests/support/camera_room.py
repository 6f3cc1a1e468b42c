"""A meeting whose cameras send what a test says, over a recording shard, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.attendee import Client
from tests.support.clock import VirtualClock
from tests.support.media import RecordingShard, World

from sfu.conference import Conference, ConferenceOptions, Source
from sfu.conference.allocation import BATCH
from sfu.conference.events import QualityChanged

RATES = (150_000, 500_000, 1_500_000)
SIZES = ((320, 180), (640, 360), (1280, 720))


def encoding(bps: int, size: tuple[int, int], *, active: bool = True) -> dict[str, Any]:
    rates = [bps // 2, bps * 7 // 10, bps, *([0] * 13)]
    return {
        "active": active,
        "ssrc": None,
        "codec": None,
        "layer_bitrates_bps": rates,
        "width": size[0],
        "height": size[1],
        "frame_rate": 30.0,
    }


def scalable_encoding(layers: int) -> dict[str, Any]:
    rates = [0] * 16
    rates[: 4 * layers : 4] = RATES[:layers]
    return encoding(0, SIZES[layers - 1]) | {"layer_bitrates_bps": rates}


class Room:
    """A meeting over a recording shard that reports what cameras send."""

    def __init__(self, **how: Any) -> None:
        self.world = World()
        self.clock = VirtualClock()
        self.clock._now = self.world.now
        options = ConferenceOptions(max_participants=BATCH * 4, adaptive=True)
        self.conference = Conference(self.world.engine, self.clock, options, **how)
        self.meeting = asyncio.run(self.conference.create_meeting("Stand-up"))
        self.sent: dict[int, list[bool]] = {}
        self.factor = 1.0
        """Of all rates."""
        self.layers: dict[int, int] = {}
        """Spatial layers of who has several in one encoding."""

    @property
    def shard(self) -> RecordingShard:
        return self.world.shard

    def join(self, name: str, *, publishes: Source | None = None, network_bps: int | None = 20_000_000) -> Client:
        client = Client(self.meeting, name)
        client.answer()
        if publishes is not None:
            client.attendee.publish(publishes)
        if network_bps is not None:
            self.estimate(client, network_bps)
        return client

    def advance(self, seconds: float) -> None:
        """A tenth of a second at a time; the shard's reports are of now."""
        for _ in range(round(seconds * 10)):
            for producer in self.producers():
                active = self.sent.get(producer.id, [True] * len(producer.encodings))
                encodings = zip(
                    [int(self.factor * bps) for bps in RATES[-len(active) :]],
                    SIZES[-len(active) :],
                    active,
                    strict=True,
                )
                self.shard.producers[producer.id] = {
                    "encodings": [encoding(bps, size, active=on) for bps, size, on in encodings]
                }
                if layers := self.layers.get(producer.id):
                    self.shard.producers[producer.id] = {"encodings": [scalable_encoding(layers)]}
            self.world.advance(0.1)
            self.clock.advance(0.1)

    def producers(self) -> list[Any]:
        return [
            producer
            for participant in self.meeting.participants.values()
            for producer in participant.transport.producers.values()
        ]

    def estimate(self, client: Client, bps: int, *, congested: bool = False) -> None:
        self.world.events(("bandwidth", client.attendee.transport.id, bps, congested, "delay"))
        self.clock.advance(0.0)

    def limits(self, client: Client, mid: str = "7") -> tuple[int, int] | None:
        """What the shard may send on a slot; None: paused."""
        consumer = client.attendee.slots.find(mid).consumer
        if consumer.paused:
            return None
        told = [args for args in self.shard.told("set_layers") if args[0] == consumer.id]
        return tuple(told[-1][1:])


def qualities(client: Client) -> list[tuple[str, str, str]]:
    return [(view.mid, view.state, view.reason) for event in client.heard(QualityChanged) for view in event.slots]
