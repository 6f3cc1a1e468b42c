"""DTLS sessions against each other, in virtual time."""

from __future__ import annotations

import random
from itertools import product
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.dtls import BadLink, certificate, events
from tests.support.examples import examples

from sfu.dtls.session import (
    MAX_HELD_DATAGRAMS,
    TRANSITIONS,
    DtlsClosed,
    DtlsConnected,
    DtlsFailed,
    DtlsHandshake,
    DtlsState,
)
from sfu.errors import RemoteError
from sfu.rtp.codecs import Fingerprint

Version = Literal["auto", "1.2", "1.3"]

CLIENT, SERVER = certificate(), certificate()


def pair(client_version: Version = "auto", server_version: Version = "auto") -> tuple[DtlsHandshake, DtlsHandshake]:
    """Client and server that expect each other."""
    client = DtlsHandshake(CLIENT, version=client_version, seed=1)
    server = DtlsHandshake(SERVER, version=server_version, seed=2)
    client.expect([SERVER.fingerprint()], 0.0, role="client")
    server.expect([CLIENT.fingerprint()], 0.0)
    return client, server


def connect(client: DtlsHandshake, server: DtlsHandshake) -> tuple[DtlsConnected, DtlsConnected]:
    BadLink(random.Random(0)).run(client, server, until_s=5.0)
    (mine,), (theirs,) = events(client), events(server)
    assert isinstance(mine, DtlsConnected)
    assert isinstance(theirs, DtlsConnected)
    return mine, theirs


@pytest.mark.parametrize(
    ("client_version", "server_version", "agreed"),
    [
        ("auto", "auto", "DTLS 1.3"),
        ("1.3", "auto", "DTLS 1.3"),
        ("auto", "1.3", "DTLS 1.3"),
        ("1.2", "auto", "DTLS 1.2"),
        ("auto", "1.2", "DTLS 1.2"),
        ("1.2", "1.2", "DTLS 1.2"),
    ],
)
def test_both_sides_agree_on_version_and_keys(client_version: Version, server_version: Version, agreed: str) -> None:
    client, server = pair(client_version, server_version)
    mine, theirs = connect(client, server)
    assert (mine.version, theirs.version) == (agreed, agreed)
    assert mine.profile == theirs.profile
    assert mine.keys.send_key == theirs.keys.receive_key
    assert mine.keys.receive_salt == theirs.keys.send_salt
    assert mine.keys.send_key != mine.keys.receive_key
    assert client.state is server.state is DtlsState.CONNECTED
    assert client.poll_timeout() is server.poll_timeout() is None


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("version", ["1.2", "1.3", "auto"])
def test_a_handshake_survives_a_bad_link(version: Version, seed: int) -> None:
    client, server = pair(version)
    link = BadLink(random.Random(seed), loss=0.25, duplication=0.15, delay_s=(0.005, 0.120))
    link.run(client, server, until_s=60.0)
    for side in (client, server):
        assert [type(event) for event in events(side)] == [DtlsConnected], f"seed {seed}, {link.now:.1f} s"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_handshake_with_one_loss_takes_little_longer(version: Version) -> None:
    """The first retransmission comes after 100 ms, not after the second of RFC 6347."""

    class LosesFirst(random.Random):
        calls = 0

        def random(self) -> float:
            self.calls += 1
            return 0.0 if self.calls == 1 else 1.0

    client, server = pair(version)
    link = BadLink(LosesFirst(0), loss=0.5, delay_s=(0.02, 0.02))
    link.run(client, server, until_s=0.6)
    assert isinstance(client.poll_event(), DtlsConnected)
    assert isinstance(server.poll_event(), DtlsConnected)


