"""The raw DTLS session: what ``sfu.dtls.session`` builds on and its own tests do not show."""

from __future__ import annotations

import math

import pytest
from tests.support.dtls import certificate

from sfu._native import DtlsSession

CERTIFICATE = certificate()
PAIR = (CERTIFICATE.certificate_der, CERTIFICATE.private_key_der)


def client(now: float = 0.0) -> DtlsSession:
    return DtlsSession(*PAIR, is_client=True, now=now)


def test_a_key_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="private key: .*PKCS#8"):
        DtlsSession(PAIR[0], b"key", is_client=False, now=0.0)


@pytest.mark.parametrize("mtu", [0, 255, 70_000])
def test_an_mtu_that_is_none_is_refused(mtu: int) -> None:
    with pytest.raises(ValueError, match=f"mtu is {mtu}"):
        DtlsSession(*PAIR, is_client=True, now=0.0, mtu=mtu)


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match='version is "1.1", accepted are auto, 1.2, 1.3'):
        DtlsSession(*PAIR, is_client=True, now=0.0, version="1.1")


@pytest.mark.parametrize("now", [-1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused_and_breaks_nothing(now: float) -> None:
    session = client()
    with pytest.raises(ValueError, match="now is"):
        session.handle_timeout(now)
    session.handle_timeout(1.0)


@pytest.mark.parametrize("start", [0.0, 12.5, 4_000_000.0])
def test_timeouts_are_on_the_callers_clock(start: float) -> None:
    session = client(start)
    assert session.poll_transmit() is not None
    timeout = session.poll_timeout()
    assert timeout is not None
    assert 0.05 < timeout - start < 0.2


def test_a_clock_that_jumps_back_is_taken_as_standing_still() -> None:
    session = client(100.0)
    session.handle_timeout(50.0)
    timeout = session.poll_timeout()
    assert timeout is not None
    assert timeout > 100.0


def test_a_client_that_gets_no_answer_gives_up_with_the_reason_and_stays_so() -> None:
    session = client()
    with pytest.raises(ValueError, match="timeout"):
        for _ in range(50):
            now = session.poll_timeout()
            assert now is not None
            session.handle_timeout(now)
    assert session.poll_timeout() is None
    with pytest.raises(ValueError, match="timeout"):
        session.handle_datagram(b"\x16", 99.0)


def test_a_caller_that_never_polls_costs_bounded_memory() -> None:
    server = DtlsSession(*PAIR, is_client=False, now=0.0)
    hello = client().poll_transmit()
    assert hello is not None
    for number in range(2_000):
        try:
            server.handle_datagram(hello, number * 0.001)
        except ValueError:
            break
    waiting = list(iter(server.poll_transmit, None))
    assert len(waiting) <= 64


def test_packets_keep_to_the_mtu() -> None:
    server = DtlsSession(*PAIR, is_client=False, now=0.0, mtu=300)
    peer = DtlsSession(*PAIR, is_client=True, now=0.0, mtu=300)
    for _ in range(10):
        for source, target in ((peer, server), (server, peer)):
            while (datagram := source.poll_transmit()) is not None:
                assert len(datagram) <= 300
                target.handle_datagram(datagram, 0.0)
    assert server.protocol_version == peer.protocol_version == "DTLS 1.3"


def test_a_closed_session_takes_nothing_more() -> None:
    session = client()
    session.close()
    session.close()
    assert session.poll_timeout() is None
    with pytest.raises(ValueError, match="closed"):
        session.handle_datagram(b"\x16", 1.0)
