from __future__ import annotations

from sfu.layers import EncodingReport, LadderMeter
from sfu.layers.measure import HOLD_S, WIRE_OVERHEAD


def rates(*temporal_bps: int, spatial: int = 0) -> tuple[int, ...]:
    cumulative = [0] * 16
    cumulative[spatial * 4 : spatial * 4 + len(temporal_bps)] = temporal_bps
    return tuple(cumulative)


def sent(
    *temporal_bps: int, width: int | None = 640, height: int | None = 360, fps: float | None = 30.0
) -> EncodingReport:
    return EncodingReport(True, rates(*temporal_bps), width, height, fps)


OFF = EncodingReport(False)
WITHHELD = EncodingReport(False, withheld=True)


def shape(meter: LadderMeter) -> list[tuple[int, int]]:
    return [(layer.spatial, layer.temporal) for layer in meter.ladder.layers]


def test_what_is_measured_is_offered_with_what_the_wire_adds() -> None:
    meter = LadderMeter(1)
    ladder = meter.update(0.0, [sent(100_000, 140_000, 200_000)])
    assert shape(meter) == [(0, 0), (0, 1), (0, 2)]
    assert [layer.bitrate_bps for layer in ladder.layers] == [
        int(r * WIRE_OVERHEAD) for r in (100_000, 140_000, 200_000)
    ]
    assert [layer.fps for layer in ladder.layers] == [7.5, 15.0, 30.0]


def test_an_encoding_that_has_just_started_is_offered_at_a_usual_rate() -> None:
    meter = LadderMeter(3)
    unknown = EncodingReport(True)
    ladder = meter.update(0.0, [unknown, unknown, unknown])
    assert shape(meter) == [(0, 3), (1, 3), (2, 3)], "all temporal layers that there may be"
    assert [round(layer.bitrate_bps, -4) for layer in ladder.layers] == [160_000, 490_000, 1_500_000]


def test_noise_leaves_the_ladder_as_it_is() -> None:
    meter = LadderMeter(1)
    first = meter.update(0.0, [sent(200_000)])
    for second in range(1, 30):
        assert meter.update(float(second), [sent(200_000 + (-1) ** second * 25_000)]) is first


def test_a_rate_that_doubled_is_believed_within_two_seconds() -> None:
    meter = LadderMeter(1)
    meter.update(0.0, [sent(200_000)])
    meter.update(1.0, [sent(400_000)])
    ladder = meter.update(2.0, [sent(400_000)])
    assert ladder.layers[0].bitrate_bps >= 340_000


def test_an_encoding_that_the_publisher_does_not_send_is_not_offered() -> None:
    meter = LadderMeter(3)
    assert meter.update(0.0, [sent(100_000), sent(300_000), OFF]).incomplete
    assert shape(meter) == [(0, 0), (1, 0)]


def test_an_encoding_that_nobody_wanted_is_offered_at_its_last_rate() -> None:
    meter = LadderMeter(2)
    before = meter.update(0.0, [sent(100_000), sent(300_000, width=1280, height=720)])
    assert meter.update(1.0, [sent(100_000), WITHHELD]) is before
    assert not before.incomplete


def test_a_temporal_layer_that_skips_a_second_stays_and_one_that_is_gone_goes() -> None:
    meter = LadderMeter(1)
    meter.update(0.0, [sent(100_000, 200_000)])
    meter.update(1.0, [sent(100_000)])
    assert shape(meter) == [(0, 0), (0, 1)]
    meter.update(1.1 + HOLD_S, [sent(100_000)])
    assert shape(meter) == [(0, 0)]


def test_spatial_layers_of_one_encoding_are_halves_of_each_other() -> None:
    meter = LadderMeter(1)
    places = [0] * 16
    places[0], places[4], places[8] = 100_000, 300_000, 900_000
    ladder = meter.update(0.0, [EncodingReport(True, tuple(places), 1280, 720, 30.0)])
    assert [(layer.spatial, layer.pixels) for layer in ladder.layers] == [
        (0, 320 * 180),
        (1, 640 * 360),
        (2, 1280 * 720),
    ]


def test_a_size_that_the_publisher_changes_makes_a_new_ladder() -> None:
    meter = LadderMeter(1)
    first = meter.update(0.0, [sent(100_000)])
    assert meter.update(1.0, [sent(100_000, width=480, height=270)]) is not first


def test_a_source_that_ends_offers_nothing() -> None:
    meter = LadderMeter(1)
    meter.update(0.0, [sent(100_000)])
    assert not meter.update(5.0, [OFF]).layers


def scalable(*spatial_bps: int, size: tuple[int, int], asked: int | None = None) -> EncodingReport:
    """One temporal layer in each of so many spatial ones; ``size``: of the highest."""
    cumulative = [0] * 16
    cumulative[: 4 * len(spatial_bps) : 4] = spatial_bps
    return EncodingReport(True, tuple(cumulative), *size, 30.0, layers_asked=asked)


WHOLE = scalable(100_000, 300_000, 900_000, size=(1280, 720))


def test_layers_that_are_withheld_stay_on_offer_as_they_were() -> None:
    meter = LadderMeter(1)
    meter.update(0.0, [WHOLE])
    before = meter.ladder
    for second in range(1, 4 * int(HOLD_S)):
        meter.update(float(second), [scalable(100_000, size=(320, 180), asked=1)])
    assert meter.ladder is before
    assert [layer.pixels for layer in before.layers] == [320 * 180, 640 * 360, 1280 * 720]
    assert meter.top_spatial == 2


def test_layers_that_are_withheld_no_more_have_their_time_to_come_back() -> None:
    meter = LadderMeter(1)
    meter.update(0.0, [WHOLE])
    before = meter.ladder
    alone = scalable(100_000, size=(320, 180))
    meter.update(10.0, [scalable(100_000, size=(320, 180), asked=1)])
    assert meter.update(10.0 + HOLD_S, [alone]) is before
    meter.update(10.5 + HOLD_S, [alone])
    assert shape(meter) == [(0, 0)], "its publisher has them no more"
    meter.update(11.5 + HOLD_S, [alone])
    assert [layer.pixels for layer in meter.ladder.layers] == [320 * 180]
