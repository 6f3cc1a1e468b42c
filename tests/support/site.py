"""An application with one plugin and a simulated data plane, as the server would make it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import SimpleNamespace

import httpx
import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp
from tests.support.clock import VirtualClock
from tests.support.deployments import Deployment

from sfu.access import Access, ApiKey, ApiKeys, Scope
from sfu.conference import Conference
from sfu.plugins.api import EventsView, Plugin, PluginContext, ServerOptions
from sfu.runtime.app import make_app


class Operator(httpx.Auth):
    """Calls the server API with a key, and joins and leaves like everybody else."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not request.url.path.endswith(("/join", "/leave")):
            request.headers.setdefault("Authorization", f"Bearer {self.secret}")
        yield request


class Site:
    """An application with plugins, as the server would make it. ``operator`` may do everything. ``deployment``: the
    servers that the conference is of; None: it is all there is.
    """

    def __init__(self, conference: Conference, clock: VirtualClock, deployment: Deployment | None = None) -> None:
        self._conference = conference
        self._clock = clock
        self._deployment = deployment
        key, secret = ApiKey.create("operator", Scope)
        self.operator = Operator(secret)
        self.access = Access(api_keys=ApiKeys([key]))
        self.events: EventsView | None = None

    def app(self, *plugins: Plugin, access: Access | None = None, **options: object) -> ASGIApp:
        """``options``: fields of ``ServerOptions``."""

        def make(conference: Conference) -> FastAPI:
            return self._make(conference, plugins, access or self.access, ServerOptions(**options))  # type: ignore[arg-type]

        return make(self._conference) if self._deployment is None else self._deployment.front(make)

    def _make(
        self, conference: Conference, plugins: Sequence[Plugin], access: Access, options: ServerOptions
    ) -> FastAPI:
        contexts = []
        for plugin in plugins:
            context = PluginContext(
                name=plugin.name,
                conference=conference,
                clock=self._clock,
                options=options,
                runtime=SimpleNamespace(events=self.events),  # type: ignore[arg-type]  # nothing else is looked at
                access=access,
                logger=structlog.get_logger(),
            )
            plugin.setup(context)
            contexts.append(context)
        return make_app(contexts, "0")
