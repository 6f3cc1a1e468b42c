"""What ``bench.peers`` asks of an adapter: `Peer`, a kind of server, and `Running`, one process of it (or several).

A file of this package holds one `Peer`, or several configurations of one, and ``registry.py`` lists them. Signaling is
an exchange of SDP as in WHIP and WHEP: the load generator offers (Opus when there is audio, then VP8, see
``sfu.bench.whip``) and gets what the server says of itself. Of that it needs the first UDP host candidate, the ICE
credentials and the fingerprint. It is a full, controlling ICE agent and the DTLS client, always.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfu.bench.target import Target, TargetError, Usage, usage_of


class PeerError(TargetError):
    """The server did not start, or refuses. The text is for people."""


class Running(abc.ABC):
    """A server that runs. Rooms are made as they are named; one publisher each."""

    @property
    @abc.abstractmethod
    def pids(self) -> Sequence[int]:
        """Every process whose time and memory are the server's; none when that is not known."""

    @abc.abstractmethod
    async def publisher_answer(self, room: str, offer_sdp: str) -> str:
        """Joins a publisher by its offer; the server's answer. PeerError when it refuses.

        The answer must keep the payload types and extension ids of the offer.
        """

    @abc.abstractmethod
    async def subscriber_answer(self, room: str, offer_sdp: str) -> str:
        """Joins a subscriber of the room's publisher by its offer; the server's answer. PeerError when it refuses.

        A server that wants to offer itself gets ``crossing.answer_to(its offer, offer_sdp)``, and its own offer is
        returned: it says all that an answer would.
        """

    @abc.abstractmethod
    async def stop(self) -> None:
        """Ends the processes and removes their files. Idempotent."""

    def usage(self) -> Usage | None:
        """Of all processes together; None when they are not known. TargetError when one is gone."""
        if not self.pids:
            return None
        usages = [usage_of(pid) for pid in self.pids]
        return Usage(sum(usage.cpu_s for usage in usages), sum(usage.rss_bytes for usage in usages))


class Peer(abc.ABC):
    """A kind of server in one configuration."""

    name: str
    """As in the report: ``janus tuned``."""
    audio: bool = True
    """False: it is measured, and compared with ours, by video alone."""
    adaptive: bool = False
    """Whether it estimates each subscriber's network: it is compared with ours doing so too, else forwarding alone."""
    install: str
    """How one gets it, in a line."""
    target_ratio: float | None = None
    """What its CPU time per packet is to be at least, as a multiple of ours, at 200 subscribers; None: not set."""

    @abc.abstractmethod
    def is_installed(self) -> str | None:
        """None: it is; else what is missing, in a few words."""

    @abc.abstractmethod
    async def start(self, cpu: int | None, folder: Path) -> Running:
        """Starts it on processor ``cpu`` (None: any), with files in ``folder``, which is empty and the caller's.

        Returns when it takes clients. PeerError when that does not come about.
        """


@dataclass(frozen=True, slots=True)
class PeerTarget(Target):
    """A peer as what ``sfu.bench`` measures."""

    running: Running

    def usage(self) -> Usage | None:
        """Of all processes together."""
        return self.running.usage()

    def publisher(self, meeting: str) -> Callable[[str], Awaitable[str]]:
        """Offer to answer."""

        async def exchange(offer_sdp: str) -> str:
            return await self.running.publisher_answer(meeting, offer_sdp)

        return exchange

    def subscriber(self, meeting: str) -> Callable[[str], Awaitable[str]]:
        """Offer to answer."""

        async def exchange(offer_sdp: str) -> str:
            return await self.running.subscriber_answer(meeting, offer_sdp)

        return exchange
