from __future__ import annotations

import pytest

from sfu.conference.store import MeetingStore, MemoryStore


@pytest.fixture
async def store() -> MeetingStore:
    """Each of the stores in turn: what the tests say is true of all."""
    return MemoryStore()
