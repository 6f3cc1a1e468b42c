"""What is out of bounds twice has failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support import noise


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be told at the end of the run."""
    lines: list[str] = []
    monkeypatch.setattr(noise, "repeated", lines)
    return lines


def rounds(*values: int) -> Iterator[int]:
    return iter(values)


async def test_a_second_measurement_decides_and_the_first_is_told(told: list[str]) -> None:
    values = rounds(7, 3)

    async def measure() -> int:
        value = next(values)
        assert value < 5
        return value

    assert await noise.steady(measure, "a gap") == 3
    assert len(told) == 1
    assert told[0].startswith("a gap: assert 7 < 5")


async def test_a_measurement_within_bounds_is_not_repeated(told: list[str]) -> None:
    values = rounds(3)

    async def measure() -> int:
        return next(values)

    assert await noise.steady(measure, "a gap") == 3
    assert told == []


def test_a_test_that_fails_twice_has_failed(told: list[str]) -> None:
    values = rounds(7, 8, 3)

    @noise.repeatable
    def test(bound: int) -> None:
        assert next(values) < bound

    with pytest.raises(AssertionError, match="8 < 5"):
        test(bound=5)
    test(bound=5)
    assert len(told) == 1


def test_other_failures_are_not_repeated(told: list[str]) -> None:
    @noise.repeatable
    def test() -> None:
        raise KeyError("no such thing")

    with pytest.raises(KeyError):
        test()
    assert told == []
