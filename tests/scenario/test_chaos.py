"""People come, go, mute, move, ask for more and lose packets, in an order that a seed draws. Streams must stay such
that libsrtp and a decoder take them (the clients check each packet), and when it calms down everything works.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.scenario.harness.network import Link, Network
from tests.scenario.harness.peer import Peer

from sfu.conference import ConferenceOptions, Source

STEPS = 120
STEP_S = 0.2
MOST_PEOPLE = 6
CALM_S = 13.0
"""A receiver is heard with three keyframe requests in 10 s; who has just used them up waits for the next."""

OPTIONS = (
    pytest.param(ConferenceOptions(adaptive=False), id="as it comes"),
    pytest.param(ConferenceOptions(adaptive=True), id="adaptive"),
    pytest.param(ConferenceOptions(adaptive=True, start_bps=20_000_000), id="from a high estimate"),
)


class Crowd:
    """Draws what happens next."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.rng = random.Random(network.seed)  # its own: what happens does not depend on what is lost
        self.meeting = asyncio.run(network.conference.create_meeting("chaos"))
        self.present: list[Peer] = []
        self.muted: set[int] = set()
        self.numbers = iter(range(1, 200))
        self.history: list[str] = []

    def step(self) -> None:
        actions = [self.come, self.go, self.mute, self.unmute, self.move, self.restart_ice, self.ask_for_slots]
        actions += [self.limit_layers, self.turn_off, self.turn_on, self.nothing, self.nothing]
        action = self.rng.choice(actions)
        if not self.present and action != self.come:
            return
        self.history.append(f"{self.network.clock.now():.2f} {action.__name__}")
        action()

    def come(self) -> None:
        if len(self.present) < MOST_PEOPLE:
            link = Link(delay_s=self.rng.uniform(0.005, 0.1), jitter_s=0.02, loss=self.rng.choice((0, 0.02, 0.1)))
            tells_arrivals = self.network.conference.options.adaptive
            peer = Peer(self.network, self.meeting, next(self.numbers), link, tells_arrivals=tells_arrivals)
            peer.publish(Source.CAMERA, Source.MICROPHONE)
            self.present.append(peer)

    def go(self) -> None:
        if len(self.present) > 1:
            peer = self.present.pop(self.rng.randrange(len(self.present)))
            peer.stop()
            peer.attendee.leave()

    def anybody(self) -> Peer:
        return self.rng.choice(self.present)

    def mute(self) -> None:
        peer = self.anybody()
        if peer.is_filming:
            peer.attendee.mute(Source.CAMERA, muted=True)
            self.muted.add(peer.number)

    def unmute(self) -> None:
        for peer in self.present:
            if peer.number in self.muted and peer.is_filming:
                peer.attendee.mute(Source.CAMERA, muted=False)
        self.muted.clear()

    def move(self) -> None:
        peer = self.anybody()
        peer.move((f"203.0.113.{self.rng.randrange(1, 250)}", self.rng.randrange(1024, 60_000)))

    def restart_ice(self) -> None:
        self.anybody().attendee.restart_ice()

    def ask_for_slots(self) -> None:
        self.anybody().attendee.request_slots(self.rng.randrange(8))

    def limit_layers(self) -> None:
        peer = self.anybody()
        videos = [slot.mid for slot in peer.attendee.slots.views() if slot.kind == "video"]
        peer.attendee.set_layers(self.rng.choice(videos), self.rng.choice((0, 1, 2, 255)), 255)

    def turn_off(self) -> None:
        peer = self.anybody()
        if peer.is_filming and peer.number not in self.muted:
            peer.attendee.unpublish(Source.CAMERA)
            peer.stop_filming()

    def turn_on(self) -> None:
        peer = self.anybody()
        if not peer.is_filming:
            peer.publish(Source.CAMERA)

    def nothing(self) -> None:
        pass

    def calm_down(self) -> None:
        """Everybody is on, nothing is lost, everybody may see five others."""
        self.unmute()
        for peer in self.present:
            peer.link.loss = peer.link.jitter_s = 0
            peer.link.delay_s = 0.02
            if not peer.is_filming:
                peer.publish(Source.CAMERA)
            peer.attendee.request_slots(MOST_PEOPLE)
        self.network.run(CALM_S)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_streams_stay_sound_and_everything_works_in_the_end(make_network, seed, options):
    network = make_network(seed, options=options)
    crowd = Crowd(network)
    crowd.come()
    for _ in range(STEPS):
        crowd.step()
        network.run(STEP_S)
    crowd.calm_down()
    before = {(one.number, other.number): len(one.seen(other)) for one in crowd.present for other in crowd.present}
    heard = {(one.number, other.number): one.heard(other) for one in crowd.present for other in crowd.present}
    network.run(1)
    for one in crowd.present:
        assert one.state == "connected", f"seed {seed}: {one.attendee.transport.close_reason}"
        others = [other for other in crowd.present if other is not one]
        for other in others:
            frames = len(one.seen(other)) - before[one.number, other.number]
            assert frames >= 20, f"seed {seed}: {one.number} sees {frames} frames of {other.number}"
        voices = [count for other in others if (count := one.heard(other) - heard[one.number, other.number])]
        wanted = min(3, len(others))
        assert sum(voices) >= 45 * wanted, f"seed {seed}: {one.number} hears {voices}"
        assert len(voices) <= wanted + 1, f"seed {seed}: {one.number} hears {voices}"
    failures = network.engine.stats().failures
    assert failures["command"] == failures["callback"] == 0, f"seed {seed}"
    assert len(network.port.shard.snapshot()["transports"]) == len(crowd.present)
