from __future__ import annotations

import pytest

from sfu.bench.floor import Floor, mean, measure
from sfu.dtls.srtp import SrtpProfile


def floor_of(bare: float, aead: float, sealed: float, lost: int) -> Floor:
    latency = {"p50": round(bare * 100), "max": 900}
    return Floor(bare, aead, bare + aead, sealed, 100, lost, latency, {"p50": round(sealed * 100), "max": 800})


def test_costs_of_several_measurements_are_averaged_and_packets_added_up() -> None:
    both = mean([floor_of(1.0, 0.2, 1.3, 0), floor_of(3.0, 0.4, 3.1, 5)])
    assert both.bare_us_per_packet == pytest.approx(2.0)
    assert both.us_per_packet == pytest.approx(2.3)
    assert both.each_us_per_packet == (pytest.approx(1.2), pytest.approx(3.4))
    assert (both.packets, both.lost) == (200, 5)
    assert both.sealed_us_per_packet == pytest.approx(2.2)
    assert both.each_sealed_us_per_packet == (1.3, 3.1)
    assert both.latency_us == {"p50": 200, "max": 900}
    assert both.sealed_latency_us == {"p50": 220, "max": 800}


@pytest.mark.parametrize("sealed_first", [False, True])
@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80])
def test_every_datagram_of_the_rhythm_arrives_and_costs_something(profile: SrtpProfile, sealed_first: bool) -> None:
    floor = measure(
        4,
        1_500,
        audio=False,
        duration_s=0.3,
        profile=profile,
        processors=(None, None),
        sealed_first=sealed_first,
    )
    # Whole frames of five packets, to four, of both reflectors.
    assert floor.packets > 0
    assert (floor.packets + floor.lost) % 20 == 0
    assert floor.lost == 0
    assert floor.us_per_packet == pytest.approx(floor.bare_us_per_packet + floor.aead_us_per_packet)
    assert floor.bare_us_per_packet > 0 < floor.aead_us_per_packet
    assert floor.sealed_us_per_packet > floor.aead_us_per_packet
    assert floor.sealed_latency_us["max"] > 0 < floor.latency_us["max"]


@pytest.mark.parametrize(
    ("subscribers", "kbps", "duration_s"), [(0, 1, 1.0), (10_001, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0), (1, 1, 601.0)]
)
def test_what_cannot_be_measured_is_refused(subscribers: int, kbps: int, duration_s: float) -> None:
    with pytest.raises(ValueError, match="accepted"):
        measure(
            subscribers,
            kbps,
            audio=True,
            duration_s=duration_s,
            profile=SrtpProfile.AEAD_AES_128_GCM,
            processors=(None, None),
        )
