"""The adapters, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence

from bench.peers.adapter import Peer


def peers() -> Sequence[Peer]:
    """Every peer that there is an adapter for, installed or not."""
    return []
