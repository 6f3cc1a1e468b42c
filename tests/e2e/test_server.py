from __future__ import annotations

import pytest
from tests.support.server import RunningServer

pytestmark = pytest.mark.e2e


async def test_a_meeting_is_created_found_and_joined_over_http(server: RunningServer) -> None:
    created = (await server.http.post("/meetings", json={"title": "Stand-up"})).json()
    assert created["join_url"] == f"{server.url}/m/{created['id']}#{created['join_token']}"
    joined = await server.http.post(f"/meetings/{created['id']}/join", json={"name": "Ann"})
    assert joined.status_code == 200
    answer = joined.json()
    assert answer["signaling_url"] == f"{server.ws_url}/meetings/{created['id']}/signaling"
    assert answer["ingress"] == {"microphone": "0", "camera": "1", "screen": "2", "screen_audio": "3"}
    assert [slot["kind"] for slot in answer["slots"]] == ["audio"] * 3 + ["video"] * 4
    assert answer["resume_window_s"] == 30
    assert f" {server.media_port} typ host" in answer["offer"]["sdp"]
    found = (await server.http.get(f"/meetings/{created['id']}")).json()
    assert (found["title"], found["participants"]) == ("Stand-up", 1)
