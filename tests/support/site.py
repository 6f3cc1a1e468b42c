"""An application with one plugin and a simulated data plane, as the server would make it."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace

import httpx
import structlog
from fastapi import FastAPI
from tests.support.clock import VirtualClock

from sfu.access import Access, ApiKey, ApiKeys, Scope
from sfu.conference import Conference
from sfu.plugins.api import Plugin, PluginContext, ServerOptions
from sfu.runtime.app import make_app


class Operator(httpx.Auth):
    """Calls the server API with a key, and joins and leaves like everybody else."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not request.url.path.endswith(("/join", "/leave")):
            request.headers.setdefault("Authorization", f"Bearer {self._secret}")
        yield request


class Site:
    """An application with one plugin, as the server would make it. ``operator`` may do everything."""

    def __init__(self, conference: Conference, clock: VirtualClock) -> None:
        self._conference = conference
        self._clock = clock
        key, secret = ApiKey.create("operator", Scope)
        self.operator = Operator(secret)
        self.access = Access(api_keys=ApiKeys([key]))

    def app(self, plugin: Plugin, access: Access | None = None, **options: object) -> FastAPI:
        """``options``: fields of ``ServerOptions``."""
        context = PluginContext(
            name=plugin.name,
            conference=self._conference,
            clock=self._clock,
            options=ServerOptions(**options),  # type: ignore[arg-type]
            runtime=SimpleNamespace(),  # type: ignore[arg-type]  # none of these plugins looks at the process
            access=access or self.access,
            logger=structlog.get_logger(),
        )
        plugin.setup(context)
        return make_app([context], "0")
