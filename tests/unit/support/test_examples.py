"""What random tests look at does not change from run to run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.examples import EXPLORING, examples


def draws() -> list[list[int]]:
    seen: list[list[int]] = []

    @given(st.lists(st.integers()))
    def look(numbers: list[int]) -> None:
        seen.append(numbers)

    look()
    return seen


IN_COMPANY = """
import json
import sfu.cli
from tests.support.examples import load_profile
load_profile()
from tests.unit.support.test_examples import draws
print(json.dumps(draws()))
"""


@pytest.mark.skipif(not settings().derandomize, reason="looks for what ordinary runs do not find")
def test_the_same_examples_come_whatever_else_is_loaded_in_the_run() -> None:
    before = draws()
    run = subprocess.run([sys.executable, "-c", IN_COMPANY], capture_output=True, check=True, text=True)

    assert len(before) == 100
    assert json.loads(run.stdout) == before == draws()


def test_a_run_that_explores_multiplies_the_number_of_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EXPLORING, raising=False)
    assert examples(40) == 40
    monkeypatch.setenv(EXPLORING, "20")
    assert examples(40) == 800
