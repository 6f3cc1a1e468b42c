"""Numbers that wrap, NTP time, reception statistics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.ntp import UNIX_EPOCH_S, compact, dlsr_from_us, ntp_from_unix_us, round_trip_us, unix_us_from_ntp
from sfu.rtp.seq import Unwrapper, is_newer, signed_distance
from sfu.rtp.stats import ReceptionReport, ReceptionStatistics


@pytest.mark.parametrize(
    ("later", "earlier", "distance"),
    [(1, 0, 1), (0, 65535, 1), (65535, 0, -1), (0x8000, 0, -0x8000), (0x7FFF, 0, 0x7FFF), (5, 5, 0)],
)
def test_distances_go_the_shorter_way_round(later: int, earlier: int, distance: int) -> None:
    assert signed_distance(later, earlier) == distance
    assert is_newer(later, earlier) is (distance > 0)


@given(st.integers(0, 65535), st.lists(st.integers(-30_000, 30_000)))
def test_unwrapped_numbers_follow_the_true_ones(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper()
    highest = true = start
    assert unwrapper.unwrap(start) == start
    for step in steps:
        true = highest + step
        assert unwrapper.unwrap(true & 0xFFFF) == true
        highest = max(highest, true)
    assert unwrapper.highest == highest


def test_timestamps_unwrap_at_32_bits() -> None:
    unwrapper = Unwrapper(32)
    assert [unwrapper.unwrap(number) for number in (0xFFFF_FFF0, 0x10, 0xFFFF_FFFF)] == [
        0xFFFF_FFF0,
        0x1_0000_0010,
        0xFFFF_FFFF,
    ]


def test_ntp_of_the_unix_epoch() -> None:
    assert ntp_from_unix_us(0) == UNIX_EPOCH_S << 32
    assert compact(ntp_from_unix_us(500_000)) == (UNIX_EPOCH_S & 0xFFFF) << 16 | 0x8000


@given(st.integers(0, 4_000_000_000 * 1_000_000))
def test_unix_time_survives_ntp_into_the_next_era(unix_us: int) -> None:
    assert unix_us_from_ntp(ntp_from_unix_us(unix_us)) == unix_us


def test_round_trip_is_what_the_rfc_computes() -> None:
    # RFC 3550 §6.4.1, the example of figure 2: 6.125 s.
    assert round_trip_us(0xB710_8000_0000, 0xB705_2000, 0x0005_4000) == 6_125_000
    assert round_trip_us(0xB710_8000_0000, 0, 0x0005_4000) is None
    assert round_trip_us(0, 1, 0) is None
    assert dlsr_from_us(5_250_000) == 0x0005_4000
    assert dlsr_from_us(-1) == 0
    assert dlsr_from_us(10**12) == 0xFFFF_FFFF


def feed(seqs: list[int], clock_rate_hz: int = 8_000) -> ReceptionStatistics:
    statistics = ReceptionStatistics(clock_rate_hz)
    for index, seq in enumerate(seqs):
        statistics.add(seq, 160 * index, 0.02 * index)
    return statistics


def test_a_stream_without_loss_reports_none() -> None:
    assert feed([65534, 65535, 0, 1]).report() == ReceptionReport(0, 0, 65537, 0)


def test_loss_counts_from_report_to_report() -> None:
    statistics = feed([0, 1, 3, 4])
    assert statistics.report() == ReceptionReport(51, 1, 4, 0)
    statistics.add(5, 800, 0.1)
    assert statistics.report().fraction_lost == 0
    assert statistics.report().lost == 1


def test_duplicates_make_the_cumulative_loss_negative_but_never_the_fraction() -> None:
    report = feed([0, 1, 1, 1]).report()
    assert (report.fraction_lost, report.lost) == (0, -2)


def test_a_packet_that_overtook_the_first_one_is_expected_too() -> None:
    statistics = feed([10, 9, 11])
    assert (statistics.expected, statistics.lost) == (3, 0)


def test_nothing_received_is_an_empty_report() -> None:
    assert ReceptionStatistics(90_000).report() == ReceptionReport(0, 0, 0, 0)


def test_jitter_follows_the_rfc() -> None:
    statistics = ReceptionStatistics(1_000)
    statistics.add(0, 0, 0.0)
    statistics.add(1, 20, 0.036)  # 16 ms late: J = 16/16
    assert statistics.jitter == 1
    for index in range(2, 200):
        statistics.add(index, 20 * index, 0.016 + 0.020 * index)
    assert statistics.jitter == 0
