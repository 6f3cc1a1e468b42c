"""Any server that runs already and takes WHIP (RFC 9725) and WHEP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.peers.adapter import Peer, PeerError, Running
from sfu.bench.whip import SignalingError, exchange_at


class WhipWhep(Peer):
    """``{room}`` in an address becomes the room's name."""

    install = "start it, and give its addresses with --whip and --whep"

    def __init__(self, whip: str, whep: str, pids: Sequence[int]) -> None:
        self.name = whip.split("/")[2]
        self._running = _RunningElsewhere(whip, whep, pids)

    def is_installed(self) -> str | None:
        """Who gives its address says that it is."""
        return None

    async def start(self, cpu: int | None, folder: Path) -> Running:  # noqa: ARG002 - it runs already
        """It has been started by somebody else, and is kept on its processor by them."""
        return self._running


class _RunningElsewhere(Running):
    def __init__(self, whip: str, whep: str, pids: Sequence[int]) -> None:
        self._whip = whip
        self._whep = whep
        self._pids = pids

    @property
    def pids(self) -> Sequence[int]:
        return self._pids

    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        return await _post(self._whip, room, offer_sdp)

    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        return await _post(self._whep, room, offer_sdp)

    async def stop(self) -> None:
        """It is not ours to stop."""


async def _post(template: str, room: str, sdp: str) -> str:
    try:
        return await exchange_at(template.replace("{room}", room))(sdp)
    except SignalingError as error:
        raise PeerError(str(error)) from error
