from __future__ import annotations

import pytest
from bench.peers.adapter import PeerError
from bench.peers.janus_api import NO_SUCH_FEED, RefusedError, id_of, result_of, sdp_of


def test_an_acknowledgement_is_not_yet_a_result() -> None:
    assert result_of({"janus": "ack", "transaction": "1"}) is None


def test_what_was_created_has_an_id() -> None:
    created = {"janus": "success", "transaction": "1", "data": {"id": 7}}
    assert result_of(created) == created
    assert id_of(created) == 7


def test_an_event_carries_the_description() -> None:
    event = {
        "janus": "event",
        "plugindata": {"data": {"videoroom": "attached"}},
        "jsep": {"type": "offer", "sdp": "v=0"},
    }
    assert sdp_of(result_of(event) or {}) == "v=0"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"janus": "error", "error": {"code": 458, "reason": "No such session"}}, "No such session"),
        ({"janus": "error"}, "None"),
        ({"janus": "event", "plugindata": {"data": {"error_code": 428, "error": "No such feed"}}}, "No such feed"),
    ],
)
def test_a_refusal_of_the_gateway_or_of_the_plugin_is_an_error(message: dict[str, object], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        result_of(message)


def test_the_plugin_s_reason_has_its_number() -> None:
    refused = {"janus": "event", "plugindata": {"data": {"error_code": NO_SUCH_FEED, "error": "No such feed (a)"}}}
    with pytest.raises(RefusedError) as raised:
        result_of(refused)
    assert raised.value.code == NO_SUCH_FEED


@pytest.mark.parametrize("message", [{}, {"jsep": 1, "data": []}, {"jsep": {"sdp": 1}, "data": {"id": "1"}}])
def test_a_result_without_what_is_wanted_is_an_error(message: dict[str, object]) -> None:
    with pytest.raises(PeerError, match="session description"):
        sdp_of(message)
    with pytest.raises(PeerError, match="without an id"):
        id_of(message)
