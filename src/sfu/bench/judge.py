"""Measured values beside their targets.

A target is missed when every round misses it; when some round reaches it, the limit lies within the run's own noise.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Of one check, or the worst of several."""

    OK = "ok"
    CLOSE = "within noise"
    """The median misses the target, some round reaches it."""
    MISSED = "missed"
    UNKNOWN = "not measured"
    REPORTED = "no target"


class Relation(StrEnum):
    """Of a value to its limit."""

    AT_MOST = "<="
    BELOW = "<"
    AT_LEAST = ">="
    REPORTED = ""

    def holds(self, value: float, limit: float) -> bool:
        """Whether the value reaches the limit."""
        match self:
            case Relation.AT_MOST:
                return value <= limit
            case Relation.BELOW:
                return value < limit
            case Relation.AT_LEAST:
                return value >= limit
            case Relation.REPORTED:
                return True


@dataclass(frozen=True, slots=True)
class Check:
    """What one number must reach."""

    name: str
    """With its unit."""
    path: str
    """Dotted, in the scenario's result."""
    relation: Relation
    limit: float
    scale: float = 1.0
    """From the result's unit to that of the name."""
    digits: int = 2


@dataclass(frozen=True, slots=True)
class Judged:
    """One check of one run. ``values``: one a round; empty when it could not be measured."""

    name: str
    relation: Relation
    limit: float
    digits: int
    values: list[float]
    verdict: Verdict
    why: str = ""
    """It could not be measured."""

    @property
    def median(self) -> float | None:
        """Of the rounds."""
        return statistics.median(self.values) if self.values else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `report` reads it."""
        return asdict(self) | {"median": self.median}


def judge(check: Check, rounds: Sequence[dict[str, Any]]) -> Judged:
    """The check against all rounds."""
    found = [value for of_round in rounds if (value := _at(of_round, check.path)) is not None]
    values = [value * check.scale for value in found]
    missing = "" if values else f"the result has no {check.path}"
    return Judged(check.name, check.relation, check.limit, check.digits, values, verdict_of(check, values), missing)


def verdict_of(check: Check, values: Sequence[float]) -> Verdict:
    """See the head of this module."""
    if not values:
        return Verdict.UNKNOWN
    if check.relation is Relation.REPORTED:
        return Verdict.REPORTED
    if check.relation.holds(statistics.median(values), check.limit):
        return Verdict.OK
    return Verdict.CLOSE if any(check.relation.holds(value, check.limit) for value in values) else Verdict.MISSED


def unmeasured(check: Check, why: str) -> Judged:
    """The scenario did not come about."""
    return Judged(check.name, check.relation, check.limit, check.digits, [], Verdict.UNKNOWN, why)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """What could not be measured is not reached."""
    for verdict in (Verdict.MISSED, Verdict.UNKNOWN):
        if verdict in verdicts:
            return Verdict.MISSED
    return Verdict.CLOSE if Verdict.CLOSE in verdicts else Verdict.OK


def _at(result: dict[str, Any], path: str) -> float | None:
    value: Any = result
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return float(value) if isinstance(value, (int, float)) else None
