"""Two hundred people come into a running meeting within two seconds: what its publishers are asked for, and what the
others see of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from tests.scenario.harness.network import Network
from tests.scenario.harness.peer import Peer
from tests.support.attendee import Client

from sfu.conference import Conference, ConferenceOptions, Meeting, Source
from sfu.dtls.session import DtlsConnected
from sfu.dtls.srtp import SrtpKeyMaterial, SrtpProfile
from sfu.media.states import TransportState

COMING = 200
STORM_S = 2.0
STEP_S = 0.1
MOST_PER_S = 3
"""Keyframe requests that may reach a publisher, of one encoding in any second."""


def come_in(meeting: Meeting, number: int) -> None:
    """Somebody joins whose client is fast and says nothing more: what is asked for him is the server's own doing."""
    client = Client(meeting, f"late {number}")
    client.answer(send=[])
    profile = SrtpProfile.AEAD_AES_128_GCM
    keys = SrtpKeyMaterial(profile, bytes(16), bytes(12), bytes(16), bytes(12))
    client.attendee.transport._secured(DtlsConnected("DTLS 1.3", profile, keys))


@pytest.mark.slow
def test_two_hundred_who_come_within_two_seconds_ask_publishers_for_little_and_disturb_nobody(make_network) -> None:
    network: Network = make_network(3)
    network.conference = Conference(network.engine, network.clock, ConferenceOptions(max_participants=500))
    meeting = asyncio.run(network.conference.create_meeting())
    watcher = Peer(network, meeting, 9)
    peers = [Peer(network, meeting, number) for number in range(1, 4)]
    for peer in peers:
        peer.publish(Source.CAMERA)
    network.run(3)
    since = network.clock.now()
    for number in range(COMING):
        network.clock.call_later(STORM_S * number / COMING, lambda number=number: come_in(meeting, number))
    asked: dict[tuple[int, int], list[int]] = defaultdict(list)
    for _ in range(round((STORM_S + 2) / STEP_S)):
        network.run(STEP_S)
        for producer, stats in network.port.shard.snapshot()["producers"].items():
            for index, encoding in enumerate(stats["encodings"]):
                asked[producer, index].append(encoding["plis"])
    second = round(1 / STEP_S)
    worst = max(
        later - earlier for counts in asked.values() for earlier, later in zip(counts, counts[second:], strict=False)
    )
    total = sum(counts[-1] - counts[0] for counts in asked.values())
    freezes = [watcher.longest_freeze_s(peer, since) for peer in peers]
    print(f"{total} keyframe requests, at most {worst} of one encoding in a second, freezes of {freezes}")
    assert len(meeting.participants) == COMING + 4
    assert {one.transport.state for one in meeting.participants.values()} == {TransportState.CONNECTED}
    assert total >= len(peers), "who comes needs a keyframe"
    assert worst <= MOST_PER_S
    assert max(freezes) < 0.2, "running video goes on"
