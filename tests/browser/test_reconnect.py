"""What breaks comes back by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.browser.conftest import NewPerson
from tests.browser.tcp_proxy import CuttableProxy
from tests.support.noise import steady
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until


async def test_a_cut_socket_comes_back_and_media_never_stops(new_person: NewPerson, server: RunningServer) -> None:
    path = f"/m/{await server.create_meeting()}"
    async with CuttableProxy(server.host, server.port) as proxy:
        ada, bo = await new_person("Ada"), await new_person("Bo")
        await ada.open_and_join(proxy.url + path)
        await bo.open_and_join(server.url + path)

        async def cut_and_back() -> None:
            before = await ada.remote_tile(bo)
            proxy.refusing = True
            if proxy.cut() == 0:
                pytest.fail("there was no connection to cut")
            await until(ada.badge, "the loss is shown", good=lambda state: state == "reconnecting")
            during = await ada.remote_tile(bo)
            await bo.press("microphone")
            proxy.refusing = False
            await ada.connected()
            microphone = "muted" if "microphone on" in before.label else "microphone on"
            await until(
                ada.labels, "what was missed is known", good=lambda said: any(f"Bo, {microphone}" in it for it in said)
            )
            after = await ada.remote_tile(bo)
            if after.key != before.key or await ada.page.evaluate("__probe.connections.length") != 1:
                pytest.fail("Ada's media began anew")
            assert before.frames < during.frames
            assert before.freezes_s == after.freezes_s

        await steady(cut_and_back, "media while the socket is away")


async def test_a_reload_leads_straight_back_into_the_meeting(new_person: NewPerson, meeting_link: str) -> None:
    ada, bo = await new_person("Ada"), await new_person("Bo")
    await ada.open_and_join(meeting_link)
    await bo.open_and_join(meeting_link)

    await ada.page.reload()

    await ada.connected()
    await asyncio.gather(ada.sees(bo), bo.sees(ada))


async def test_who_was_away_too_long_joins_again_without_a_click(new_person: NewPerson, tmp_path: Path) -> None:
    config = "[meeting]\nresume_window_s = 1.0\n"
    async with running_server(tmp_path, config=config) as server, CuttableProxy(server.host, server.port) as proxy:
        path = f"/m/{await server.create_meeting()}"
        ada, bo = await new_person("Ada"), await new_person("Bo")
        await ada.open_and_join(proxy.url + path)
        await bo.open_and_join(server.url + path)
        await bo.sees(ada)

        proxy.refusing = True
        proxy.cut()
        await until(bo.labels, "Ada has timed out", good=lambda labels: len(labels) == 1)
        proxy.refusing = False

        await ada.connected()
        await asyncio.gather(ada.sees(bo), bo.sees(ada))
        assert await ada.page.evaluate("__probe.connections.length") == 2
