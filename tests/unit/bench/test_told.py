from __future__ import annotations

import json

import pytest

from sfu.bench.told import Told, kind_of, kinds, together
from sfu.conference.events import MeetingEnded
from sfu.plugins.signaling_ws.wire import EventEncoder, JsonWire


def test_the_busiest_second_is_found_wherever_it_begins() -> None:
    told = Told()
    for at in (0.0, 0.7, 1.5, 1.6, 1.65, 2.55, 9.0):
        told.add(at, "roster", 10)
    assert (told.messages, told.bytes, told.busiest) == (7, 70, 4)


def test_after_a_reset_only_what_follows_counts() -> None:
    told = Told()
    told.add(0.0, "roster", 10)
    told.reset()
    told.add(0.1, "slots", 5)
    assert (told.messages, told.bytes, told.busiest, dict(told.kinds)) == (1, 5, 1, {"slots": 1})


def test_the_kind_of_a_message_is_known_without_reading_it() -> None:
    frame = EventEncoder().encode(MeetingEnded("ended"), JsonWire())  # type: ignore[arg-type]
    assert isinstance(frame, str)
    assert kind_of(frame) == json.loads(frame)["type"] == "meeting_ended"
    for other in ('{"reply":1,"type":"reply"}', "[]", "", '{"type":', '{"type":"' + 40 * "x" + '"}'):
        assert kind_of(other) is None


def test_figures_of_all_are_means_and_extremes_of_each() -> None:
    loud, quiet = Told(), Told()
    for at in range(20):
        loud.add(at / 8, "speakers", 100)
    figures = together([loud, quiet], 4.0)
    assert figures["messages_per_s"] == pytest.approx(2.5)
    assert (figures["busiest_p50"], figures["busiest"]) == (0, 8)
    assert (figures["bytes_each"], figures["bytes_most"], figures["bytes_per_message"]) == (1_000, 2_000, 100)
    assert together([], 0.0)["messages"] == 0
    assert kinds([loud, quiet]) == {"speakers": 20}
