"""Facts as JSON objects: ``{"fact": kind, …}``, for the journal."""

from __future__ import annotations

from typing import Any, get_args

from sfu.conference import ledger
from sfu.conference.ledger import Fact
from sfu.conference.plain import plain, read

KINDS: dict[str, type[Fact]] = {kind.__name__.lower(): kind for kind in get_args(ledger.Fact)}


def to_json(fact: Fact) -> dict[str, Any]:
    """As it can be written down."""
    return {"fact": type(fact).__name__.lower(), **plain(fact)}


def from_json(value: Any) -> Fact:
    """As it was. Raises ``ValueError`` for what is no fact."""
    try:
        found: Fact = read(KINDS[value["fact"]], value)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no fact: {error!r}") from error
    return found
