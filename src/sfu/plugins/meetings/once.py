"""Requests that may come again: a client that got no answer sends the same ``Idempotency-Key`` and gets the same one.

Nothing secret is kept for that: the tokens of the answer follow from the key, which only the client knows, and a salt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sfu.conference import Conference
from sfu.conference.draft import MeetingDraft, NewMeeting, Tokens
from sfu.conference.records import Once
from sfu.errors import RemoteError

MIN_KEY_CHARS, MAX_KEY_CHARS = 16, 255
"""The key stands for the tokens, so it must not be guessed: a UUID will do."""


@dataclass(frozen=True, slots=True)
class OnceKey:
    """A client's key and what it asked for."""

    key: str
    scope: str
    """Whose key it is: two clients may take the same."""
    body_digest: bytes

    @classmethod
    def parse(cls, key: str, scope: str, body_digest: bytes) -> OnceKey:
        """Raises ``RemoteError`` ``bad_request``."""
        if not MIN_KEY_CHARS <= len(key) <= MAX_KEY_CHARS or not key.isascii() or not key.isprintable():
            hint = f"{MIN_KEY_CHARS} to {MAX_KEY_CHARS} printable characters, like a UUID"
            raise RemoteError("bad_request", "the Idempotency-Key has a wrong form", hint)
        return cls(key, scope, body_digest)

    def once(self, now: datetime) -> Once:
        """To be written down with the meeting."""
        return Once(self._digest(), self.body_digest, secrets.token_bytes(32), "", now)

    def tokens(self, once: Once) -> Tokens:
        """The same for the same key and salt."""
        return Tokens(self._token(once, b"host"), self._token(once, b"join"))

    async def found(self, conference: Conference) -> NewMeeting | None:
        """What was made for the key. Raises ``RemoteError`` ``idempotency_mismatch`` when that was something else."""
        once = await conference.store.find_once(self._digest())
        if once is None:
            return None
        if once.body_digest != self.body_digest:
            raise RemoteError(
                "idempotency_mismatch",
                "the Idempotency-Key was used for another meeting",
                "take a new key for each meeting",
                status=422,
            )
        return NewMeeting(await conference.record(once.meeting_id), self.tokens(once))

    async def make(self, conference: Conference, draft: MeetingDraft) -> tuple[NewMeeting, bool]:
        """The meeting, and whether it was made just now."""
        found = await self.found(conference)
        if found is not None:
            return found, False
        once = self.once(conference.clock.wall())
        try:
            return await conference.plan(draft, self.tokens(once), once), True
        except RemoteError as error:
            if error.code != "once_taken":
                raise
        found = await self.found(conference)
        if found is None:
            raise RemoteError("conflict", "the meeting was made and removed at once", "try again", status=409)
        return found, False

    def _digest(self) -> bytes:
        return hashlib.sha256(f"{self.scope}\0{self.key}".encode()).digest()

    def _token(self, once: Once, what: bytes) -> str:
        mac = hmac.digest(self.key.encode(), once.salt + what, "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")
