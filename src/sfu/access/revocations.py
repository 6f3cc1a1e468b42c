"""What was revoked: tokens by id, and identities. Kept in memory and, line by line, in a file.

A revocation is forgotten when everything that it is about has expired: a year later, which is what a token lives at
most. A line that a crash cut in two is passed over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sfu.access.tokens import MAX_LIFE_S
from sfu.conference.grants import Grants
from sfu.errors import ConfigError, RemoteError

MAX_ENTRIES = 100_000
MAX_LINE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """Of one token or of one identity."""

    at: float
    """When, seconds of the epoch."""
    token_id: str | None = None
    identity: str | None = None


_ENTRY = TypeAdapter(Entry)


class Revocations:
    """``path`` None: in memory alone. ``open`` reads what is there."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._tokens: dict[str, float] = {}
        self._identities: dict[str, float] = {}

    @classmethod
    def open(cls, path: Path, now: datetime) -> Revocations:
        """From a file, which need not exist yet. Raises ``ConfigError`` when it can not be read or written."""
        self = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                file.seek(0)
                line = b"\n"
                for line in file:
                    self._read(line, now.timestamp())
                if not line.endswith(b"\n"):
                    file.write(b"\n")  # what a crash cut in two must not spoil the next one
        except OSError as error:
            raise ConfigError("auth.revocations", f"can not be used: {error.strerror}", str(path)) from error
        return self

    def __len__(self) -> int:
        return len(self._tokens) + len(self._identities)

    def revoke(self, now: datetime, *, token_id: str | None = None, identity: str | None = None) -> None:
        """From now on it is good no longer; on disk when this returns. Raises ``RemoteError`` as ``keep`` and
        ``write`` do.
        """
        entry = Entry(now.timestamp(), token_id, identity)
        self.keep(entry)
        self.write(entry)

    def keep(self, entry: Entry) -> None:
        """Until the next start. Raises ``RemoteError`` ``limit_reached``."""
        if len(self) >= MAX_ENTRIES:
            raise RemoteError("limit_reached", f"{MAX_ENTRIES} revocations are kept", "change the key", status=409)
        self._keep(entry)

    def write(self, entry: Entry) -> None:
        """To the file, if there is one: what was kept is known after the next start too. Raises ``RemoteError``
        ``store_unavailable``.
        """
        if self._path is None:
            return
        try:
            _append(self._path, entry)
        except OSError as error:
            raise RemoteError(
                "store_unavailable", f"the revocation can not be written down: {error.strerror}", status=503
            ) from error

    def is_revoked(self, grants: Grants) -> bool:
        """Whether what these come from is."""
        return grants.token_id in self._tokens or grants.identity in self._identities

    def _keep(self, entry: Entry) -> None:
        if entry.token_id is not None:
            self._tokens[entry.token_id] = entry.at
        if entry.identity is not None:
            self._identities[entry.identity] = entry.at

    def _read(self, line: bytes, now: float) -> None:
        with suppress(ValueError, RecursionError, ValidationError):
            entry = _ENTRY.validate_json(line[:MAX_LINE_BYTES])
            if now - entry.at < MAX_LIFE_S and len(self) < MAX_ENTRIES:
                self._keep(entry)


def _append(path: Path, entry: Entry) -> None:
    with path.open("ab") as file:
        file.write(_ENTRY.dump_json(entry, exclude_none=True) + b"\n")
        file.flush()
        os.fsync(file.fileno())
