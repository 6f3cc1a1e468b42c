"""Where the server keeps its meetings: opened before anything else, closed when everything else is."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sfu.clock import Clock
from sfu.conference import Conference
from sfu.conference.memory_outbox import MemoryOutbox
from sfu.conference.store import MeetingStore, MemoryStore
from sfu.config import Config
from sfu.errors import ConfigError, EngineError, RemoteError
from sfu.runtime.events import wanted
from sfu.runtime.log import logger

if TYPE_CHECKING:
    from sfu.conference.outbox import Outbox
    from sfu.store.database import Database
    from sfu.store.sql_store import SqlStore
    from sfu.store.writer import Writer

log = logger(__name__)

MEMORY = "memory:"
TIDY_S = 60.0
REMEMBER_REQUESTS = timedelta(days=1)
"""How long a request with an ``Idempotency-Key`` may come again."""
FILE, JOURNAL, LOCK, NODE = "sfu.db", "journal", "lock", "node"
"""What is in the data folder."""


@dataclass(frozen=True, slots=True)
class Storage:
    """``writer`` is None where the store is memory."""

    store: MeetingStore
    writer: Writer | None = None
    sql: SqlStore | None = None
    keep_said: timedelta = timedelta(days=30)
    outbox: Outbox | None = None
    """None: nobody outside is to be told anything."""
    keep_ended: timedelta = timedelta(0)
    """How long meetings that have ended are known; 0: for good."""

    def keep_tidy(self, conference: Conference) -> Callable[[], object]:
        """Ends, now and then, meetings that nobody will end; gives what stops it."""
        return asyncio.create_task(self._keep_tidy(conference), name="tidy the store").cancel

    async def _keep_tidy(self, conference: Conference) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await conference.end_idle()
                if self.sql is not None:
                    now = conference.clock.wall()
                    await self.sql.forget_requests(now - REMEMBER_REQUESTS)
                    await self.sql.forget_old(now - self.keep_said, now)
                    if self.keep_ended:
                        await self.sql.forget_ended(now - self.keep_ended)
            except RemoteError as error:
                log.warning("store_not_tidied", reason=error.detail)
            except Exception:
                log.exception("store_not_tidied")


@asynccontextmanager
async def opened_storage(config: Config, *, dev: bool, clock: Clock) -> AsyncIterator[Storage]:
    """The store of the configuration, with the newest schema, and with all that an earlier life of this server left in
    its journal. Raises ``ConfigError`` and ``EngineError``.
    """
    sinks = wanted(config)
    if is_memory(config, dev=dev):
        if not dev:
            log.warning("store_in_memory", meaning="meetings are forgotten when the server stops")
        in_memory = MemoryOutbox(sinks, clock.wall) if sinks else None
        yield Storage(MemoryStore(in_memory), outbox=in_memory)
        return
    from sfu.store.journal import Journal
    from sfu.store.outbox import SqlOutbox
    from sfu.store.sql_store import SqlStore
    from sfu.store.writer import Writer

    folder = data_folder(config)
    with _locked(folder):
        database = await _opened_database(config, folder)
        try:
            node = _node(folder)
            outbox = SqlOutbox(database, sinks, clock.wall, node) if sinks else None
            store = SqlStore(database, node, outbox)
            writer = Writer(store, Journal(folder / JOURNAL, config.store.journal_max_bytes))
            try:
                await writer.start()
                now, window_s = clock.wall(), config.meeting.resume_window_s
                lost = await store.end_left_over(now, now + timedelta(seconds=window_s))
                if outbox is not None:
                    await outbox.give_back(now)
            except RemoteError as error:
                raise EngineError(f"the database {database} does not answer", "is it running?") from error
            if lost:
                log.warning("stays_ended", count=lost, meaning="this server did not come to say goodbye last time")
            try:
                keep_said, keep_ended = timedelta(days=config.store.chat_days), timedelta(days=config.store.ended_days)
                yield Storage(store, writer, store, keep_said, outbox, keep_ended)
            finally:
                await writer.close()
        finally:
            await database.close()


def is_memory(config: Config, *, dev: bool) -> bool:
    """Whether nothing is to be kept: as configured, or in development mode if nothing is."""
    url = config.store.url.get_secret_value()
    return url == MEMORY or (dev and not url and not config.store.data_dir)


def data_folder(config: Config) -> Path:
    """Made if it is not there. Raises ``ConfigError`` when it can not be used."""
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(config.store.data_dir or state or f"{home}/sfu").expanduser()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError("store.data_dir", f"{folder} can not be written to", "choose another folder")
    return folder


def check_store(config: Config) -> None:
    """Whether the URL is one; nothing is opened. Raises ``ConfigError``."""
    from sfu.store.database import database_url

    url = config.store.url.get_secret_value()
    if url and url != MEMORY:
        database_url(url)


def database_of(config: Config) -> Database:
    """That of the configuration, as it is. Raises ``ConfigError``."""
    from sfu.store.database import Database, database_url

    url = config.store.url.get_secret_value()
    if url == MEMORY:
        raise ConfigError("store.url", "memory has no schema", "name a database")
    return Database(database_url(url)) if url else Database.in_file(data_folder(config) / FILE)


async def _opened_database(config: Config, folder: Path) -> Database:
    """Its schema is the newest: SQLite is this server's own, and upgraded by it; a database that several share is
    upgraded when somebody says so.
    """
    from sfu.store import migrate

    database = database_of(config)
    try:
        if database.is_sqlite:
            version = await migrate.current(database)
            if version != migrate.newest():
                await migrate.upgrade(database)
                log.info("store_upgraded", database=str(database), before=version, now=migrate.newest())
        await migrate.require_newest(database)
    except BaseException:
        await database.close()
        raise
    log.info("store_opened", database=str(database), data_dir=str(folder))
    return database


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two servers would mix their journals. The lock goes with the process, however that ends."""
    try:
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise _unusable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EngineError(
                f"another server uses the data folder {folder}", "give each its own: [store] data_dir"
            ) from error
        yield


def _node(folder: Path) -> str:
    """What this server is called among those that share the database: the same after a restart."""
    path = folder / NODE
    try:
        name = path.read_text(encoding="ascii").strip() if path.exists() else ""
        if not name:
            name = str(uuid4())
            path.write_text(f"{name}\n", encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("store.data_dir", f"{path} can not be used: {error}") from error
    return name[:64]


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError("store.data_dir", f"{folder} can not be used: {error.strerror}", "choose another folder")
