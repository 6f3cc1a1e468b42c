from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.clock import VirtualClock

from sfu.access.keys import Algorithm, Key


@pytest.fixture(params=list(Algorithm))
def key(request: pytest.FixtureRequest) -> Key:
    """One of each kind that signs."""
    if request.param is Algorithm.HS256:
        return Key("first", Algorithm.HS256, secrets.token_bytes(32))
    return Key("first", Algorithm.EDDSA, Ed25519PrivateKey.generate())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
