"""A running shard: thread, sockets, event descriptor. Waits are on descriptors, with deadlines."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from aioice import stun

from sfu import _native
from sfu._native import Shard

DEADLINE_S = 30.0
LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def shard() -> Iterator[Shard]:
    shard = Shard([LOOPBACK], seed=1)
    yield shard
    shard.close()


def wait_for_events(shard: Shard, count: int = 1) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = []
    end = monotonic() + DEADLINE_S
    while len(events) < count and monotonic() < end:
        select.select([shard.event_fd], [], [], end - monotonic())
        events += shard.poll_events()
    return events


def readable(shard: Shard) -> bool:
    return bool(select.select([shard.event_fd], [], [], 0)[0])


def test_the_extension_is_the_version_of_the_package_and_optimised() -> None:
    assert _native.__version__.count(".") == 2
    assert isinstance(_native.DEBUG_BUILD, bool)


def test_how_long_a_shard_was_busy_grows_with_what_it_is_given_and_no_faster_than_time(shard: Shard) -> None:
    start, before = monotonic(), shard.busy_us
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(200):
            client.sendto(b"\x80" * 1_000, shard.local_addresses[0])
    end = monotonic() + DEADLINE_S
    while shard.snapshot()["counters"]["rx_packets"] < 200 and monotonic() < end:
        sleep(0.05)
    spent_us = (monotonic() - start) * 1e6
    assert 0 < shard.busy_us - before < spent_us / 2, "most of the time it waited for its statistics to be due"


def test_addresses_are_bound_in_the_order_given() -> None:
    shard = Shard([("127.0.0.2", 0), ("127.0.0.1", 0), ("::1", 0)])
    assert [ip for ip, _ in shard.local_addresses] == ["127.0.0.2", "127.0.0.1", "::1"]
    assert all(port > 0 for _, port in shard.local_addresses)
    shard.close()


def test_a_port_in_use_is_an_error_that_names_the_address(shard: Shard) -> None:
    (address,) = shard.local_addresses
    with pytest.raises(OSError, match=f"cannot bind UDP {address[0]}:{address[1]}") as raised:
        Shard([address])
    assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("count", [0, 257])
def test_the_number_of_addresses_is_bounded(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} addresses"):
        Shard([LOOPBACK] * count)


def test_events_make_the_descriptor_readable_until_they_are_polled(shard: Shard) -> None:
    assert not readable(shard)
    shard.remove_router(7)
    ((kind, _, identity, _),) = wait_for_events(shard)
    assert (kind, identity) == ("command_failed", 7)
    assert not readable(shard)


def test_events_beyond_the_limit_keep_the_descriptor_readable(shard: Shard) -> None:
    for router in range(1, 101):
        shard.remove_router(router)
    seen: list[int] = []
    end = monotonic() + DEADLINE_S
    while len(seen) < 100 and monotonic() < end:
        select.select([shard.event_fd], [], [], end - monotonic())
        seen += [event[2] for event in shard.poll_events(7)]
    assert seen == list(range(1, 101))


def test_more_events_than_fit_are_not_lost_while_the_shard_keeps_them(shard: Shard) -> None:
    """8,192 wait for Python, the rest in the shard."""
    for router in range(1, 20_001):
        shard.remove_router(router)
    assert [event[2] for event in wait_for_events(shard, 20_000)] == list(range(1, 20_001))


def test_many_commands_ask_once_to_have_the_shard_woken(shard: Shard) -> None:
    asked: list[int] = []
    shard.wake_soon(lambda: asked.append(1))
    for router in range(1, 11):
        shard.remove_router(router)
    assert len(asked) == 1
    shard.wake()
    assert [event[2] for event in wait_for_events(shard, 10)] == list(range(1, 11))
    shard.remove_router(11)
    assert len(asked) == 2
    shard.wake_soon(None)
    shard.remove_router(12)
    assert [event[2] for event in wait_for_events(shard, 2)] == [11, 12]
    assert len(asked) == 2


def test_who_can_not_have_it_woken_loses_no_command(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda failure: told.append(str(failure.exc_value)))

    def fail() -> None:
        raise RuntimeError("the loop is closed")

    shard.wake_soon(fail)
    shard.remove_router(1)
    shard.remove_router(2)
    assert [event[2] for event in wait_for_events(shard, 2)] == [1, 2]
    assert told == ["the loop is closed"] * 2


def test_datagrams_are_counted_in_the_snapshot(shard: Shard) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(50):
            sender.sendto(b"\xff" * 100, shard.local_addresses[0])
    end = monotonic() + DEADLINE_S
    wakeups = threading.Event()
    while (counters := shard.snapshot()["counters"]).get("io_received") != 50 and monotonic() < end:
        wakeups.wait(0.02)
    assert counters["io_received"] == counters["rx_packets"] == 50
    assert shard.snapshot()["drops"]["unknown_protocol"] == 50


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_a_check_is_answered_where_it_came_from_and_the_first_nomination_told(ip: str) -> None:
    shard = Shard([("127.0.0.1", 0), ("::1", 0)])
    index = ["127.0.0.1", "::1"].index(ip)
    shard.add_router(1)
    shard.add_transport(7, 1, "ufragufrag", "p" * 24)
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes["USERNAME"] = "ufragufrag:remote"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 5
    check.attributes["USE-CANDIDATE"] = None
    check.add_message_integrity(b"p" * 24)
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.bind((ip, 0))
        client.sendto(bytes(check), shard.local_addresses[index])
        answer, source = client.recvfrom(2_048)
        assert source[:2] == shard.local_addresses[index]
        message = stun.parse_message(answer)
        own = client.getsockname()[:2]
    assert message.check_message_integrity(b"p" * 24)
    assert message.message_class is stun.Class.RESPONSE
    assert message.attributes["XOR-MAPPED-ADDRESS"] == own
    assert wait_for_events(shard) == [("ice_selected", 7, own, index, False)]
    shard.close()


def test_the_thread_has_its_name_and_ends_at_close() -> None:
    def names() -> set[str]:
        found = set()
        for path in Path("/proc/self/task").glob("*/comm"):
            with suppress(OSError):  # a thread that ended meanwhile
                found.add(path.read_text().strip())
        return found

    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc here")
    shard = Shard([LOOPBACK], name="sfu-test-7")
    shard.remove_router(1)
    wait_for_events(shard)
    assert "sfu-test-7" in names()
    shard.close()
    deadline = monotonic() + DEADLINE_S  # the kernel shows it for a moment after it was waited for
    while "sfu-test-7" in names():
        assert monotonic() < deadline
        sleep(0.001)


def test_closing_twice_and_commanding_afterwards_is_harmless(shard: Shard) -> None:
    shard.close()
    shard.close()
    shard.add_router(1)
    assert shard.poll_events() == []
    os.fstat(shard.event_fd)


def test_what_was_commanded_before_closing_is_still_done() -> None:
    shard = Shard([LOOPBACK])
    for router in range(1, 2_001):
        shard.add_router(router)
    shard.close()
    assert len(shard.snapshot()["routers"]) == 2_000


def test_an_impossible_cpu_is_a_warning_and_not_the_end() -> None:
    shard = Shard([LOOPBACK], cpu=1_023)
    ((kind, text),) = wait_for_events(shard)
    assert kind == "warning"
    assert "CPU 1023" in text
    shard.remove_router(1)
    assert wait_for_events(shard)[0][0] == "command_failed"
    shard.close()


def test_other_threads_run_while_a_shard_closes() -> None:
    """Closing waits for the thread without the interpreter's lock."""
    shards = [Shard([LOOPBACK]) for _ in range(8)]
    closers = [threading.Thread(target=shard.close) for shard in shards]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(DEADLINE_S)
        assert not closer.is_alive()
