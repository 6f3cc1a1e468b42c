"""Meetings that outlive the server, over SQLite and PostgreSQL: restarts, crashes, a database that is away."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.postgres import Postgres
from tests.support.server import RunningServer, free_port, running_server
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e


def sfu(*args: str, env: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sfu", *args], check=False, capture_output=True, text=True, env={**os.environ, **env}
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Of a server whose database has the newest schema."""
    env = {"SFU_STORE__DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        env["SFU_STORE__URL"] = postgres.create_database(f"db_{tmp_path.name}".replace("-", "_").lower())
        assert sfu("db", "upgrade", env=env)[0] == 0
    return env


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


async def join(server: RunningServer, meeting_id: str, name: str) -> Any:
    response = await server.http.post(f"/meetings/{meeting_id}/join", json={"name": name})
    response.raise_for_status()
    return response.json()


async def past(server: RunningServer, meeting_id: str) -> list[Any]:
    response = await server.http.get(f"/meetings/{meeting_id}/participants", params={"state": "past"})
    response.raise_for_status()
    found: list[Any] = response.json()["participants"]
    return found


async def test_a_meeting_goes_on_after_a_restart_as_its_host_had_it(storage: dict[str, str], tmp_path: Path) -> None:
    async with running_server(tmp_path, env=storage) as server:
        made = (await server.http.post("/meetings", json={"options": {"keep_chat": True}})).json()
        path = f"/meetings/{made['id']}"
        body = {"name": "Ann", "host_token": made["host_token"]}
        ann = (await server.http.post(f"{path}/join", json=body)).json()
        bob = (await server.http.post(f"{path}/join", json={"name": "Bob", "browser": "bob's"})).json()
        host = {"Authorization": f"Bearer {made['host_token']}"}
        for action, asked in (("remove", {"participant_id": bob["participant_id"]}), ("lock", {})):
            answer = await server.http.post(f"{path}/{action}", json=asked, headers=host)
            assert answer.status_code == 204, answer.text
    async with running_server(tmp_path, env=storage) as server:
        for body, code in (
            ({"name": "Bob", "browser": "bob's", "former_token": bob["token"]}, "removed"),
            ({"name": "Cid"}, "locked"),
        ):
            assert (await server.http.post(f"{path}/join", json=body)).json()["code"] == code
        again = await server.http.post(f"{path}/join", json={"name": "Ann", "former_token": ann["token"]})
        assert again.json()["participant_id"] == ann["participant_id"]
        assert again.json()["token"] != ann["token"]
        [here] = (await server.http.get(f"{path}/participants")).json()["participants"]
        assert here["role"] == "host"


async def test_meetings_and_who_was_in_them_outlive_a_restart_and_a_kill(
    storage: dict[str, str], tmp_path: Path
) -> None:
    async with running_server(tmp_path, env=storage) as server:
        made = (await server.http.post("/meetings", json={"title": "Weekly"})).json()
        ann = await join(server, made["id"], "Ann")
        await join(server, made["id"], "Bob")
        headers = {"Authorization": f"Bearer {ann['token']}"}
        assert (await server.http.post(f"/meetings/{made['id']}/leave", headers=headers)).status_code == 204
    async with running_server(tmp_path, env=storage) as server:
        found = (await server.http.get(f"/meetings/{made['id']}")).json()
        assert (found["title"], found["status"], found["participants"]) == ("Weekly", "active", 0)
        stays = await past(server, made["id"])
        assert [(one["name"], one["reason"]) for one in stays] == [("Ann", "left"), ("Bob", "server_stopping")]
        await join(server, made["id"], "Cid")

        async def is_written() -> bool:
            metrics = await server.metrics()
            return metrics['sfu_store_facts_total{what="written"}'] >= 1 and metrics["sfu_store_waiting"] == 0

        await until(is_written)
        await server.kill()
    async with running_server(tmp_path, env=storage) as server:
        stays = await past(server, made["id"])
        assert [(one["name"], one["reason"]) for one in stays][2:] == [("Cid", "server_lost")]


async def test_a_meeting_goes_on_while_postgresql_is_killed_and_its_writes_come_later(
    postgres: Postgres, tmp_path: Path
) -> None:
    env = {
        "SFU_STORE__DATA_DIR": str(tmp_path / "data"),
        "SFU_STORE__URL": postgres.create_database("killed"),
    }
    sfu("db", "upgrade", env=env)
    async with running_server(tmp_path, env=env) as server:
        made = (await server.http.post("/meetings", json={"title": "Weekly"})).json()
        await join(server, made["id"], "Ann")
        postgres.kill()
        try:
            joined = [await join(server, made["id"], f"Guest {number}") for number in range(5)]
            headers = {"Authorization": f"Bearer {joined[0]['token']}"}
            await server.http.post(f"/meetings/{made['id']}/leave", headers=headers)

            async def is_told() -> bool:
                return (await server.http.get("/readyz")).status_code == 503

            await until(is_told)
            assert "database" in (await server.http.get("/readyz")).json()["reasons"][0]
            refused = await server.http.get("/meetings")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert int(refused.headers["retry-after"]) > 0
            meanwhile = (await server.http.post("/meetings", json={"title": "Meanwhile"})).json()
            await join(server, meanwhile["id"], "Dan")
        finally:
            postgres.start()

        async def is_back() -> bool:
            return (await server.http.get("/readyz")).status_code == 200

        await until(is_back)
        listed = (await server.http.get("/meetings")).json()["meetings"]
        assert {one["title"] for one in listed} == {"Weekly", "Meanwhile"}
        [gone] = await past(server, made["id"])
        assert gone["participant_id"] == joined[0]["participant_id"]


async def test_a_server_that_is_killed_while_its_database_is_away_loses_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    env = {
        "SFU_STORE__DATA_DIR": str(tmp_path / "data"),
        "SFU_STORE__URL": postgres.create_database("both_killed"),
    }
    sfu("db", "upgrade", env=env)
    async with running_server(tmp_path, env=env) as server:
        made = (await server.http.post("/meetings", json={"title": "Weekly"})).json()
        postgres.kill()
        try:
            joined = [await join(server, made["id"], f"Guest {number}") for number in range(5)]
            meanwhile = (await server.http.post("/meetings", json={"title": "Meanwhile"})).json()

            async def is_on_disk() -> bool:
                metrics = await server.metrics()
                return metrics["sfu_store_journal_bytes"] > 0 and metrics["sfu_store_waiting"] == 0

            await until(is_on_disk)
            await server.kill()
        finally:
            postgres.start()
    async with running_server(tmp_path, env=env) as server:
        stays = await past(server, made["id"])
        assert [one["participant_id"] for one in stays] == [one["participant_id"] for one in joined]
        assert {one["reason"] for one in stays} == {"server_lost"}
        found = (await server.http.get(f"/meetings/{meanwhile['id']}")).json()
        assert (found["title"], found["status"]) == ("Meanwhile", "active")


def test_a_server_refuses_an_old_schema_and_says_what_to_do(postgres: Postgres, tmp_path: Path) -> None:
    env = {"SFU_STORE__DATA_DIR": str(tmp_path / "data"), "SFU_STORE__URL": postgres.create_database("old")}
    status, _, error = sfu("serve", "--dev", "--port", str(free_port(socket.SOCK_STREAM)), env=env)
    assert (status, "sfu db upgrade" in error) == (2, True)
    status, output, _ = sfu("db", "current", env=env)
    assert (status, "empty, needed" in output) == (1, True)
    status, output, error = sfu("db", "upgrade", env=env)
    assert (status, error) == (0, "")
    assert "upgraded from nothing to" in output
    status, output, _ = sfu("db", "upgrade", env=env)
    assert "already" in output
    assert sfu("db", "current", env=env)[0] == 0
    status, output, _ = sfu("db", "downgrade", "base", "--yes", env=env)
    assert (status, "empty" in output) == (0, True)


async def test_a_data_folder_is_one_servers_own(tmp_path: Path) -> None:
    env = {"SFU_STORE__DATA_DIR": str(tmp_path / "data")}
    async with running_server(tmp_path, env=env):
        args = ("serve", "--dev", "--port", str(free_port(socket.SOCK_STREAM)))
        status, _, error = await asyncio.to_thread(sfu, *args, env=env)
        assert (status, "another server uses the data folder" in error) == (1, True)


def test_a_url_that_is_none_is_found_before_anything_starts() -> None:
    status, _, error = sfu("check-config", env={"SFU_STORE__URL": "mysql://sfu:geheim@db/x"})
    assert (status, "store.url" in error, "geheim" in error) == (2, True, False)
