"""Measurements on a machine that others use too. A processor that was away for a moment looks like a slow server, so
what is out of bounds is measured a second time; twice out of bounds is a failure. What was repeated is told in the end.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
T = TypeVar("T")

REPEATED_TEST_TIMEOUT_S = 600

repeated: list[str] = []
"""What was out of bounds the first time."""


def _note(what: str, failure: AssertionError) -> None:
    repeated.append(f"{what}: {str(failure).partition(chr(10))[0]}")


async def steady(measure: Callable[[], Awaitable[T]], what: str) -> T:
    """What ``measure`` gives; once more when an assertion in it fails."""
    try:
        return await measure()
    except AssertionError as failure:
        _note(what, failure)
    return await measure()


def repeatable(test: Callable[P, None]) -> Callable[P, None]:
    """A test that may run a second time with the same fixtures. What no noise explains it calls ``pytest.fail`` for."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            return test(*args, **kwargs)
        except AssertionError as failure:
            _note(test.__name__, failure)
        return test(*args, **kwargs)

    return pytest.mark.timeout(REPEATED_TEST_TIMEOUT_S)(run)
