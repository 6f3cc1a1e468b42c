"""Chromium behind a network that loses packets, goes dark, or changes addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.support.noise import steady
from tests.support.relay import Relay
from tests.support.server import RunningServer
from tests.support.waiting import until

LOSS = 0.05
OBSERVED_FRAMES = 300
"""Some 15 s at the rate of the fake camera."""
LONGEST_FREEZE_MS = 1_000
LOST_SOUND = 60
"""Packets, at 10 % loss some 12 s."""
REMOTE_UFRAG = "/a=ice-ufrag:(\\S+)/.exec(__probe.connection()?.remoteDescription?.sdp)?.[1] ?? null"


async def meet(new_person: NewPerson, server: RunningServer, network: Relay) -> tuple[Person, Person]:
    """Ada is behind the relay, Bo is not."""
    link = f"{server.url}/m/{await server.create_meeting()}"
    addresses = {"from": f"{server.host} {server.media_port}", "to": "{} {}".format(*network.address)}
    ada = await new_person("Ada", script=f"globalThis.__relay = {json.dumps(addresses)}")
    bo = await new_person("Bo")
    await ada.open_and_join(link)
    await bo.open_and_join(link)
    await asyncio.gather(ada.sees(bo), bo.sees(ada))
    assert network.counts["up"] > 0
    assert network.counts["down"] > 0
    return ada, bo


async def test_losing_five_percent_of_packets_freezes_nothing(
    new_person: NewPerson, server: RunningServer, report: Callable[[str], None]
) -> None:
    async with Relay((server.host, server.media_port), seed=2026) as network:
        ada, bo = await meet(new_person, server, network)
        network.loss = LOSS
        await steady(lambda: watch(ada, bo, report), f"pictures at {LOSS:.0%} loss")


async def watch(ada: Person, bo: Person, report: Callable[[str], None]) -> None:
    """Ada and Bo see each other for a while without a freeze."""
    tiles = {ada: await ada.remote_tile(bo), bo: await bo.remote_tile(ada)}
    for person, tile in tiles.items():
        await person.page.evaluate("__probe.watchGaps", tile.key)

    async def frames() -> int:
        now = {ada: await ada.remote_tile(bo), bo: await bo.remote_tile(ada)}
        return min(now[person].frames - tiles[person].frames for person in now)

    await until(frames, "enough frames", good=lambda count: count >= OBSERVED_FRAMES, within_s=90)
    gaps = {person.name: await person.page.evaluate("__probe.gapNow()") for person in tiles}
    resent = {
        "to Ada": await ada.total("inbound-rtp", "retransmittedPacketsReceived"),
        "by Ada": await ada.total("outbound-rtp", "retransmittedPacketsSent"),
    }

    report(f"longest gap between frames at {LOSS:.0%} loss each way: {gaps}, packets sent again: {resent}")
    assert max(gaps.values()) < LONGEST_FREEZE_MS
    assert min(resent.values()) > 0


async def test_a_network_that_goes_dark_comes_back_by_an_ice_restart(
    new_person: NewPerson, server: RunningServer
) -> None:
    async with Relay((server.host, server.media_port)) as network:
        ada, bo = await meet(new_person, server, network)
        credentials = await ada.page.evaluate(REMOTE_UFRAG)

        network.loss = 1.0
        await until(ada.badge, "the loss is shown", good=lambda state: state == "reconnecting")
        await until(
            lambda: ada.page.evaluate(REMOTE_UFRAG),
            "new credentials",
            good=lambda ufrag: ufrag not in {None, credentials},
        )
        network.loss = 0.0

        await ada.connected()
        await asyncio.gather(ada.sees(bo), bo.sees(ada))
        assert await ada.page.evaluate("__probe.connections.length") == 1


async def test_a_network_that_stays_dark_leads_to_a_new_join(new_person: NewPerson, server: RunningServer) -> None:
    async with Relay((server.host, server.media_port)) as network:
        ada, bo = await meet(new_person, server, network)

        network.loss = 1.0
        await until(
            lambda: ada.page.evaluate("__probe.connections.length"), "a new join", good=lambda n: n > 1, within_s=90
        )
        network.loss = 0.0

        await ada.connected(within_s=60)
        await asyncio.gather(ada.sees(bo), bo.sees(ada))


async def test_media_follows_to_a_new_address(new_person: NewPerson, server: RunningServer) -> None:
    async with Relay((server.host, server.media_port)) as network:
        ada, bo = await meet(new_person, server, network)

        await network.move()

        await asyncio.gather(ada.sees(bo), bo.sees(ada))
        await ada.connected()
        assert await ada.page.evaluate("__probe.connections.length") == 1


async def test_sound_that_is_lost_comes_with_the_next_packet(
    new_person: NewPerson, server: RunningServer, report: Callable[[str], None]
) -> None:
    async with Relay((server.host, server.media_port), seed=2027) as network:
        ada, _ = await meet(new_person, server, network)

        async def sound() -> dict[str, float]:
            heard = [entry for entry in await ada.stats("inbound-rtp") if entry["kind"] == "audio"]
            return max(heard, key=lambda entry: entry["packetsReceived"])

        await ada.hears(1)
        network.down.loss = 2 * LOSS
        # What came twice without need is thrown away, which tells that it comes twice: after Ada's report of loss.
        calm = await sound()
        await until(
            sound,
            "frames that come twice",
            good=lambda now: now["packetsDiscarded"] - calm["packetsDiscarded"] >= 50,
            within_s=90,
        )

        async def is_repaired() -> None:
            start = await sound()
            end = await until(
                sound,
                "sound that is lost",
                good=lambda now: now["packetsLost"] - start["packetsLost"] >= LOST_SOUND,
                within_s=60,
            )
            lost_s = (end["packetsLost"] - start["packetsLost"]) * 0.02
            concealed_s = (end["concealedSamples"] - start["concealedSamples"]) / 48_000
            report(f"sound at {2 * LOSS:.0%} loss: {lost_s:.2f} s lost, of which {concealed_s:.2f} s were not repaired")
            assert concealed_s < lost_s / 2

        await steady(is_repaired, f"sound at {2 * LOSS:.0%} loss")
