from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.media import Client, World

from sfu.media.transport import Transport


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def two_shards() -> World:
    return World(shards=2)


@pytest.fixture
def make_client() -> Callable[..., Client]:
    return Client


@pytest.fixture
def connected(world: World) -> tuple[World, Transport, Client]:
    """A transport after ICE and DTLS."""
    transport = world.engine.create_router().create_transport()
    client = Client(world)
    transport.connect(client.parameters())
    world.settle()
    world.select(transport)
    client.start()
    client.pump(transport)
    assert transport.state == "connected", transport.close_reason
    return world, transport, client
