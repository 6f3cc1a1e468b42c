from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock
from tests.support.sim import SimPort

from sfu.conference import Conference, Meeting, Source
from sfu.conference.events import TransportChanged
from sfu.dtls.certificate import Certificate
from sfu.errors import RemoteError
from sfu.media.engine import Engine, EngineOptions


@pytest.fixture
def engine() -> Iterator[Engine]:
    options = EngineOptions(certificate=Certificate.generate(EPOCH), seed=1, shards=2)
    engine = Engine(options, shard_factory=lambda index, _listen, _options: SimPort(index))
    yield engine
    engine.close()


@pytest.fixture
def meeting(engine: Engine, clock: VirtualClock) -> Meeting:
    return asyncio.run(Conference(engine, clock).create_meeting())


def _fail_shard_of(client: Client) -> None:
    client.attendee.transport.link.fail("a bug")


def test_after_a_shard_failed_people_join_again_on_another(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    ann.attendee.publish(Source.CAMERA)
    _fail_shard_of(ann)
    assert ann.heard(TransportChanged)[-1].detail == "shard failed: a bug"

    again, ben = Client(meeting, "Ann"), Client(meeting, "Ben")
    again.answer()
    ben.answer()
    again.attendee.publish(Source.CAMERA)
    assert again.attendee.transport.link is not ann.attendee.transport.link
    assert ben.shown() == [(again.id, "camera", "active")]
    assert ann.shown() == []


def test_without_any_shard_left_joining_fails_clearly_and_an_empty_meeting_still_ends(
    meeting: Meeting, clock: VirtualClock
) -> None:
    for _ in range(2):
        client = Client(meeting, "Ann")
        _fail_shard_of(client)
        client.attendee.leave()
    with pytest.raises(RemoteError, match="every shard has failed") as caught:
        meeting.join("Ben")
    assert (caught.value.code, caught.value.status) == ("internal", 503)
    clock.advance(3601)
    with pytest.raises(RemoteError, match="has ended"):
        meeting.join("Ben")
