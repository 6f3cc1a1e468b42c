"""No event is lost: whatever is killed in the middle, who is told hears of everything, each meeting's in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.test_store import join, sfu
from tests.support.postgres import Postgres
from tests.support.receiver import WebhookReceiver, webhook_receiver
from tests.support.server import RunningServer, running_server
from tests.support.waiting import until

from sfu.events.signature import new_secret

pytestmark = pytest.mark.e2e

SECRET = new_secret()
LIFE = ["meeting.created", "meeting.started", "participant.joined", "participant.joined", "participant.left"]


def config(receiver: WebhookReceiver, *, attempts: int = 16) -> str:
    """TOML of a server that tells ``receiver``, a second after it failed."""
    return (
        f'[[webhooks]]\nname = "hook"\nurl = "{receiver.url}"\nsecrets = ["env:HOOK_SECRET"]\n'
        f"timeout_s = 5.0\nmax_attempts = {attempts}\n"
    )


def environment(folder: Path, url: str = "") -> dict[str, str]:
    return {"SFU_STORE__DATA_DIR": str(folder / "data"), "SFU_STORE__URL": url, "HOOK_SECRET": SECRET}


def whole(receiver: WebhookReceiver, meeting_id: str) -> None:
    """All numbers are there; and each meeting's came in order."""
    numbers = [int(one["sequence"]) for one in receiver.events if one["subject"] == meeting_id]
    firsts = list(dict.fromkeys(numbers))
    assert firsts == list(range(1, len(firsts) + 1))


async def live(server: RunningServer) -> str:
    """A meeting with two, of whom one leaves; its id."""
    meeting_id = await server.create_meeting("Weekly")
    ann = await join(server, meeting_id, "Ann")
    await join(server, meeting_id, "Bob")
    headers = {"Authorization": f"Bearer {ann['token']}"}
    assert (await server.http.post(f"/meetings/{meeting_id}/leave", headers=headers)).status_code == 204
    return meeting_id


async def test_what_happened_before_the_server_was_killed_is_told_by_its_next_life(tmp_path: Path) -> None:
    with webhook_receiver() as receiver:
        receiver.answer = lambda _event: 503
        async with running_server(tmp_path, config=config(receiver), env=environment(tmp_path)) as server:
            meeting_id = await live(server)
            await until(lambda: receiver.requests, "the receiver is asked")
            await until(lambda: _written(server, 4), "all is in the database")
            await server.kill()
        assert receiver.events == []
        receiver.answer = lambda _event: 204
        async with running_server(tmp_path, config=config(receiver), env=environment(tmp_path)) as server:
            kinds = await until(
                lambda: receiver.kinds(meeting_id),
                "all is told",
                good=lambda found: len(found) > len(LIFE),
                within_s=30,
            )
            assert kinds[: len(LIFE) + 1] == [*LIFE, "participant.left"]
            assert receiver.events[len(LIFE)]["data"]["reason"] == "server_lost"
            assert (await server.http.delete(f"/meetings/{meeting_id}")).status_code == 204
            await until(lambda: "meeting.deleted" in receiver.kinds(meeting_id), "the end is told")
        whole(receiver, meeting_id)


async def _written(server: RunningServer, facts: int) -> bool:
    return (await server.metrics())['sfu_store_facts_total{what="written"}'] >= facts


async def test_what_happens_while_postgresql_is_killed_is_told_when_it_is_back(
    postgres: Postgres, tmp_path: Path
) -> None:
    env = environment(tmp_path, postgres.create_database("events_killed"))
    assert sfu("db", "upgrade", env=env)[0] == 0
    with webhook_receiver() as receiver:
        async with running_server(tmp_path, config=config(receiver), env=env) as server:
            first = await live(server)
            await until(lambda: receiver.kinds(first)[: len(LIFE)] == LIFE, "what happened before is told")
            postgres.kill()
            try:
                second = await live(server)
                await join(server, first, "Cid")

                async def is_on_disk() -> bool:
                    metrics = await server.metrics()
                    return metrics["sfu_store_journal_bytes"] > 0 and metrics["sfu_store_waiting"] == 0

                await until(is_on_disk, "it is in the journal")
                await server.kill()  # so it is the next life that brings it
            finally:
                postgres.start()
        async with running_server(tmp_path, config=config(receiver), env=env):
            await until(lambda: receiver.kinds(second)[: len(LIFE)] == LIFE, "the journal is told", within_s=30)
            await until(lambda: len(receiver.kinds(first)) >= len(LIFE) + 2, "of the first meeting, too", within_s=30)
        whole(receiver, first)
        whole(receiver, second)


async def test_what_is_refused_is_dead_until_the_operator_says_otherwise(tmp_path: Path) -> None:
    with webhook_receiver() as receiver:
        receiver.answer = lambda event: 400 if event["type"] == "sfu.meeting.created" else 204
        given = config(receiver, attempts=1)
        async with running_server(tmp_path, config=given, env=environment(tmp_path)) as server:
            meeting_id = await live(server)
            await until(lambda: receiver.kinds(meeting_id)[: len(LIFE) - 1] == LIFE[1:], "what follows goes on")
            receiver.answer = lambda _event: 204
            options = ("--config", str(tmp_path / "sfu.toml"))
            status, listed, _ = sfu("events", "dead", *options, env=environment(tmp_path))
            assert (status, listed.count("\n"), "meeting.created" in listed) == (0, 1, True)
            assert "answered 400" in listed
            status, said, _ = sfu("events", "retry", listed.split("\t")[1], *options, env=environment(tmp_path))
            assert (status, said) == (0, "1 will be told again\n")
            await until(lambda: "meeting.created" in receiver.kinds(meeting_id), "it is told again")
            assert (await server.http.get("/events/dead")).json() == {"events": [], "next": None}
            metrics = await server.metrics()
            assert metrics['sfu_events_total{sink="hook",what="dead"}'] == 1
            assert metrics['sfu_events_total{sink="hook",what="delivered"}'] >= len(LIFE)


async def test_nothing_of_a_secret_is_in_what_is_told_of_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    with webhook_receiver() as receiver:
        (tmp_path / "sfu.toml").write_text(config(receiver))
        options = ("--config", str(tmp_path / "sfu.toml"))
        for secret, said in (("", "HOOK_SECRET"), ("geheim", "whsec_")):
            status, _, error = sfu("serve", *options, "--dev", env={**environment(tmp_path), "HOOK_SECRET": secret})
            assert (status, said in error, "geheim" in error) == (2, True, False), error
