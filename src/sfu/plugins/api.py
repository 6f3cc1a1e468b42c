"""What a plugin sees of the server; the only module of the server that a plugin imports for that.

A plugin is an object with a ``name`` and one method::

    class Hello:
        name = "hello"

        def setup(self, context: PluginContext) -> None:
            router = APIRouter()

            @router.get("/hello")
            async def hello() -> dict[str, int]:
                return {"meetings": len(context.conference.meetings)}

            context.include_router(router)

It is found under the entry point group ``sfu.plugins`` or named as ``"module:object"`` in the
``plugins`` list of the configuration (a class or function without parameters is called, anything else
is taken as it is). ``setup`` runs once, on the event loop's thread, before the server listens; it
must not block. Plugins do not import each other.

A plugin that also has a method ``before_join``, ``before_publish``, ``before_subscribe`` or ``before_record`` is asked
before that happens, and allows, denies or changes it: see ``docs/plugins.md``.

Routes may raise any ``SfuError``: the server turns it into ``application/problem+json``
(``RemoteError`` with its own ``status`` and ``code``, all others 500 ``internal``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from sfu.access import Access
from sfu.clock import Clock, Timer
from sfu.conference.authority import Role
from sfu.conference.hooks import Deny, JoinAsked, Pair, Person, PublishAsked, RecordAsked, SubscribeAsked, Way
from sfu.conference.track import Source
from sfu.errors import ConfigError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from sfu.conference import Conference
    from sfu.conference.homes import ClusterStats
    from sfu.conference.ledger import LedgerStats
    from sfu.conference.outbox import DeadEntry, DeadPlace, SinkStats
    from sfu.ice.servers import IceServer
    from sfu.media.engine import EngineStats
    from sfu.rtp.codecs import Fingerprint
    from sfu.sdp.negotiate import CodecPolicy

__all__ = [
    "Clock",
    "Deny",
    "DirectRequest",
    "DirectSocket",
    "Hook",
    "JoinAsked",
    "Pair",
    "Person",
    "Plugin",
    "PluginContext",
    "PublishAsked",
    "RecordAsked",
    "Role",
    "RuntimeView",
    "ServerOptions",
    "Source",
    "SubscribeAsked",
    "Timer",
    "Way",
]

Hook = Callable[[], Awaitable[None]]
SettingsModel = TypeVar("SettingsModel", bound=BaseModel)
BodyModel = TypeVar("BodyModel", bound=BaseModel)


class Plugin(Protocol):
    """One feature of the server that can be left out or replaced."""

    @property
    def name(self) -> str:
        """Unique among the loaded plugins; also names its settings, ``[plugin.<name>]``."""

    def setup(self, context: PluginContext) -> None:
        """Adds routes and hooks. May raise ``ConfigError``."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The parts of the configuration that more than one plugin needs."""

    public_url: str = ""
    """Base of the links given out, without a slash at the end; "": take it from the request."""
    dev: bool = False
    """Development mode: loopback only, meetings come into being when somebody names them."""
    whip_token: str = field(default="", repr=False)
    """Bearer token that WHIP and WHEP ask for; "": none is asked for."""
    resume_window_s: float = 30.0
    origins: tuple[str, ...] = ()
    """Other sites whose pages may open a signaling socket."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Those whose X-Forwarded-For is believed."""
    joins_per_address_s: float = 10.0
    joins_per_meeting_s: float = 200.0
    codecs: CodecPolicy | None = None
    """Order of codecs in what the server negotiates; None: the default order."""
    ice_servers: Callable[[str], tuple[IceServer, ...]] = field(default=lambda _participant_id: ())
    """ICE servers to tell to a participant (by id: TURN credentials are made for each)."""


class EventsView(Protocol):
    """How those outside are told what happens."""

    def stats(self) -> Mapping[str, SinkStats]:
        """By sink."""

    async def dead(self, sink: str | None, limit: int, after: DeadPlace | None = None) -> Sequence[DeadEntry]:
        """What was given up, in order, behind ``after``. Raises ``store_unavailable``."""

    async def retry(self, sink: str | None = None, ids: Collection[str] | None = None) -> int:
        """Has that told again; how many. Raises ``store_unavailable``."""


