"""An application with one plugin and a simulated data plane, as the server would make it."""

from __future__ import annotations

from types import SimpleNamespace

import structlog
from fastapi import FastAPI
from tests.support.clock import VirtualClock

from sfu.access import Access
from sfu.conference import Conference
from sfu.plugins.api import Plugin, PluginContext, ServerOptions
from sfu.runtime.app import make_app


class Site:
    """An application with one plugin, as the server would make it."""

    def __init__(self, conference: Conference, clock: VirtualClock) -> None:
        self._conference = conference
        self._clock = clock

    def app(self, plugin: Plugin, access: Access | None = None, **options: object) -> FastAPI:
        """``options``: fields of ``ServerOptions``."""
        context = PluginContext(
            name=plugin.name,
            conference=self._conference,
            clock=self._clock,
            options=ServerOptions(**options),  # type: ignore[arg-type]
            runtime=SimpleNamespace(),  # type: ignore[arg-type]  # none of these plugins looks at the process
            access=access or Access(),
            logger=structlog.get_logger(),
        )
        plugin.setup(context)
        return make_app([context], "0")
