"""STUN and ICE-lite: the shard reads what aioice writes, trusts what aioice trusts, and aioice takes its answers."""

from __future__ import annotations

from typing import Any

import pytest
from aioice import Candidate as AioiceCandidate
from aioice import Connection, stun
from hypothesis import given
from hypothesis import strategies as st

from sfu import _native
from sfu.ice.candidates import host_candidates, local_addresses
from sfu.ice.session import IceCredentials, IceSession

PWD = "p" * 24

CLASSES = {
    stun.Class.REQUEST: "request",
    stun.Class.INDICATION: "indication",
    stun.Class.RESPONSE: "success",
    stun.Class.ERROR: "error",
}
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
# The shard gives an IPv4-mapped address as the IPv4 one that it means.
ip = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda found: found.ipv4_mapped is None)
address = st.tuples(ip.map(str), u16)
username = st.text(st.characters(blacklist_categories=["Cs"]), max_size=60)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "USERNAME": username,
        "PRIORITY": u32,
        "USE-CANDIDATE": st.none(),
        "XOR-MAPPED-ADDRESS": address,
        "ERROR-CODE": st.tuples(st.integers(300, 699), st.text("abc ", max_size=20)),
        "SOFTWARE": st.text("abc", max_size=20),
    },
)
role = st.none() | st.tuples(st.sampled_from(["ICE-CONTROLLING", "ICE-CONTROLLED"]), u64)


@st.composite
def message(draw: st.DrawFn) -> stun.Message:
    """A binding message, not yet protected."""
    found = stun.Message(
        stun.Method.BINDING,
        draw(st.sampled_from(list(CLASSES))),
        draw(st.binary(min_size=12, max_size=12)),
        dict(draw(attributes)),
    )
    chosen = draw(role)
    if chosen is not None:
        found.attributes[chosen[0]] = chosen[1]
    return found


def fast(data: bytes, pwd: str | None = None) -> dict[str, Any] | None:
    try:
        return _native.parse_stun(data, pwd)
    except ValueError:
        return None


def readable(data: bytes) -> stun.Message | None:
    try:
        return stun.parse_message(data)
    except Exception:  # noqa: BLE001 -- aioice's parser lets struct.error and IndexError through
        return None


@given(message())
def test_the_shard_reads_what_aioice_writes(written: stun.Message) -> None:
    written.add_message_integrity(PWD.encode())
    said = fast(bytes(written), PWD)
    assert said is not None
    expected = written.attributes
    roles = {"ICE-CONTROLLING": "controlling", "ICE-CONTROLLED": "controlled"}
    assert said["class"] == CLASSES[written.message_class]
    assert (said["method"], said["transaction_id"]) == (1, written.transaction_id)
    assert said["username"] == expected.get("USERNAME")
    assert said["priority"] == expected.get("PRIORITY")
    assert said["use_candidate"] is ("USE-CANDIDATE" in expected)
    assert said["mapped_address"] == expected.get("XOR-MAPPED-ADDRESS")
    assert said["error_code"] == expected.get("ERROR-CODE", (None,))[0]
    assert said["role"] == next(((roles[name], expected[name]) for name in roles if name in expected), None)
    assert (said["has_fingerprint"], said["has_integrity"], said["integrity"]) == (True, True, True)


@given(message(), st.text("abcdefgh", min_size=22, max_size=30))
def test_another_password_is_not_trusted(written: stun.Message, pwd: str) -> None:
    written.add_message_integrity(PWD.encode())
    said = fast(bytes(written), pwd)
    assert said is not None
    assert said["integrity"] is False


@given(message())
def test_a_message_without_integrity_is_not_trusted(written: stun.Message) -> None:
    said = fast(bytes(written), PWD)
    assert said is not None
    assert (said["has_integrity"], said["integrity"]) == (False, False)


@given(message(), st.data())
def test_a_message_changed_on_the_way_is_trusted_by_neither_or_both(written: stun.Message, data: st.DataObject) -> None:
    written.add_message_integrity(PWD.encode())
    changed = bytearray(bytes(written))
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] ^= data.draw(st.integers(1, 255))
    said = fast(bytes(changed), PWD)
    theirs = readable(bytes(changed))
    is_trusted = theirs is not None and theirs.check_message_integrity(PWD.encode())
    # The fingerprint covers every byte: no change gets past it unless it hides the fingerprint itself.
    assert (said is not None and said["integrity"] is True) <= is_trusted


