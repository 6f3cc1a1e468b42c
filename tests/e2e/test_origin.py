"""Which pages may open a signaling socket, at a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.server import running_server
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.e2e


async def test_a_socket_is_for_the_servers_own_pages_and_for_sites_that_were_named(tmp_path: Path) -> None:
    async with running_server(tmp_path, config='[admission]\norigins = ["https://friend.example"]\n') as server:
        address = f"{server.ws_url}/meetings/standup/signaling"
        for origin in (None, server.url, "https://friend.example"):
            async with connect(address, origin=origin, subprotocols=["sfu.v1.json"]) as socket:
                assert socket.subprotocol == "sfu.v1.json"
        for origin in ("https://evil.example", "null", f"{server.url}.evil.example"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(address, origin=origin, subprotocols=["sfu.v1.json"])
            assert caught.value.response.status_code == 403
