"""The same scenario several times: medians, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

_BULK = frozenset(
    {
        "options",
        "latency_counts",
        "video_latency_counts",
        "audio_latency_counts",
        "series",
        "steps",
        "errors",
        "each_us_per_packet",
        "each_sealed_us_per_packet",
    }
)
"""Lists and settings: taken from the middle round, and left out of ``rounds``."""

Numbers = dict[str, float]


def combine(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One round is itself. Of several: each number's median, ``spread`` (name -> smallest and largest) and ``rounds``.

    Distributions and series are those of the round in the middle, by time.
    """
    if len(rounds) == 1:
        return dict(rounds[0])
    names = [numbers(of_round) for of_round in rounds]
    spread = {name: [min(values), max(values)] for name in names[0] if (values := _values(names, name))}
    return _median(list(rounds)) | {"spread": spread, "rounds": [_slim(of_round) for of_round in rounds]}


def numbers(result: dict[str, Any], prefix: str = "") -> Numbers:
    """What is measured, by its dotted name."""
    found: Numbers = {}
    for key, value in result.items():
        if key in _BULK:
            continue
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = value
    return found


def _values(names: Sequence[Numbers], name: str) -> list[float]:
    return [of_round[name] for of_round in names if name in of_round]


def _median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    middle = rounds[len(rounds) // 2]
    combined: dict[str, Any] = {}
    for key, value in middle.items():
        values = [of_round.get(key) for of_round in rounds]
        if key in _BULK or isinstance(value, (str, bool, list)):
            combined[key] = value
        elif isinstance(value, dict):
            combined[key] = _median([of_round for of_round in values if isinstance(of_round, dict)])
        else:
            known = [of_round for of_round in values if of_round is not None]
            combined[key] = statistics.median(known) if known else None
    return combined


def _slim(result: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _slim(value) if isinstance(value, dict) else value for key, value in result.items() if key not in _BULK
    }
