"""What somebody brings along who joins: who it is, and what its token allows. Who checked that is no matter here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sfu.conference.authority import Role
from sfu.conference.track import Source


@dataclass(frozen=True, slots=True)
class Grants:
    """The limits of a token; None: it sets none."""

    identity: str | None = None
    """Who it is, in the words of who gave the token; None: a guest, whom nobody vouches for."""
    name: str | None = None
    """What the others are shown, instead of what the client says."""
    meeting: str | None = None
    """The one meeting that it is good for; None: any."""
    role: Role | None = None
    """What it is in the meeting; None: what the meeting's rules say."""
    publish: frozenset[Source] | None = None
    """The most that it may ever publish, whatever a host permits."""
    record: bool = False
    """Whether it may begin and end recordings."""
    max_bps: int | None = None
    """What it is sent at most, bits per second."""
    session_s: float | None = None
    """How long it may stay, seconds from the join on."""
    expires_at: datetime | None = None
    """When the token is good for nothing any more; who is in the meeting by then stays."""
    token_id: str | None = None
    """By which the token can be revoked."""
    link: bytes = b""
    """SHA-256 of the join token that it came with; b"": it came without one, or did not need it."""
    browser: bytes = b""
    """SHA-256 of what the client calls itself, by which a guest is known again who does not hide."""


GUEST = Grants()
"""Of who brings nothing."""
