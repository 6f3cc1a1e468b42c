"""Candidates and ICE URLs: what is written reads the same, and no text does worse than an error."""

from __future__ import annotations

import contextlib
import string

from hypothesis import given
from hypothesis import strategies as st

from sfu.errors import WireError
from sfu.ice.candidates import Candidate, host_candidates, usable_addresses
from sfu.ice.servers import IceUrl

word = st.text(string.ascii_letters + string.digits + ".:-", min_size=1, max_size=20)
candidate = st.builds(
    Candidate,
    st.text(string.ascii_letters + string.digits + "+/", min_size=1, max_size=32),
    st.integers(1, 256),
    st.sampled_from(["udp", "tcp"]),
    st.integers(1, 2**31 - 1),
    st.ip_addresses().map(str) | word,
    st.integers(0, 65535),
    word,
    extensions=st.lists(st.tuples(word.filter(lambda name: name not in ("raddr", "rport")), word), max_size=3).map(
        tuple
    ),
)
address = st.tuples(st.ip_addresses().map(str), st.integers(1, 65535))


@given(candidate, st.none() | word, st.none() | st.integers(0, 65535))
def test_a_candidate_reads_as_it_was_written(
    value: Candidate, related_ip: str | None, related_port: int | None
) -> None:
    port = None if related_ip is None else related_port
    fields = {name: getattr(value, name) for name in value.__slots__} | {"related_ip": related_ip, "related_port": port}
    related = Candidate(**fields)
    assert Candidate.parse(str(related)) == related


@given(
    st.text(max_size=200)
    | candidate.map(str).flatmap(lambda text: st.sampled_from([text[:-1], text + " ", " " + text]))
)
def test_no_text_does_worse_than_an_error(text: str) -> None:
    with contextlib.suppress(WireError):
        parsed = Candidate.parse(text)
        assert Candidate.parse(str(parsed)) == parsed
    with contextlib.suppress(ValueError):
        url = IceUrl.parse(text)
        assert IceUrl.parse(str(url)) == url


@given(st.lists(address, max_size=5), st.lists(st.ip_addresses().map(str), max_size=5))
def test_host_candidates_are_distinct_and_no_two_are_equally_good(
    bound: list[tuple[str, int]], interfaces: list[str]
) -> None:
    found = host_candidates(bound, interfaces=interfaces)
    assert len({(each.ip, each.port) for each in found}) == len({each.priority for each in found}) == len(found)
    assert [each.priority for each in found] == sorted((each.priority for each in found), reverse=True)
    assert all(Candidate.parse(str(each)) == each for each in found)
    assert usable_addresses(usable_addresses(interfaces)) == usable_addresses(interfaces)
