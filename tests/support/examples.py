"""How far property tests look. An ordinary run looks at the same examples each time, so that a commit passes or fails
for good; with SFU_EXAMPLES=20 a run looks at twenty times as many, other ones each time (`make explore`).
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

EXPLORING: Final = "SFU_EXAMPLES"
"""The environment variable: how many times the ordinary number of examples."""

ORDINARY = 100
"""Examples of a test that says nothing, as Hypothesis has it."""


def examples(count: int) -> int:
    """What ``max_examples`` is for a test that looks at so many in an ordinary run."""
    return count * int(os.environ.get(EXPLORING, "1"))


def load_profile() -> None:
    """Chooses the profile; before any test module is imported. No time is judged: the machine's load is not ours."""
    settings.register_profile(
        "ordinary",
        derandomize=True,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile(
        "explore", settings.get_profile("ordinary"), derandomize=False, max_examples=examples(ORDINARY)
    )
    if EXPLORING in os.environ:
        settings.load_profile("explore")
        return
    settings.load_profile("ordinary")
    # Hypothesis mixes in the constants of whatever modules are loaded. Then another choice of tests, or a line changed
    # anywhere, would change what every test looks at.
    nothing = Constants()
    providers._get_local_constants = lambda: nothing
