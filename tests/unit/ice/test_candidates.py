"""Candidates: text both ways, priorities, and which addresses this server offers."""

from __future__ import annotations

import pytest

from sfu.errors import WireError
from sfu.ice.candidates import (
    Candidate,
    CandidateType,
    bind_addresses,
    candidate_priority,
    host_candidates,
    local_addresses,
    usable_addresses,
)


@pytest.mark.parametrize(
    "text",
    [
        "1 1 udp 2130706431 10.0.0.1 40000 typ host",
        "abc+/9 1 udp 1694498815 203.0.113.7 3478 typ srflx raddr 10.0.0.1 rport 40000",
        "1 2 tcp 1518280447 2001:db8::1 9 typ host tcptype active",
        "842163049 1 udp 1677729535 8be3f0.local 0 typ host generation 0 ufrag x network-cost 999",
        "1 1 udp 1 192.0.2.1 1 typ relay raddr 192.0.2.9 rport 9 generation 1",
    ],
)
def test_a_candidate_goes_through_unharmed(text: str) -> None:
    assert str(Candidate.parse(text)) == text
    assert Candidate.parse("candidate:" + text) == Candidate.parse(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "candidate is malformed"),
        ("1 1 udp 2130706431 10.0.0.1 40000 host", "candidate is malformed"),
        ("1 1 udp 2130706431 10.0.0.1 40000 typ host extra", "candidate extensions are malformed"),
        ("1 1 udp 2130706431 10.0.0.1 65536 typ host", "candidate port '65536' is not a number in 0..65535"),
        ("1 0 udp 2130706431 10.0.0.1 1 typ host", "candidate component '0' is not a number in 1..256"),
        ("1 1 udp 2147483648 10.0.0.1 1 typ host", "candidate priority '2147483648' is not a number"),
        ("é 1 udp 1 10.0.0.1 1 typ host", "candidate foundation 'é' is malformed"),
        ("1 1 udp 1 10.0.0.1 1 typ host a " + "x" * 1024, "candidate has 1056 characters"),
    ],
)
def test_a_malformed_candidate_is_refused_with_what_is_wrong(text: str, error: str) -> None:
    with pytest.raises(WireError) as raised:
        Candidate.parse(text)
    assert error in str(raised.value)


def test_priority_is_that_of_the_rfc() -> None:
    assert candidate_priority(CandidateType.HOST, 65_535) == 2_130_706_431
    assert candidate_priority(CandidateType.SERVER_REFLEXIVE, 65_535) == 1_694_498_815
    with pytest.raises(ValueError, match="65536"):
        candidate_priority(CandidateType.HOST, 65_536)


def test_bound_addresses_become_host_candidates_with_falling_priority() -> None:
    candidates = host_candidates([("192.0.2.1", 40000), ("2001:db8::1", 40000)])
    assert [(c.ip, c.port, c.type, c.foundation) for c in candidates] == [
        ("192.0.2.1", 40000, "host", "1"),
        ("2001:db8::1", 40000, "host", "2"),
    ]
    assert candidates[0].priority > candidates[1].priority


def test_candidates_of_one_address_share_their_foundation() -> None:
    assert [c.foundation for c in host_candidates([("192.0.2.1", 1), ("192.0.2.1", 2)])] == ["1", "1"]


def test_a_wildcard_stands_for_the_interfaces_of_its_family() -> None:
    interfaces = ["127.0.0.1", "10.0.0.5", "192.0.2.1", "fe80::1%3", "2001:db8::1", "::1"]
    candidates = host_candidates([("0.0.0.0", 7), ("::", 8)], interfaces=interfaces)
    assert [(c.ip, c.port) for c in candidates] == [("10.0.0.5", 7), ("192.0.2.1", 7), ("2001:db8::1", 8)]


def test_loopback_is_offered_when_bound_explicitly_or_when_there_is_nothing_else() -> None:
    assert [c.ip for c in host_candidates([("127.0.0.1", 7)], interfaces=["10.0.0.5"])] == ["127.0.0.1"]
    assert [c.ip for c in host_candidates([("0.0.0.0", 7)], interfaces=["127.0.0.1", "::1"])] == ["127.0.0.1"]


def test_advertised_addresses_replace_the_bound_ones() -> None:
    bound = [("10.0.0.5", 40000), ("10.0.0.5", 40001)]
    candidates = host_candidates(bound, ["203.0.113.7", "198.51.100.1"])
    assert [(c.ip, c.port) for c in candidates] == [
        ("203.0.113.7", 40000),
        ("203.0.113.7", 40001),
        ("198.51.100.1", 40000),
        ("198.51.100.1", 40001),
    ]


def test_an_advertised_address_takes_the_ports_of_its_own_family_where_there_are_any() -> None:
    bound = [("0.0.0.0", 4), ("::", 6)]
    assert [(c.ip, c.port) for c in host_candidates(bound, ["2001:db8::9"])] == [("2001:db8::9", 6)]
    assert [(c.ip, c.port) for c in host_candidates(bound[:1], ["2001:db8::9"])] == [("2001:db8::9", 4)]


def test_the_machine_has_addresses_and_none_is_link_local() -> None:
    addresses = local_addresses()
    assert addresses
    assert addresses == usable_addresses(addresses)


def test_a_wildcard_is_bound_as_one_socket_for_each_address_of_its_family() -> None:
    interfaces = ["127.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1%eth0"]
    assert bind_addresses(["0.0.0.0"], interfaces=interfaces) == ["192.0.2.1", "192.0.2.2"]
    assert bind_addresses(["::", "192.0.2.2"], interfaces=interfaces) == ["2001:db8::1", "192.0.2.2"]
    assert bind_addresses(["127.0.0.1", "127.0.0.1"], interfaces=interfaces) == ["127.0.0.1"]


def test_a_wildcard_without_an_address_of_its_family_stays_for_the_kernel_to_judge() -> None:
    assert bind_addresses(["::"], interfaces=["192.0.2.1"]) == ["::"]
