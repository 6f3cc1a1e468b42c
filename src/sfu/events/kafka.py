"""A sink that is a Kafka topic: an event is a record, its meeting's id the key, so that a partition keeps a meeting's
order. Structured mode of the CloudEvents Kafka binding. Needs the extra ``kafka``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from typing import Any

from sfu.conference.outbox import Entry
from sfu.errors import ConfigError
from sfu.events.envelope import CONTENT_TYPE, encoded
from sfu.events.sink import NotTaken

NAME = "kafka"
STOP_S = 3.0


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Where the brokers are, and as who to come."""

    brokers: tuple[str, ...]
    topic: str
    client_id: str = "sfu"
    is_encrypted: bool = False
    ca_file: str = ""
    """"": the system's authorities."""
    mechanism: str = ""
    """"": nobody in particular."""
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 10.0

    def arguments(self) -> dict[str, Any]:
        """As the client takes them."""
        security = "SASL_" if self.mechanism else ""
        given: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "client_id": self.client_id,
            "acks": "all",
            "enable_idempotence": True,
            "request_timeout_ms": int(self.timeout_s * 1000),
            "security_protocol": security + ("SSL" if self.is_encrypted else "PLAINTEXT"),
        }
        if self.is_encrypted:
            given["ssl_context"] = ssl.create_default_context(cafile=self.ca_file or None)
        if self.mechanism:
            given["sasl_mechanism"] = self.mechanism
            given |= {"sasl_plain_username": self.username, "sasl_plain_password": self.password}
        return given


def require_client() -> None:
    """Raises ``ConfigError`` when the extra is not installed."""
    try:
        import aiokafka  # noqa: F401
    except ImportError:
        raise ConfigError(
            "kafka.brokers", "needs the package aiokafka", "install sfu with its extra: pip install 'sfu[kafka]'"
        ) from None


class Kafka:
    """See ``Sink``. Connects when there is something to tell, and anew after it failed to."""

    def __init__(self, options: KafkaOptions, *, source: str) -> None:
        require_client()
        # It writes a thousand lines while a broker is away; that sinks are away is said once, by who tells them.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self.name = NAME
        self._options = options
        self._source = source
        self._producer: Any = None
        self._connecting = asyncio.Lock()

    async def tell(self, entry: Entry) -> None:
        """See ``Sink``."""
        from aiokafka.errors import KafkaError, MessageSizeTooLargeError

        key, value = entry.happening.meeting_id.encode(), encoded(entry, self._source)
        headers = [("content-type", CONTENT_TYPE.encode())]
        try:
            async with asyncio.timeout(self._options.timeout_s):
                producer = await self._connected()
                await producer.send_and_wait(self._options.topic, value, key=key, headers=headers)
        except TimeoutError:
            raise NotTaken(f"no answer within {self._options.timeout_s:g} s") from None
        except MessageSizeTooLargeError as error:
            raise NotTaken(str(error), is_away=False) from error
        except (KafkaError, OSError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}".strip(": ")) from error

    async def _connected(self) -> Any:
        from aiokafka import AIOKafkaProducer

        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._options.arguments())
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def close(self) -> None:
        """See ``Sink``."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(STOP_S):
                    await producer.stop()
            except TimeoutError:
                return
