"""docs/events.md is true: its table has every type with its fields, and its receiver takes what is genuine alone."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.server import free_port
from tests.support.waiting import until

from sfu.clock import Clock
from sfu.conference.happenings import FIELDS, happening
from sfu.conference.outbox import Entry
from sfu.events.signature import key_of, new_secret
from sfu.events.sink import NotTaken
from sfu.events.webhook import Webhook
from sfu.runtime.clock import LoopClock

TEXT = (Path(__file__).parents[3] / "docs/events.md").read_text()
MEETING = set(FIELDS["meeting.created"])
STAY = set(FIELDS["participant.joined"])


def rows() -> dict[str, str]:
    found = {}
    for types, data in re.findall(r"^\| (`[a-z_.`, ]+) \| (.*) \|$", TEXT, flags=re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`([a-z_]+\.[a-z_]+)`", types), data)
    return found


def test_the_table_has_every_type_with_its_fields() -> None:
    documented = rows()
    assert set(documented) == set(FIELDS)
    above = {"meeting.updated": MEETING, "participant.left": STAY}
    for kind, fields in FIELDS.items():
        assert set(fields) - above.get(kind, set()) <= set(re.findall(r"`([a-z_0-9]+)`", documented[kind])), kind


async def test_the_receiver_of_the_example_takes_what_is_genuine_and_nothing_else(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "receiver.py").write_text(example)
    secret, port = new_secret(), free_port(socket.SOCK_STREAM)
    entry = Entry(1, happening("meeting.deleted", "weekly", EPOCH))

    async def tell(key: bytes, clock: Clock) -> None:
        webhook = Webhook("hook", f"http://127.0.0.1:{port}/", [b"another" * 5, key], clock, source="test")
        try:
            await webhook.tell(entry)
        finally:
            await webhook.close()

    async def is_told() -> bool:
        try:
            await tell(key_of(secret), LoopClock(asyncio.get_running_loop()))
        except NotTaken:
            return False
        return True

    environment = {**os.environ, "BILLING_SECRET": secret, "PORT": str(port)}
    command = [sys.executable, str(tmp_path / "receiver.py")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as it:
        try:
            await until(is_told, "it takes what is genuine")
            for _ in range(2):
                assert await is_told()
            with pytest.raises(NotTaken, match="401"):
                await tell(b"wrong" * 6, LoopClock(asyncio.get_running_loop()))
            with pytest.raises(NotTaken, match="401"):
                await tell(key_of(secret), VirtualClock())  # of another time
        finally:
            it.terminate()
    assert (tmp_path / "log").read_text().count("sfu.meeting.deleted weekly 000000000001") == 1
