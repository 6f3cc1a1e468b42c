from __future__ import annotations

from tests.support.layers import camera, demand, screen

from sfu.layers import Ladder, Layer, Priority, Reason, Wish


def steps(ladder: Ladder, *, is_screen: bool = False, **wish: object) -> list[tuple[int, int]]:
    return list(ladder.rungs(Wish(**wish), is_screen=is_screen).shape)  # type: ignore[arg-type]


def top_reason(ladder: Ladder, **wish: object) -> Reason:
    return ladder.rungs(Wish(**wish), is_screen=False).choices[-1].reason  # type: ignore[arg-type]


def test_a_camera_climbs_through_frame_rates_first_and_through_sizes_that_move() -> None:
    assert steps(camera()) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_tile_gets_the_smallest_size_that_fills_it() -> None:
    assert steps(camera(), width=320, height=180)[-1] == (0, 2)
    assert steps(camera(), width=640, height=360)[-1] == (1, 2)
    assert steps(camera(), width=700, height=394)[-1] == (1, 2), "enlarged by a tenth, which nobody sees"
    assert steps(camera(), width=900, height=506)[-1] == (2, 2)
    assert steps(camera(), width=3840, height=2160)[-1] == (2, 2)


def test_half_the_frame_rate_is_enough_where_half_is_wished() -> None:
    assert steps(camera(), fps=15.0)[-1] == (2, 1)


def test_a_screen_keeps_its_size_and_gives_frames() -> None:
    assert steps(screen(), is_screen=True) == [(0, 0), (0, 1), (0, 2)]
    assert steps(screen(spatial_layers=2), is_screen=True) == [(1, 0), (1, 1), (1, 2)]


def test_a_small_tile_of_a_screen_gets_the_size_that_fills_it() -> None:
    ladder = screen(spatial_layers=2)
    assert steps(ladder, is_screen=True, width=480, height=270) == [(0, 0), (0, 1), (0, 2)]


def test_a_step_that_costs_more_and_is_worth_less_is_left_out() -> None:
    ladder = Ladder([Layer(0, 0, 200_000, 320 * 180, 30.0), Layer(1, 0, 150_000, 640 * 360, 30.0)])
    assert steps(ladder) == [(1, 0)]


def test_the_reason_at_the_top_says_what_keeps_the_picture_from_being_better() -> None:
    assert top_reason(camera()) is Reason.NONE
    assert top_reason(camera(), width=320, height=180) is Reason.TILE
    assert top_reason(camera(), width=1280, height=720) is Reason.NONE
    assert top_reason(camera(encodings=2, incomplete=True)) is Reason.PUBLISHER
    assert top_reason(camera(encodings=2, incomplete=True), width=640, height=360) is Reason.NONE
    assert top_reason(camera(), max_spatial=1) is Reason.USER
    assert top_reason(camera(), max_temporal=0) is Reason.USER
    assert top_reason(camera(), policy_spatial=0) is Reason.POLICY
    assert top_reason(camera(), priority=Priority.OFF_SCREEN) is Reason.TILE


def test_off_the_screen_only_the_smallest_size_is_wished() -> None:
    assert {spatial for spatial, _ in steps(camera(), priority=Priority.OFF_SCREEN, width=1280, height=720)} == {0}


def test_a_limit_below_the_lowest_layer_gives_the_lowest() -> None:
    ladder = Ladder([Layer(1, 1, 100_000, 320 * 180, 30.0), Layer(2, 1, 200_000, 640 * 360, 30.0)])
    assert steps(ladder, max_spatial=0) == [(1, 1)]
    assert steps(ladder, max_temporal=0) == [(1, 1), (2, 1)]


def test_wishes_with_one_outcome_share_their_steps() -> None:
    ladder = camera()
    one, other = demand(ladder=ladder, width=320, height=180), demand(ladder=ladder, width=321, height=181)
    assert one.rungs is other.rungs


def test_of_a_silent_producer_nothing_can_be_had() -> None:
    assert steps(Ladder(())) == []


def test_of_two_encodings_of_one_size_the_costlier_is_the_better_one() -> None:
    ladder = Ladder(Layer(spatial, 0, 200_000 * (spatial + 1), 640 * 360, 30.0) for spatial in range(2))
    assert steps(ladder) == [(0, 0), (1, 0)]
