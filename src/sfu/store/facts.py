"""Facts as JSON objects: ``{"fact": kind, …}``, for the journal."""

from __future__ import annotations

from typing import Any

from sfu.conference.ledger import Added, Changed, Ended, Fact, Happened, Joined, Left, Removed
from sfu.conference.plain import plain, read

KINDS: dict[str, type[Fact]] = {
    kind.__name__.lower(): kind for kind in (Joined, Left, Ended, Added, Changed, Removed, Happened)
}


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