@pytest.mark.parametrize(("version", "side"), list(product(["1.2", "1.3"], ["client", "server"])))
def test_a_wrong_fingerprint_fails_and_says_both(version: Version, side: str) -> None:
    client, server = DtlsHandshake(CLIENT, version=version), DtlsHandshake(SERVER)
    wrong = certificate().fingerprint()
    client.expect([wrong if side == "client" else SERVER.fingerprint()], 0.0, role="client")
    server.expect([wrong if side == "server" else CLIENT.fingerprint()], 0.0)
    BadLink(random.Random(0)).run(client, server, until_s=60.0)
    checked, certificate_seen = (client, SERVER) if side == "client" else (server, CLIENT)
    (event,) = events(checked)
    assert isinstance(event, DtlsFailed)
    assert event.reason.startswith("fingerprint mismatch")
    assert wrong.value in event.reason
    assert certificate_seen.fingerprint().value in event.reason
    assert checked.state is DtlsState.FAILED
    assert checked.poll_transmit() is None
    assert checked.poll_timeout() is None


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
def test_each_hash_function_is_taken_in_either_case(algorithm: str) -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    print_ = SERVER.fingerprint(algorithm)
    client.expect([Fingerprint(print_.algorithm, print_.value.lower())], 0.0, role="client")
    server.expect([CLIENT.fingerprint(algorithm)], 0.0)
    connect(client, server)


def test_one_of_several_fingerprints_is_enough() -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    client.expect([certificate().fingerprint(), SERVER.fingerprint()], 0.0, role="client")
    server.expect([CLIENT.fingerprint()], 0.0)
    connect(client, server)


def test_a_wrong_strong_fingerprint_is_not_saved_by_a_right_weaker_one() -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    client.expect([SERVER.fingerprint("sha-256"), certificate().fingerprint("sha-512")], 0.0, role="client")
    server.expect([CLIENT.fingerprint()], 0.0)
    BadLink(random.Random(0)).run(client, server, until_s=60.0)
    assert isinstance(client.poll_event(), DtlsFailed)


@pytest.mark.parametrize("promised", [[], [Fingerprint("sha-1", "00:11")]])
def test_without_a_usable_fingerprint_nobody_is_trusted(promised: list[Fingerprint]) -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    client.expect([SERVER.fingerprint()], 0.0, role="client")
    server.expect(promised, 0.0)
    BadLink(random.Random(0)).run(client, server, until_s=60.0)
    event = server.poll_event()
    assert isinstance(event, DtlsFailed)
    assert "no usable fingerprint" in event.reason


def test_datagrams_before_the_description_are_held_and_used() -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    client.expect([SERVER.fingerprint()], 0.0, role="client")
    while (data := client.poll_transmit()) is not None:
        server.handle_datagram(data, 0.0)
    assert server.state is DtlsState.WAITING
    assert server.poll_transmit() is None
    assert server.poll_timeout() is None
    server.expect([CLIENT.fingerprint()], 0.05)
    assert server.poll_transmit() is not None


def test_only_so_many_datagrams_are_held_and_the_newest_win() -> None:
    client, server = DtlsHandshake(CLIENT), DtlsHandshake(SERVER)
    client.expect([SERVER.fingerprint()], 0.0, role="client")
    hello = client.poll_transmit()
    assert hello is not None
    server.handle_datagram(hello, 0.0)
    for _ in range(MAX_HELD_DATAGRAMS):
        server.handle_datagram(b"\x16" * 50, 0.0)
    server.expect([CLIENT.fingerprint()], 0.0)
    assert server.poll_transmit() is None


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_silent_peer_fails_within_the_handshake_time(role: Literal["client", "server"]) -> None:
    silent = DtlsHandshake(CLIENT)
    silent.expect([SERVER.fingerprint()], 0.0, role="client")
    hello = silent.poll_transmit()
    assert hello is not None
    waiting = DtlsHandshake(SERVER)
    waiting.expect([CLIENT.fingerprint()], 0.0, role=role)
    waiting.handle_datagram(hello, 0.0) if role == "server" else None
    now = 0.0
    while (at := waiting.poll_timeout()) is not None:
        assert at > now - 1e-6
        now = at
        waiting.handle_timeout(now)
    event = waiting.poll_event()
    assert isinstance(event, DtlsFailed)
    assert 10.0 < now <= 31.0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_closing_says_goodbye(version: Version) -> None:
    client, server = pair(version)
    connect(client, server)
    client.close()
    BadLink(random.Random(0)).run(client, server, until_s=60.0)
    assert events(server) == [DtlsClosed()]
    assert client.state is server.state is DtlsState.CLOSED
    client.close()


