"""Keys of the server API, for an operator's own programs. The server knows their SHA-256 alone.

A key is 256 random bits, which nobody guesses, so that a slow hash would add nothing. Its name is in it, so that people
and logs can speak of it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from sfu.conference.authority import MAY, Action, Outsider
from sfu.errors import ConfigError

PREFIX = "sfu_"
MAX_KEYS = 1000
_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Scope(StrEnum):
    """What a key is good for; the values are words of the configuration."""

    READ = "read"
    """To look at meetings, and at who is and was in them."""
    MEETINGS = "meetings"
    """To make, change and end them, too."""
    MODERATE = "moderate"
    """To do in each meeting what its hosts may."""
    REVOKE = "revoke"
    """To revoke tokens and identities."""
    EVENTS = "events"
    """To see events that were given up, and have them told again."""


_READ = frozenset({Action.LIST, Action.SEE_PEOPLE, Action.SEE_HISTORY})
_MEETINGS = _READ | {Action.CREATE, Action.CHANGE, Action.DELETE, Action.END}
_SERVER = frozenset(action for action, actors in MAY.items() if Outsider.SERVER in actors)
SCOPES: dict[Scope, frozenset[Action]] = {
    Scope.READ: _READ,
    Scope.MEETINGS: _MEETINGS,
    Scope.MODERATE: _SERVER - _MEETINGS - {Action.REVOKE, Action.RETRY_EVENTS} | {Action.SEE_PEOPLE},
    Scope.REVOKE: frozenset({Action.REVOKE}),
    Scope.EVENTS: frozenset({Action.RETRY_EVENTS}),
}
"""What each scope allows. Together: whatever the server may do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, as the configuration has it: ``name:scope+scope:sha256``."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes = field(repr=False)

    def allows(self, action: Action) -> bool:
        """Whether one of its scopes does."""
        return any(action in SCOPES[scope] for scope in self.scopes)

    def __str__(self) -> str:
        scopes = "+".join(scope.value for scope in Scope if scope in self.scopes)
        return f"{self.name}:{scopes}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str, where: str) -> ApiKey:
        """A line of the configuration. Raises ``ConfigError`` with ``where``."""
        name, _, rest = text.strip().partition(":")
        words, _, digest = rest.partition(":")
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
            raise ConfigError(where, "an API key has a wrong form", "name:scope+scope:sha256, by `sfu key create`")
        try:
            scopes = frozenset(map(Scope, words.split("+")))
        except ValueError:
            known = ", ".join(Scope)
            raise ConfigError(where, f"the API key {name!r} has a scope that there is not", known) from None
        return cls(name, scopes, bytes.fromhex(digest))

    @classmethod
    def create(cls, name: str, scopes: Iterable[Scope]) -> tuple[ApiKey, str]:
        """A new key: what the configuration gets, and the secret, which is to be had this once."""
        if not _NAME.fullmatch(name):
            raise ConfigError("name", f"{name[:64]!r} is none for an API key", "1 to 32 of A-Z a-z 0-9 -")
        secret = f"{PREFIX}{name}_{secrets.token_urlsafe(32)}"
        return cls(name, frozenset(scopes), _digest(secret)), secret


class ApiKeys:
    """All keys of a server."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = {key.name: key for key in keys}

    @classmethod
    def parse(cls, lines: Iterable[str], where: str) -> ApiKeys:
        """Raises ``ConfigError``; names are used once."""
        keys = [ApiKey.parse(line, where) for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if len({key.name for key in keys}) != len(keys) or len(keys) > MAX_KEYS:
            raise ConfigError(where, f"has {len(keys)} API keys", f"at most {MAX_KEYS}, each with a name of its own")
        return cls(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, secret: str) -> ApiKey | None:
        """Whose secret this is."""
        name = secret.removeprefix(PREFIX).partition("_")[0]
        key = self._keys.get(name) if secret.startswith(PREFIX) else None
        return key if key is not None and hmac.compare_digest(_digest(secret), key.digest) else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
