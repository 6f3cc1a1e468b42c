"""What a server makes of what others of its deployment tell it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import EPOCH, VirtualClock
from tests.support.waiting import until

from sfu.access import Access, Revocations
from sfu.access import revocations as module
from sfu.conference.grants import Grants
from sfu.runtime.several import heed_revocations

ANN = Grants(identity="ann", token_id="a")


class Others:
    """A cluster that tells of a revocation, and a conference that is asked to remove somebody."""

    def __init__(self, path: Path) -> None:
        self.access = Access(revocations=Revocations.open(path, EPOCH))
        self.cluster: Any = SimpleNamespace()
        self.was_revoked: list[bool] = []
        heed_revocations(self.cluster, self, self.access)  # type: ignore[arg-type]
        self.clock = VirtualClock()

    def remove_revoked(self, **_named: str | None) -> int:
        """See ``Conference``; notes whether who is removed now could come back at once."""
        self.was_revoked.append(self.access.revocations.is_revoked(ANN))
        return 0


async def test_who_is_removed_can_not_come_back_in_the_same_moment_nor_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "revoked"
    others = Others(path)
    others.cluster.on_revoked({"identity": "ann", "token_id": None})
    assert others.was_revoked == [True]
    await until(lambda: Revocations.open(path, EPOCH).is_revoked(ANN), "that it is on disk")


async def test_they_are_removed_also_when_no_more_revocations_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 0)
    others = Others(tmp_path / "revoked")
    others.cluster.on_revoked({"identity": None, "token_id": "a"})
    assert others.was_revoked == [False]
