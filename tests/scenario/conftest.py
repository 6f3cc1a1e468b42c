from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.scenario.harness.network import Network


@pytest.fixture
def make_network() -> Iterator[Callable[..., Network]]:
    """Networks that are closed at the end. The seed is in the test's name or in its code."""
    made: list[Network] = []

    def make(seed: int = 1, **how: object) -> Network:
        made.append(Network(seed, **how))
        return made[-1]

    yield make
    for network in made:
        network.close()
