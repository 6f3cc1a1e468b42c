"""What a Kafka topic gets. The brokers are librdkafka's own mock cluster: another implementation of the protocol, over
real sockets, with partitions, idempotent producers and consumers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import confluent_kafka as confluent
import pytest
from tests.support.clock import EPOCH

from sfu.conference.happenings import happening
from sfu.conference.outbox import Entry
from sfu.errors import ConfigError
from sfu.events.kafka import Kafka, KafkaOptions
from sfu.events.sink import NotTaken

TOPIC = "sfu.events"


@pytest.fixture
def brokers() -> Iterator[str]:
    """A cluster of two, as long as who made it lives."""
    owner = confluent.Producer({"bootstrap.servers": "nowhere:1", "test.mock.num.brokers": 2})
    metadata = owner.list_topics(TOPIC, timeout=20)
    yield ",".join(f"{one.host}:{one.port}" for one in metadata.brokers.values())
    owner.flush(1)


def entries() -> list[Entry]:
    return [
        Entry(number, happening("track.muted", meeting_id, EPOCH, source="camera"))
        for number in range(1, 21)
        for meeting_id in ("weekly", "daily", "yearly")
    ]


def received(brokers: str, count: int) -> list[Any]:
    consumer = confluent.Consumer(
        {"bootstrap.servers": brokers, "group.id": "test", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    try:
        consumer.subscribe([TOPIC])
        found: list[Any] = []
        while len(found) < count:
            messages = consumer.consume(count - len(found), timeout=20)
            assert messages, f"{len(found)} of {count} came"
            found += messages
        return found
    finally:
        consumer.close()


def test_each_event_is_a_record_and_a_meetings_are_in_order_in_one_partition(brokers: str) -> None:
    sent = entries()

    async def main() -> None:
        kafka = Kafka(KafkaOptions(tuple(brokers.split(",")), TOPIC, timeout_s=20), source="test")
        try:
            for number in range(0, len(sent), 3):
                await asyncio.gather(*(kafka.tell(entry) for entry in sent[number : number + 3]))
        finally:
            await kafka.close()

    asyncio.run(main())
    records = received(brokers, len(sent))
    for meeting_id in ("weekly", "daily", "yearly"):
        mine = [one for one in records if one.key() == meeting_id.encode()]
        assert len({one.partition() for one in mine}) == 1
        values = [json.loads(one.value()) for one in mine]
        assert [int(value["sequence"]) for value in values] == list(range(1, 21))
        assert {value["subject"] for value in values} == {meeting_id}
        assert all(("content-type", b"application/cloudevents+json; charset=utf-8") in one.headers() for one in mine)


def test_brokers_that_are_away_are_asked_anew_each_time(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        kafka = Kafka(KafkaOptions(("127.0.0.1:9",), TOPIC, timeout_s=1), source="test")
        for _ in range(2):
            with pytest.raises(NotTaken) as caught:
                await kafka.tell(entries()[0])
            assert caught.value.is_away
        await kafka.close()
        await kafka.close()

    asyncio.run(main())
    assert caplog.messages == [], "that is said once, by who tells sinks"


def test_without_the_extra_the_configuration_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(ConfigError, match=r"pip install 'sfu\[kafka\]'"):
        Kafka(KafkaOptions(("127.0.0.1:9",), TOPIC), source="test")


def test_who_brokers_are_spoken_to_as_is_what_the_configuration_says() -> None:
    plain = KafkaOptions(("a:1", "b:2"), TOPIC).arguments()
    assert (plain["security_protocol"], plain["bootstrap_servers"]) == ("PLAINTEXT", ["a:1", "b:2"])
    assert (plain["acks"], plain["enable_idempotence"]) == ("all", True)
    options = KafkaOptions(("a:1",), TOPIC, is_encrypted=True, mechanism="PLAIN", username="u", password="geheim")
    secure = options.arguments()
    assert (secure["security_protocol"], secure["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")
    assert secure["ssl_context"].check_hostname
    assert "geheim" not in repr(options)
