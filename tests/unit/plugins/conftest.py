from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import structlog
from fastapi import FastAPI
from tests.support.clock import VirtualClock
from tests.support.sim import sim_engine

from sfu.conference import Conference, ConferenceOptions, Meeting
from sfu.media.engine import Engine
from sfu.plugins.api import Plugin, PluginContext, ServerOptions
from sfu.runtime.app import make_app


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine, _ = sim_engine()
    yield engine
    engine.close()


@pytest.fixture
def conference(engine: Engine, clock: VirtualClock) -> Conference:
    return Conference(engine, clock, ConferenceOptions(max_participants=4, max_viewers=2, max_meetings=3))


@pytest.fixture
def meeting(conference: Conference) -> Meeting:
    return asyncio.run(conference.create_meeting("Stand-up", id="standup"))


class Site:
    """An application with one plugin, as the server would make it."""

    def __init__(self, conference: Conference, clock: VirtualClock) -> None:
        self._conference = conference
        self._clock = clock

    def app(self, plugin: Plugin, **options: object) -> FastAPI:
        """``options``: fields of ``ServerOptions``."""
        context = PluginContext(
            name=plugin.name,
            conference=self._conference,
            clock=self._clock,
            options=ServerOptions(**options),  # type: ignore[arg-type]
            runtime=SimpleNamespace(),  # type: ignore[arg-type]  # none of these plugins looks at the process
            logger=structlog.get_logger(),
        )
        plugin.setup(context)
        return make_app([context], "0")


@pytest.fixture
def site(conference: Conference, clock: VirtualClock) -> Site:
    return Site(conference, clock)
