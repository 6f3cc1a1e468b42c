"""Keys that are kept elsewhere: in a file that may change, or at a URL. Fetched when they are needed, kept for a while.

A key that is not known has them fetched anew, so that a new key is good within seconds; a token that names nonsense has
that happen every ten seconds at most. While the source is away, what it said last is good for an hour.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from sfu.access.keys import MAX_FILE_BYTES, Key, KeySet, parse_keys
from sfu.clock import Clock
from sfu.errors import ConfigError, RemoteError
from sfu.runtime.log import logger

FRESH_S = 300.0
STALE_S = 3600.0
RETRY_S = 10.0
"""Between two looks."""
CONNECT_TIMEOUT_S = 5.0
FETCH_TIMEOUT_S = 10.0
"""For the whole answer."""
CHUNK_BYTES = 8192

log = logger(__name__)


class CachedKeys:
    """A ``KeyRing``. ``read`` blocks, in a thread of its own; it raises ``ConfigError`` or ``OSError``."""

    def __init__(self, clock: Clock, read: Callable[[], KeySet], where: str) -> None:
        self._clock = clock
        self._read = read
        self._where = where
        self._keys: KeySet | None = None
        self._read_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> Key | None:
        """See ``KeyRing``. Raises ``RemoteError`` ``store_unavailable`` when no keys can be had."""
        now = self._clock.now()
        found = self._keys.find(kid) if self._keys else None
        if found is None or now - self._read_at > FRESH_S:
            await self._refresh()
            found = self._keys.find(kid) if self._keys else None
        if self._keys is None or self._clock.now() - self._read_at > STALE_S:
            raise RemoteError("store_unavailable", "the keys of access tokens can not be had", "later", status=503)
        return found

    async def _refresh(self) -> None:
        async with self._lock:  # one asks for all who want to know
            if self._clock.now() - self._tried_at < RETRY_S:
                return
            self._tried_at = self._clock.now()
            try:
                keys = await asyncio.to_thread(self._read)
            except (ConfigError, OSError, HTTPException) as error:
                log.warning("keys_not_read", source=self._where, reason=_reason(error))
                return
            self._keys, self._read_at = keys, self._clock.now()


def _reason(error: Exception) -> str:
    if isinstance(error, URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def read_file(path: Path) -> KeySet:
    """Raises ``ConfigError``."""
    try:
        with path.open("rb") as file:
            return parse_keys(file.read(MAX_FILE_BYTES + 1), where="auth.keys")
    except OSError as error:
        raise ConfigError("auth.keys", f"{path} can not be read: {error.strerror}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Keys come from where the configuration says, and from nowhere that says to look elsewhere."""


def fetch(url: str) -> KeySet:
    """The public keys at a URL: bounded in size and time, without redirects. Raises ``ConfigError``, ``OSError``."""
    opener = urllib.request.build_opener(_NoRedirect)
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    body = b""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked by the configuration
    with opener.open(request, timeout=CONNECT_TIMEOUT_S) as answer:
        while len(body) <= MAX_FILE_BYTES and (chunk := answer.read1(CHUNK_BYTES)):
            body += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all there within {FETCH_TIMEOUT_S:.0f} s")
    return parse_keys(body, where="auth.jwks_url", public_only=True)
