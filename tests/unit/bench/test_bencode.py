from __future__ import annotations

import pytest
from bench.peers.bencode import BencodeError, decode, encode
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    texts | st.integers(-(2**62), 2**62),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def test_the_example_of_the_control_protocol_is_written_and_read() -> None:
    assert encode({"command": "ping"}) == b"d7:command4:pinge"
    assert decode(b"d6:result4:ponge") == {"result": "pong"}


def test_lengths_are_those_of_the_bytes() -> None:
    assert encode("ü") == b"2:\xc3\xbc"


@given(values)
def test_what_is_written_is_read_again(value: object) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    try:
        decode(data)
    except BencodeError:
        return


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no number at 0"),
        (b"5:four", "no text of 5 bytes"),
        (b"-1:", "no text of -1 bytes"),
        (b"i12", "no number"),
        (b"l1:a", "no number at 4"),
        (b"d1:ae", "no dictionary"),
        (b"di1e1:ae", "no dictionary"),
        (b"1:ab", "1 bytes after the value"),
        (b"l" * 100, "deeper than"),
        (b"1" * 100 + b":", "no number"),
    ],
)
def test_what_is_no_value_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(BencodeError, match=reason):
        decode(data)
