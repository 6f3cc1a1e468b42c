"""The server: puts the parts together, starts them, and stops them in order.

Start: sockets, store, engine, conference, plugins, HTTP. Stop, after SIGTERM or SIGINT: not ready any more and no new
connections; meetings end and everybody is told; plugins' hooks; HTTP; engine; store. A second signal cuts this short.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from starlette.types import ASGIApp

import sfu
from sfu.access import Access
from sfu.conference import Conference, EndReason
from sfu.config import Config
from sfu.errors import EngineError
from sfu.ice.servers import discover_public_address
from sfu.media.engine import Engine
from sfu.media.shard import address_text
from sfu.plugins.api import Plugin, PluginContext
from sfu.plugins.registry import load_layer_policy, load_plugins
from sfu.runtime import compose, credentials
from sfu.runtime.app import make_app
from sfu.runtime.clock import LoopClock
from sfu.runtime.driver import Driver
from sfu.runtime.events import opened_events
from sfu.runtime.garbage import FullCollections
from sfu.runtime.hooks import HookRunner
from sfu.runtime.http import HttpServer, listen_tcp
from sfu.runtime.log import logger
from sfu.runtime.priority import put_media_first
from sfu.runtime.several import cluster_of, heed_revocations
from sfu.runtime.storage import opened_storage
from sfu.runtime.view import Runtime

log = logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_OK = 0
EXIT_FORCED = 1
"""After a second signal, or when the grace period was too short."""


class Server:
    """One server process. ``announce`` is called with the address to open once it listens."""

    def __init__(self, config: Config, *, dev: bool = False, announce: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._dev = dev
        self._announce = announce
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._garbage: FullCollections | None = None

    async def run(self) -> int:
        """Serves until a signal; gives the exit status. Raises ``SfuError`` when it cannot start."""
        config, loop = self._config, asyncio.get_running_loop()
        clock = LoopClock(loop)
        plugins = load_plugins(config.plugins)
        layer_policy = load_layer_policy(config.layers.policy)
        certificate = compose.certificate(config, clock.wall())
        access = credentials.access(config, clock)
        self._garbage = garbage = FullCollections(clock)
        async with AsyncExitStack() as opened:
            opened.callback(garbage.stop)
            listener = opened.enter_context(listen_tcp(config.server.host, config.server.port))
            storage = await opened.enter_async_context(opened_storage(config, dev=self._dev, clock=clock))
            events = await opened.enter_async_context(opened_events(config, storage.outbox, storage.writer, clock))
            engine = Engine(compose.engine_options(config, certificate, await self._advertised()))
            opened.callback(engine.close)
            engine.on_failure = _media_failed
            driver = Driver(engine, loop)
            opened.callback(driver.close)
            driver.start()
            put_media_first(config.media.shards, step_back=True)
            runtime = Runtime(engine, certificate, clock)
            opened.callback(runtime.lag.stop)
            runtime.lag.start()
            runtime.writer, runtime.events = storage.writer, events
            hooks = HookRunner(plugins, clock, compose.hook_options(config))
            opened.push_async_callback(hooks.close)
            cluster = runtime.cluster = cluster_of(config, clock)
            conference = Conference(
                engine,
                clock,
                compose.conference_options(config),
                store=storage.store,
                ledger=storage.writer,
                hooks=hooks,
                homes=cluster,
                seat_keepers=() if cluster is None else (cluster,),
                layer_policy=layer_policy,
            )
            if cluster is not None:
                heed_revocations(cluster, conference, access)
                opened.push_async_callback(cluster.close)
                await cluster.start(conference)
            opened.callback(conference.close)
            opened.callback(storage.keep_tidy(conference))
            contexts = self._set_up(plugins, conference, clock, runtime, access)
            credentials.tell_what_is_open(access, dev=self._dev)
            opened.callback(credentials.keep_api_keys_fresh(config, access))
            self._listen_to_signals(loop, opened)
            return await self._serve(listener, contexts, conference, runtime)

    async def _advertised(self) -> tuple[str, ...]:
        """Addresses to tell clients: those of the configuration, and the one that a STUN server sees."""
        media = self._config.media
        if not media.stun:
            return media.advertise
        public = await discover_public_address(media.stun)
        log.info("public_address_found", address=public, stun=media.stun)
        return tuple(dict.fromkeys((*media.advertise, public)))

    def _set_up(
        self, plugins: Sequence[Plugin], conference: Conference, clock: LoopClock, runtime: Runtime, access: Access
    ) -> list[PluginContext]:
        options = compose.server_options(self._config, dev=self._dev, clock=clock)
        contexts = []
        for plugin in plugins:
            context = PluginContext(
                name=plugin.name,
                conference=conference,
                clock=clock,
                options=options,
                runtime=runtime,
                access=access,
                logger=logger(f"sfu.plugins.{plugin.name}"),
                settings=self._config.plugin.get(plugin.name, {}),
            )
            plugin.setup(context)
            contexts.append(context)
        return contexts

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop, opened: AsyncExitStack) -> None:
        for number in SIGNALS:
            loop.add_signal_handler(number, self.request_stop)
            opened.callback(loop.remove_signal_handler, number)

    def request_stop(self) -> None:
        """Stops in order; called again: at once. What a signal does."""
        if self._stop.is_set():
            self._force.set()
        self._stop.set()

    async def _serve(
        self, listener: socket.socket, contexts: Sequence[PluginContext], conference: Conference, runtime: Runtime
    ) -> int:
        for context in contexts:
            for hook in context.start_hooks:
                await hook()
        app: ASGIApp = make_app(contexts, sfu.__version__)
        if runtime.cluster is not None:
            app = runtime.cluster.around(app)
        http = HttpServer(app, on_started=lambda: self._listening(runtime.engine))
        serving = asyncio.create_task(http.serve(sockets=[listener]), name="http")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            await serving
            raise EngineError("the HTTP server ended by itself", "see the log")
        log.info("stopping", grace_period_s=self._config.server.grace_period_s)
        runtime.is_stopping = True
        goes_on = runtime.cluster is not None and runtime.cluster.redis.is_up
        reason = EndReason.MOVED if goes_on else EndReason.SERVER_STOPPING
        closing = asyncio.create_task(_wind_down(http, serving, contexts, conference, reason), name="wind down")
        return await self._within_grace_period(closing, serving)

    def _listening(self, engine: Engine) -> None:
        if self._garbage is not None:
            self._garbage.start()
        server = self._config.server
        media = ", ".join(map(address_text, engine.local_addresses))
        log.info("listening", http=address_text((server.host, server.port)), media_udp=media)
        if self._announce is not None:
            self._announce(address_to_open(self._config))

    async def _within_grace_period(self, closing: asyncio.Task[None], serving: asyncio.Task[None]) -> int:
        forced = asyncio.create_task(self._force.wait(), name="force")
        grace_s = self._config.server.grace_period_s
        await asyncio.wait({closing, forced}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        finished = closing.done()
        for task in (forced, closing, serving):
            task.cancel()
        await asyncio.gather(closing, serving, forced, return_exceptions=True)
        if not finished:
            log.warning("stop_cut_short", reason="second signal" if self._force.is_set() else "grace period is over")
            return EXIT_FORCED
        closing.result()
        log.info("stopped")
        return EXIT_OK


def _media_failed(error: EngineError) -> None:
    log.critical("media_failed", reason=error.detail, hint=error.hint)


async def _wind_down(
    http: HttpServer,
    serving: asyncio.Task[None],
    contexts: Sequence[PluginContext],
    conference: Conference,
    reason: EndReason,
) -> None:
    http.stop_accepting()
    conference.close(reason)
    for context in reversed(contexts):
        for hook in reversed(context.stop_hooks):
            try:
                await hook()
            except Exception:
                log.exception("stop_hook_failed", plugin=context.name)
    http.should_exit = True
    await serving


def address_to_open(config: Config) -> str:
    """Where a browser on this machine finds the page."""
    if config.server.public_url:
        return config.server.public_url
    host = config.server.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://{address_text((host, config.server.port))}"
