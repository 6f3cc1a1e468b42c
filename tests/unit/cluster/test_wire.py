"""Batches between processes: what is packed comes out, and nothing else gets in."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.examples import examples

from sfu.cluster.heads import head_of, scope_of
from sfu.cluster.wire import VERSION, Batch, pack, unpack
from sfu.errors import WireError

STEPS = [
    ["open", 1, {"type": "http", "path": "/meetings/x", "headers": []}, b"body"],
    ["open", 2, {"type": "websocket"}, None],
    ["data", 2, "text"],
    ["gone", 2, 1001],
    ["reply", 1, 200, [[b"content-type", b"text/plain"]], b""],
    ["send", [2, 3], b"\x00"],
    ["tell", 2, {"type": "websocket.close"}],
    ["not_here", 9],
]


def test_every_step_comes_out_as_it_went_in() -> None:
    batch = Batch("one", 7, 3, STEPS)
    assert unpack(pack(batch)) == batch


@pytest.mark.parametrize(
    "step",
    [
        [],
        ["dance", 1],
        ["data", 1],
        ["data", "1", "text"],
        ["data", True, "text"],
        ["data", 1, 2],
        ["send", [1, -2], "text"],
        ["send", ["1"], "text"],
        ["open", 1, [], None],
        "data",
        7,
    ],
)
def test_a_step_of_another_form_spoils_its_batch(step: object) -> None:
    with pytest.raises(WireError):
        unpack(msgpack.packb([VERSION, "one", 1, 0, [STEPS[2], step]]))


@pytest.mark.parametrize("batch", [[2, "one", 1, 0, []], [1, 1, 1, 0, []], [1, "one", -1, 0, []], [1, "one", 1, 0], {}])
def test_a_batch_of_another_form_or_version_is_refused(batch: object) -> None:
    with pytest.raises(WireError):
        unpack(msgpack.packb(batch))


@settings(max_examples=examples(40))
@given(st.binary(max_size=200))
def test_whatever_comes_is_a_batch_or_an_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        unpack(data)


@given(
    st.recursive(st.none() | st.integers(-5, 5) | st.text(max_size=4) | st.binary(max_size=4), st.lists, max_leaves=9)
)
def test_whatever_a_batch_is_made_of_is_a_batch_or_an_error(value: object) -> None:
    with contextlib.suppress(WireError):
        unpack(msgpack.packb([VERSION, "one", 1, 0, value]))


def test_the_home_sees_the_client_as_if_it_were_there() -> None:
    scope = {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/meetings/x/signaling",
        "raw_path": b"/meetings/x/signaling",
        "query_string": b"a=b",
        "headers": [(b"host", b"meet.example.org"), (b"x-forwarded-for", b"192.0.2.7")],
        "client": ("192.0.2.9", 4711),
        "server": ("10.0.0.2", 8080),
        "subprotocols": ["sfu.v1.json"],
        "app": object(),
    }
    [step] = unpack(pack(Batch("one", 1, 0, [["open", 1, head_of(scope), None]]))).steps
    seen = scope_of(step[2])
    assert {name: seen[name] for name in scope if name != "app"} == {n: v for n, v in scope.items() if n != "app"}


@pytest.mark.parametrize(
    "change",
    [
        {"type": "lifespan"},
        {"path": 1},
        {"headers": [["a", "b"]]},
        {"headers": 1},
        {"client": ["x"]},
        {"client": [1, 2]},
    ],
)
def test_the_head_of_no_request_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(WireError):
        scope_of({"type": "http", "path": "/", "headers": [], **change})