class RuntimeView(Protocol):
    """State of the running process, for those who observe it."""

    def engine_stats(self) -> EngineStats:
        """Counters and objects of the media engine, at most 1 s old."""

    def loop_lag_s(self) -> float:
        """How late the event loop was at worst in the last 15 s, seconds."""

    def not_ready(self) -> tuple[str, ...]:
        """Why this process should not be given new work; empty: it should."""

    def ledger_stats(self) -> LedgerStats | None:
        """How what meetings note gets to the database; None: there is none."""

    def cluster_stats(self) -> ClusterStats | None:
        """How this process gets on with others of its deployment; None: it is alone."""

    @property
    def events(self) -> EventsView | None:
        """Who is told what happens; None: nobody."""

    def certificate_fingerprint(self) -> Fingerprint:
        """That of the DTLS certificate in use."""


class _Path:
    """A path with ``{names}`` in the place of segments."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))

    def match(self, path: str) -> dict[str, str] | None:
        """What the names stand for; None: it is another path."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found is not None else None


class DirectRequest(_Path):
    """A short way for requests that come in storms (``PluginContext.direct``). ``endpoint`` gets a POST to ``path``
    with its body as ``model``; the route of the same path answers what is none. It may raise ``SfuError``.
    """

    def __init__(
        self, path: str, model: type[BodyModel], endpoint: Callable[[Request, BodyModel], Awaitable[Response]]
    ) -> None:
        super().__init__(path)
        self.model = model
        self.endpoint: Callable[[Request, Any], Awaitable[Response]] = endpoint


class DirectSocket(_Path):
    """The same for WebSockets, which need no other route."""

    def __init__(self, path: str, endpoint: Callable[[WebSocket], Awaitable[None]]) -> None:
        super().__init__(path)
        self.endpoint = endpoint


@dataclass(slots=True)
class PluginContext:
    """What one plugin may use, and where it leaves its routes and hooks."""

    name: str
    conference: Conference
    clock: Clock
    options: ServerOptions
    runtime: RuntimeView
    logger: FilteringBoundLogger
    access: Access = field(default_factory=Access)
    """Tokens and keys that are good here."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The table ``[plugin.<name>]``, unchecked; see ``settings_as``."""
    routers: list[APIRouter] = field(default_factory=list)
    mounts: list[tuple[str, ASGIApp]] = field(default_factory=list)
    directs: list[DirectRequest | DirectSocket] = field(default_factory=list)
    start_hooks: list[Hook] = field(default_factory=list)
    stop_hooks: list[Hook] = field(default_factory=list)

    def include_router(self, router: APIRouter) -> None:
        """Serves the routes of ``router``. First come, first served when two plugins claim a path."""
        self.routers.append(router)

    def mount(self, path: str, app: ASGIApp) -> None:
        """Serves everything below ``path`` by another application. Mounts come after all routes."""
        self.mounts.append((path, app))

    def direct(self, route: DirectRequest | DirectSocket) -> None:
        """Has what comes there pass by the layers between the HTTP server and routes, before all routes. For what
        comes in storms: a sixth of the control plane's work for a join was in these layers.
        """
        self.directs.append(route)

    def on_start(self, hook: Hook) -> None:
        """Awaited before the server listens; an exception stops the start."""
        self.start_hooks.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Awaited after meetings ended and before media closes, in reverse order, within the grace period."""
        self.stop_hooks.append(hook)

    def settings_as(self, model: type[SettingsModel]) -> SettingsModel:
        """The plugin's settings as its own model. Raises ``ConfigError`` that names the key."""
        try:
            return model.model_validate(dict(self.settings))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(("plugin", self.name, *(str(part) for part in first["loc"])))
            raise ConfigError(key, str(first["msg"])) from error
