"""What the layers of a gallery can take of a link."""

from __future__ import annotations

import pytest

from sfu.bench.network.fit import AUDIO_BPS, SCALABLE, WIRE, fitting_bps


@pytest.mark.parametrize(
    ("room_bps", "cameras", "kbps"),
    [
        # One camera: 700 kbit/s do not fit, 420 do.
        (790_000, 1, [420]),
        (3_000_000, 1, [2_500]),
        # Everybody's lowest layer first, then whoever is farthest from the whole picture.
        (800_000, 3, [200, 200, 200]),
        (3_000_000, 3, [700, 700, 700]),
        (10_000_000, 3, [2_500, 2_500, 2_500]),
        (60_000, 2, []),
    ],
)
def test_a_link_takes_the_steps_that_fit_in_the_order_of_the_policy(
    room_bps: int, cameras: int, kbps: list[int]
) -> None:
    assert fitting_bps(room_bps, cameras) == pytest.approx(AUDIO_BPS + sum(kbps) * 1_000 * WIRE, abs=5)


def test_layers_of_a_scalable_stream_cost_what_their_packets_do() -> None:
    # 560 kbit/s up to the middle size: 4.25 packets a picture with 97 bytes beside.
    assert fitting_bps(800_000, 1, SCALABLE) == pytest.approx(AUDIO_BPS + 560_000 + 30 * 3.25 * 97 * 8, rel=0.01)
    assert fitting_bps(800_000, 3, SCALABLE) == pytest.approx(AUDIO_BPS + 3 * (142_000 + 30 * 97 * 8 * 1.25), rel=0.01)