@given(
    st.one_of(st.binary(max_size=100), message().map(bytes).flatmap(lambda wire: st.sampled_from([wire[:-4], wire])))
)
def test_no_bytes_do_worse_than_an_error(data: bytes) -> None:
    said = fast(data)
    if said is not None:
        assert len(data) >= 20
        assert data[4:8] == b"\x21\x12\xa4\x42"


UFRAG = "localufr"
TRANSPORT = 1


def shard() -> _native.SimShard:
    simulated = _native.SimShard(seed=1)
    simulated.add_router(1)
    simulated.add_transport(TRANSPORT, 1, UFRAG, PWD)
    return simulated


def check(ufrag: str = UFRAG, role: str = "ICE-CONTROLLING", *, nominates: bool = False) -> stun.Message:
    """A connectivity check as a full agent sends it, not yet protected."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes |= {"USERNAME": f"{ufrag}:remote", "PRIORITY": 1, role: 5}
    if nominates:
        request.attributes["USE-CANDIDATE"] = None
    return request


@given(address.filter(lambda found: found[1] > 0), st.binary(min_size=12, max_size=12))
def test_aioice_trusts_the_shards_answer_and_reads_its_address_in_it(
    client: tuple[str, int], transaction_id: bytes
) -> None:
    request = check()
    request.transaction_id = transaction_id
    request.add_message_integrity(PWD.encode())
    [(destination, wire)] = shard().handle(1_000, [(client, bytes(request))])
    answer = stun.parse_message(wire)
    assert destination == client
    assert (answer.message_class, answer.transaction_id) == (stun.Class.RESPONSE, transaction_id)
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == client
    assert answer.check_message_integrity(PWD.encode())


def test_a_nomination_is_reported_and_a_plain_check_is_not() -> None:
    simulated = shard()
    for time_us, nominates in ((1_000, False), (2_000, True)):
        request = check(nominates=nominates)
        request.add_message_integrity(PWD.encode())
        assert simulated.handle(time_us, [(("192.0.2.1", 4000), bytes(request))])
        selected = [("ice_selected", TRANSPORT, ("192.0.2.1", 4000), 0, False)]
        assert simulated.poll_events() == (selected if nominates else [])


def test_an_agent_that_believes_itself_controlled_is_told_of_the_conflict() -> None:
    request = check(role="ICE-CONTROLLED")
    request.add_message_integrity(PWD.encode())
    [(_, wire)] = shard().handle(1_000, [(("192.0.2.1", 4000), bytes(request))])
    answer = stun.parse_message(wire)
    assert (answer.message_class, answer.error_code) == (stun.Class.ERROR, 487)
    assert answer.check_message_integrity(PWD.encode())


def test_strangers_get_no_answer() -> None:
    unknown, forged, bare = check("someoneelse"), check(), check()
    unknown.add_message_integrity(PWD.encode())
    forged.add_message_integrity(b"q" * 24)
    simulated = shard()
    for request in (unknown, forged, bare):
        assert simulated.handle(1_000, [(("192.0.2.1", 4000), bytes(request))]) == []
    drops = simulated.snapshot()["drops"]
    assert (drops["stun_unknown_ufrag"], drops["stun_unauthenticated"]) == (1, 2)


async def connect(running: _native.Shard, credentials: IceCredentials, ip: str) -> None:
    """A full, controlling agent does its checks with the shard until a pair is nominated."""
    agent = Connection(ice_controlling=True, use_ipv6=":" in ip)
    agent.remote_is_lite = True
    agent.remote_username, agent.remote_password = credentials.ufrag, credentials.pwd
    try:
        for candidate in host_candidates(running.local_addresses):
            await agent.add_remote_candidate(AioiceCandidate.from_sdp(str(candidate)))
        await agent.add_remote_candidate(None)
        await agent.gather_candidates()
        await agent.connect()
    finally:
        await agent.close()


@pytest.mark.parametrize("ip", local_addresses())
async def test_a_full_agent_connects_to_a_running_shard_and_again_after_a_restart(ip: str) -> None:
    session = IceSession(IceCredentials(UFRAG, PWD))
    running = _native.Shard([(ip, 0)], seed=1)
    try:
        running.add_router(1)
        running.add_transport(TRANSPORT, 1, UFRAG, PWD)
        await connect(running, session.local, ip)
        first = running.poll_events()
        restarted = session.restart()
        running.restart_ice(TRANSPORT, restarted.ufrag, restarted.pwd)
        await connect(running, restarted, ip)
        second = running.poll_events()
    finally:
        running.close()
    assert [(event[0], event[1], event[4]) for event in first[:1]] == [("ice_selected", TRANSPORT, False)]
    assert [(event[0], event[1], event[4]) for event in second[:1]] == [("ice_selected", TRANSPORT, True)]