def test_the_same_description_again_changes_nothing_and_another_is_refused() -> None:
    client, server = pair()
    connect(client, server)
    server.expect([CLIENT.fingerprint()], 1.0)
    with pytest.raises(RemoteError, match="certificate of a running session"):
        server.expect([certificate().fingerprint()], 1.0)
    assert server.state is DtlsState.CONNECTED


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_lost_last_flight_is_sent_again_after_connecting(version: Version) -> None:
    """Whoever finishes first must still answer the other's retransmissions (RFC 6347 §4.2.4)."""
    client, server = pair(version)
    link = BadLink(random.Random(1))
    link.run(client, server, until_s=0.045)
    while client.poll_transmit() is not None:
        pass
    while server.poll_transmit() is not None:
        pass
    link.run(client, server, until_s=60.0)
    assert client.state is server.state is DtlsState.CONNECTED


@pytest.mark.parametrize("seed", range(20))
def test_noise_does_not_break_a_handshake(seed: int) -> None:
    """Bytes that are no DTLS, from an address that passed ICE, are not the end of the session."""
    rng = random.Random(seed)
    client, server = pair(rng.choice(["1.2", "1.3", "auto"]))
    link = BadLink(rng)
    for at in (0.005, 0.015, 0.025, 0.035, 0.5):
        link.run(client, server, until_s=at)
        for side in (client, server):
            side.handle_datagram(bytes([rng.randrange(20, 64)]) + rng.randbytes(rng.randrange(80)), link.now)
    link.run(client, server, until_s=60.0)
    assert client.state is server.state is DtlsState.CONNECTED, f"seed {seed}"


OPERATIONS = ["expect", "expect_other", "exchange", "noise", "silence", "close", "peer_close"]


@given(operations=st.lists(st.sampled_from(OPERATIONS), max_size=12), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60))
def test_no_sequence_of_inputs_leaves_the_table(operations: list[str], seed: int) -> None:
    rng = random.Random(seed)
    client, server = DtlsHandshake(CLIENT, seed=seed), DtlsHandshake(SERVER, seed=seed + 1)
    client.expect([SERVER.fingerprint()], 0.0, role="client")
    link = BadLink(rng, loss=0.1)
    allowed = {state: {after for (before, _), after in TRANSITIONS.items() if before is state} for state in DtlsState}
    said: list[object] = []
    for operation in operations:
        before = server.state
        match operation:
            case "expect":
                server.expect([CLIENT.fingerprint()], link.now) if before is DtlsState.WAITING else None
            case "expect_other" if before is not DtlsState.WAITING:
                with pytest.raises(RemoteError):
                    server.expect([SERVER.fingerprint()], link.now)
            case "exchange":
                link.run(client, server, until_s=link.now + 0.5)
            case "noise":
                server.handle_datagram(rng.randbytes(rng.randrange(100)), link.now)
            case "silence":
                link.now += 40.0
                server.handle_timeout(link.now)
            case "close":
                server.close()
            case "peer_close":
                client.close()
        reachable, last = {before}, set[DtlsState]()
        while reachable != last:
            last, reachable = reachable, reachable | {after for state in reachable for after in allowed[state]}
        assert server.state in reachable
        said += events(server)
    kinds = [type(event) for event in said]
    assert kinds in (
        [],
        [DtlsConnected],
        [DtlsFailed],
        [DtlsConnected, DtlsClosed],
        [DtlsClosed],
    )
