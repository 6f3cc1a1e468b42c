"""The example of docs/plugins.md, installed and loaded by name into a real server."""

from __future__ import annotations

import json
import os
import shutil
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import RunningServer, running_server
from websockets.asyncio.client import ClientConnection, connect

from sfu.access import Key, issue_token
from sfu.access.keys import Algorithm

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "doorkeeper"
SECRET = b"a secret of this test, long enough"


def install(folder: Path) -> None:
    """As an installer would: the packages, and metadata with the entry points."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    for package in project["tool"]["setuptools"]["packages"]:
        shutil.copytree(EXAMPLE / package, folder / package)
    described = project["project"]
    info = folder / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {described['version']}\n"
    )
    lines = []
    for group, points in described["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


async def join(server: RunningServer, meeting: str, name: str, **how: Any) -> Any:
    headers = {"Authorization": f"Bearer {how.pop('token')}"} if "token" in how else {}
    return await server.http.post(f"/meetings/{meeting}/join", json={"name": name, **how}, headers=headers)


async def request(socket: ClientConnection, number: int, name: str, **fields: object) -> Any:
    """Its reply; what else is told meanwhile is passed over."""
    await socket.send(json.dumps({"type": name, "id": number, **fields}))
    while True:
        message = json.loads(await socket.recv())
        if message.get("reply") == number:
            return message


def access_token(identity: str) -> str:
    claims = {"exp": time.time() + 600, "aud": "sfu", "jti": identity, "sub": identity, "sfu": {"record": True}}
    return issue_token(Key("", Algorithm.HS256, SECRET), claims)


async def test_the_example_is_installed_and_keeps_the_door(tmp_path: Path) -> None:
    packages, secret = tmp_path / "packages", tmp_path / "secret"
    packages.mkdir()
    install(packages)
    secret.write_bytes(SECRET)
    config = f"""
        plugins = ["meetings", "signaling_ws", "whip", "observability", "page", "doorkeeper"]
        [auth]
        keys = "{secret}"
        [plugin.doorkeeper]
        staff_domain = "example.org"
        unwanted = ["mallory"]
    """
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    async with running_server(tmp_path, config=config, env={"PYTHONPATH": path}) as server:
        made = (await server.http.post("/meetings", json={"recording": "allowed"})).json()
        meeting = made["id"]
        refused = await join(server, meeting, "Mallory")
        assert (refused.status_code, refused.json()["code"]) == (403, "refused")
        assert "Nobody called Mallory is expected." in refused.json()["detail"]
        guest = (await join(server, meeting, "Gus", host_token=made["host_token"])).json()
        people = (await server.http.get(f"/meetings/{meeting}/participants")).json()["participants"]
        assert [(one["name"], one["role"]) for one in people] == [("Gus (guest)", "participant")]
        async with connect(guest["signaling_url"], subprotocols=["sfu.v1.json"]) as socket:  # type: ignore[list-item]
            assert (await request(socket, 1, "hello", token=guest["token"]))["type"] == "welcome"
            screen = await request(socket, 2, "publish", source="screen")
            assert (screen["code"], screen["detail"]) == ("refused", "Guests do not share screens here.")
            assert (await request(socket, 3, "publish", source="camera"))["type"] == "reply"
            headers = {"Authorization": f"Bearer {guest['token']}"}
            answer = await server.http.post(f"/meetings/{meeting}/recordings", headers=headers)
            assert answer.status_code == 403, "a guest is no host, whatever token it brought"
        answer = await server.http.post(f"/meetings/{meeting}/recordings")
        assert answer.json()["detail"].startswith("Only staff have meetings recorded.")
        staff = await join(server, meeting, "Ann", token=access_token("ann@example.org"))
        assert staff.status_code == 200
        people = (await server.http.get(f"/meetings/{meeting}/participants")).json()["participants"]
        assert people[-1]["name"] == "Ann", "staff are not marked"
        assert (await server.http.get("/doorkeeper")).json() == {"guests": 1}
        metrics = await server.metrics()
        expected = [("join", "changed"), ("join", "denied"), ("publish", "changed"), ("publish", "denied")]
        for hook, outcome in [*expected, ("record", "denied")]:
            assert metrics[f'sfu_hook_total{{hook="before_{hook}",outcome="{outcome}"}}'] == 1
        assert metrics['sfu_hook_duration_seconds_count{hook="before_join"}'] == 3
        assert "hook_failed" not in server.log()
