"""From the configuration to what the server knows of keys. Said once at start: who may do what without any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
LOOK_S = 1.0
"""Between two looks at the file of API keys."""

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


def keep_api_keys_fresh(config: Config, access: Access, look_s: float = LOOK_S) -> Callable[[], object]:
    """Has API keys count that come into their file, and those that are taken out of it count no more, within seconds.
    Gives what ends that.
    """
    if not config.auth.api_keys_file:
        return lambda: None
    return asyncio.create_task(_keep_api_keys_fresh(config, access, look_s), name="API keys").cancel


async def _keep_api_keys_fresh(config: Config, access: Access, look_s: float) -> None:
    path = Path(config.auth.api_keys_file)
    seen = await asyncio.to_thread(_look_of, path)
    # What was read at the start may be older than that look.
    is_new = True
    while True:
        if not is_new:
            await asyncio.sleep(look_s)
            look = await asyncio.to_thread(_look_of, path)
            is_new, seen = look != seen, look
            continue
        is_new = False
        keys = await asyncio.to_thread(_read_again, config)
        if keys is not None:
            access.api_keys = keys
            log.info("api_keys_read", keys=len(keys))


def _look_of(path: Path) -> tuple[int, ...]:
    """What changes with a file; () when it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read_again(config: Config) -> ApiKeys | None:
    """None: what the file says now can not be used, and the keys stay as they were."""
    try:
        return api_keys(config)
    except ConfigError as error:
        log.warning("api_keys_not_read", reason=str(error))
        return None


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
