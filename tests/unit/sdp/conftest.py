"""Descriptions that several tests start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.rtp.codecs import Fingerprint, Kind, LocalTransportParameters
from sfu.sdp.description import SessionDescription
from sfu.sdp.negotiate import CodecPolicy, EgressSection, IngressSection, build_offer

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"
CANDIDATE = "1 1 udp 2130706431 192.0.2.7 40000 typ host"


@pytest.fixture
def vector() -> Callable[[str], str]:
    """Reads the text of a real client's description, line ends as they are."""
    return lambda name: (VECTORS / f"{name}.sdp").read_bytes().decode()


@pytest.fixture
def local() -> LocalTransportParameters:
    fingerprint = Fingerprint("sha-256", ":".join(["AB"] * 32))
    return LocalTransportParameters("abcdEFGH", "p" * 24, (fingerprint,), (CANDIDATE,))


def slot(mid: int, kind: Kind) -> EgressSection:
    rtx_ssrc = None if kind is Kind.AUDIO else 2000 + mid
    return EgressSection(str(mid), kind, 1000 + mid, rtx_ssrc, "sfu", f"slot-{mid}", f"track-{mid}")


SECTIONS: tuple[IngressSection | EgressSection, ...] = (
    IngressSection("0", Kind.AUDIO),
    IngressSection("1", Kind.VIDEO, ("q", "h", "f")),
    IngressSection("2", Kind.VIDEO, content="slides"),
    IngressSection("3", Kind.AUDIO),
    *(slot(mid, Kind.AUDIO) for mid in (4, 5, 6)),
    *(slot(mid, Kind.VIDEO) for mid in (7, 8)),
)


@pytest.fixture
def offer(local: LocalTransportParameters) -> SessionDescription:
    """A participant's first offer: four ingress m-lines, three audio slots, two video slots."""
    return build_offer(local, SECTIONS, CodecPolicy(), session_id=7, version=1)
