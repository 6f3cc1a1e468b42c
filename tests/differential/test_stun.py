"""STUN: the fast parser (Rust) reads what aioice writes, and trusts exactly what aioice trusts."""

from __future__ import annotations

from typing import Any

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfu import _native

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
