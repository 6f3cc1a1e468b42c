"""Figures against courses made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from sfu.bench.network.figures import Course, jain, quantile


def course(**columns: Sequence[Any]) -> Course:
    """A course of 100 ms steps; what is not given is zero."""
    length = len(next(iter(columns.values())))
    stream = {
        "layer": columns.pop("layers", [None] * length),
        "frames": columns.pop("frames", [1] * length),
        "frozen_us": [0] * length,
    }
    names = ("capacity_bps", "sent_bps", "received_bps", "queue_us", "estimate_bps", "concealed")
    series: dict[str, Any] = {name: columns.pop(name, [0] * length) for name in names}
    assert not columns
    series["at_us"] = [100_000 * (step + 1) for step in range(length)]
    series["streams"] = [stream]
    video = [{"longest_freeze_us": 250_000, "freezes": 2}, {"longest_freeze_us": 0, "freezes": 0}]
    return Course.of(
        {"series": series, "video": video, "audio": [{"longest_gap": 3, "interruptions": 0}], "damaged": 0}
    )


def test_totals_come_from_all_streams() -> None:
    it = course(sent_bps=[0])
    assert (it.longest_freeze_ms, it.freezes, it.longest_audio_gap_ms) == (250.0, 2, 60)


def test_used_is_what_was_sent_of_what_could_be() -> None:
    it = course(capacity_bps=[100, 100, 200, 200], sent_bps=[100, 50, 100, 150])
    assert it.used(0.0, 0.2) == 0.75
    assert it.used(0.2, 1.0) == 250 / 400


def test_a_rate_is_reached_when_the_mean_of_half_a_second_is() -> None:
    ramp = course(sent_bps=[0] * 10 + [100] * 20)
    assert ramp.reaches(100, 0.0) == pytest.approx(1.25)
    assert ramp.reaches(101, 0.0) == math.inf


def test_a_value_stays_below_when_half_a_second_does() -> None:
    it = course(sent_bps=[100] * 5 + [10] * 2 + [100] * 3 + [10] * 10)
    assert it.stays_below(it.sent_bps, 10, 0.0) == pytest.approx(1.0)
    assert it.stays_below(it.sent_bps, 5, 0.0) == math.inf


def test_the_picture_is_back_when_it_moves_again_and_not_with_a_single_frame() -> None:
    it = course(frames=[1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 7, 10, 13, 16, 19])
    assert it.shown_after(0.4) == pytest.approx(0.8)
    assert it.shown_after(1.4) == math.inf


def test_a_switch_counts_once_the_new_layer_has_been_shown_for_half_a_second() -> None:
    layers = [(1, 2)] * 10 + [(0, 2)] * 10 + [(1, 2)] * 2 + [(0, 2)] * 10 + [(0, 1)] * 10
    assert course(layers=layers).switches(0.0, 10.0) == 2


def test_the_share_of_made_up_audio_is_over_time() -> None:
    it = course(concealed=[0, 0, 5, 10, 10, 11, 11])
    assert it.concealed_share(0.0, 1.0) == pytest.approx(11 / 30)


def test_fairness_and_quantiles() -> None:
    assert jain([1.0, 1.0]) == 1.0
    assert jain([1.0, 0.0]) == 0.5
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.5) == 0
