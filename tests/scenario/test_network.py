"""Every case of ``sfu bench network`` against its bounds, over few seeds. The scoreboard has more of them."""

from __future__ import annotations

import pytest

from sfu.bench.network.cases import CASES
from sfu.bench.network.runner import run

SEEDS = 5
SEEDS_OF = {"down": 10}
"""How much lies in the queue depends on where in a frame the step falls: five seeds differ by 60 ms from ten others."""
SCALABLE_SEEDS = 3
"""Of cases that differ from another one in how cameras are coded."""


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_no_figure_of_a_network_case_is_worse_than_it_is_held_to(name: str) -> None:
    board = run((name,), SEEDS_OF.get(name, SCALABLE_SEEDS if "svc" in name else SEEDS))
    worse = [f"{row.figure.name}: {row.values}, held to {row.figure.held_to}" for row in board.rows if not row.holds]
    assert not worse, worse
