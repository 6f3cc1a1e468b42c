"""From the configuration to what the server knows of keys. Said once at start: who may do what without any."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sfu.access import Access, ApiKeys, KeyRing, Revocations, Terms
from sfu.access.keys import StaticKeys
from sfu.clock import Clock
from sfu.config import Config
from sfu.errors import ConfigError
from sfu.runtime.key_rings import CachedKeys, fetch, read_file
from sfu.runtime.log import logger

MAX_KEYS_FILE_BYTES = 256 * 1024

log = logger(__name__)


def access(config: Config, clock: Clock) -> Access:
    """Raises ``ConfigError`` for what can not be read, but for a URL, which may come later."""
    auth = config.auth
    return Access(
        keys=_key_ring(config, clock),
        terms=Terms(auth.issuer, auth.audience, auth.leeway_s),
        api_keys=api_keys(config),
        revocations=Revocations.open(Path(auth.revocations), clock.wall()) if auth.revocations else Revocations(),
    )


def check(config: Config) -> None:
    """What files say, without keeping anything. Raises ``ConfigError``."""
    api_keys(config)
    if config.auth.keys:
        read_file(Path(config.auth.keys))


def api_keys(config: Config) -> ApiKeys:
    """Those of the configuration and of its file. Raises ``ConfigError``."""
    lines = list(config.auth.api_keys)
    if config.auth.api_keys_file:
        path = Path(config.auth.api_keys_file)
        try:
            with path.open(encoding="utf-8") as file:
                lines += file.read(MAX_KEYS_FILE_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("auth.api_keys_file", f"can not be read: {error}") from error
    return ApiKeys.parse(lines, "auth.api_keys")


def tell_what_is_open(access: Access, *, dev: bool) -> None:
    """A warning where everybody may do everything, and where nobody can make a meeting."""
    if dev:
        log.warning("development_mode", meaning="whoever reaches this server may do everything, without any key")
    elif not len(access.api_keys):
        log.warning("no_api_keys", meaning="nobody can make meetings", hint="sfu key create, and [auth] api_keys")


def _key_ring(config: Config, clock: Clock) -> KeyRing:
    auth = config.auth
    if auth.jwks_url:
        return CachedKeys(clock, partial(fetch, auth.jwks_url), auth.jwks_url)
    if not auth.keys:
        return StaticKeys()
    path = Path(auth.keys)
    read_file(path)  # a mistake is told at start
    return CachedKeys(clock, partial(read_file, path), str(path))
