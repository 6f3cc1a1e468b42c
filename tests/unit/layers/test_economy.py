from __future__ import annotations

from sfu.layers.economy import OFF_AFTER_S, Economy, wanted_encodings, wanted_layers


def test_what_is_wanted_is_every_target_and_the_lowest_to_fall_back_to() -> None:
    assert wanted_encodings([], 3) == 0b000
    assert wanted_encodings([0], 3) == 0b001
    assert wanted_encodings([2, 1], 3) == 0b111
    assert wanted_encodings([2], 3) == 0b101
    assert wanted_encodings([255], 3) == 0b101
    assert wanted_encodings([3], 1) == 0b001, "spatial layers of SVC are in one encoding"


def test_of_one_stream_the_layers_up_to_the_highest_target_are_wanted() -> None:
    assert wanted_layers([], 2) == 0b0000
    assert wanted_layers([0], 2) == 0b0001
    assert wanted_layers([1, 0], 2) == 0b0011
    assert wanted_layers([0, 2], 2) == 0b1111, "who has the highest that there is would have a higher one"
    assert wanted_layers([255], 2) == 0b1111
    assert wanted_layers([0], 0) == 0b1111


def test_an_encoding_goes_off_when_nobody_wanted_it_for_so_long() -> None:
    economy = Economy(3)
    assert not economy.update(0.0, 0b001)
    assert not economy.update(OFF_AFTER_S - 0.1, 0b001)
    assert economy.active == 0b111
    assert economy.update(OFF_AFTER_S, 0b001)
    assert economy.active == 0b001


def test_a_moment_of_interest_starts_the_time_anew() -> None:
    economy = Economy(2)
    economy.update(0.0, 0b01)
    economy.update(3.0, 0b11)
    economy.update(4.0, 0b01)
    assert not economy.update(4.0 + OFF_AFTER_S - 0.1, 0b01)
    assert economy.update(4.0 + OFF_AFTER_S, 0b01)


def test_an_encoding_comes_back_at_once() -> None:
    economy = Economy(2)
    economy.update(0.0, 0b00)
    economy.update(OFF_AFTER_S, 0b00)
    assert economy.active == 0
    assert economy.update(OFF_AFTER_S + 0.1, 0b10)
    assert economy.active == 0b10


def test_nothing_changes_without_a_reason() -> None:
    economy = Economy(3)
    for tenth in range(200):
        assert not economy.update(tenth / 10, 0b111)
