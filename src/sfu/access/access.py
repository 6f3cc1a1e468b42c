"""All that a server knows of keys, as one value that plugins ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sfu.access.api_keys import ApiKeys
from sfu.access.keys import KeyRing, StaticKeys
from sfu.access.revocations import Revocations
from sfu.access.tokens import Terms, verify_token
from sfu.conference.grants import Grants
from sfu.errors import RemoteError


@dataclass(slots=True)
class Access:
    """Without keys no token is good, and no program is known."""

    keys: KeyRing = field(default_factory=StaticKeys)
    terms: Terms = field(default_factory=Terms)
    api_keys: ApiKeys = field(default_factory=ApiKeys)
    revocations: Revocations = field(default_factory=Revocations)

    async def verify(self, token: str, now: datetime) -> Grants:
        """What a token grants that was not revoked. Raises ``RemoteError`` ``unauthorized``."""
        grants = await verify_token(token, self.keys, self.terms, now)
        self.require_good(grants)
        return grants

    def require_good(self, grants: Grants) -> None:
        """For who looks again, after a wait. Raises ``RemoteError`` ``unauthorized`` for what was revoked."""
        if self.revocations.is_revoked(grants):
            raise RemoteError("unauthorized", "the token was revoked", "ask for a new one", status=401)
