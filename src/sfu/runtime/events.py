"""Who is told what happens: from the configuration to sinks, and their life with the server's."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.happenings import ChatEvents, EventOptions
from sfu.config import Config
from sfu.errors import ConfigError
from sfu.events.service import EventService, Keeping
from sfu.events.signature import key_of
from sfu.events.sink import Sink, SinkOptions, wants
from sfu.runtime.log import logger

if TYPE_CHECKING:
    from sfu.conference.outbox import Outbox
    from sfu.store.writer import Writer

log = logger(__name__)

KAFKA = "kafka"
MAX_SECRET_BYTES = 4096


def sink_options(config: Config) -> dict[str, SinkOptions]:
    """Of every sink of the configuration, by name."""
    options = {
        hook.name: SinkOptions(hook.events, hook.timeout_s, hook.max_attempts, hook.concurrency)
        for hook in config.webhooks
    }
    if config.kafka.brokers:
        options[KAFKA] = SinkOptions(config.kafka.events, config.kafka.timeout_s, config.kafka.max_attempts)
    return options


def wanted(config: Config) -> Mapping[str, Callable[[str], bool]]:
    """Which types each sink is told of."""
    return {name: wants(options.types) for name, options in sink_options(config).items()}


def event_options(config: Config) -> EventOptions:
    """What meetings need to know of it."""
    sinks = tuple(wanted(config).values())
    return EventOptions(lambda kind: any(wants_it(kind) for wants_it in sinks), ChatEvents(config.events.chat))


def check_events(config: Config) -> None:
    """Whether every secret can be read and what is needed is installed. Raises ``ConfigError``."""
    for place, hook in enumerate(config.webhooks):
        for reference in hook.secrets:
            _key(f"webhooks[{place}].secrets", reference)
    if config.kafka.brokers:
        from sfu.events.kafka import require_client

        require_client()
        if config.kafka.password:
            _secret("kafka.password", config.kafka.password)


@asynccontextmanager
async def opened_events(
    config: Config, outbox: Outbox | None, writer: Writer | None, clock: Clock
) -> AsyncIterator[EventService | None]:
    """Tells the sinks of the configuration meanwhile, and at the end what was noted last; None: there are none. Raises
    ``ConfigError``.
    """
    check_events(config)
    if outbox is None:
        yield None
        return
    service = EventService(
        outbox, _sinks(config, clock), clock, Keeping(config.events.keep_s, config.events.keep_waiting_s)
    )
    service.start()
    log.info("events_told", sinks=list(sink_options(config)))
    try:
        yield service
    finally:
        if writer is not None:
            await writer.settle()
        await service.close()


def _sinks(config: Config, clock: Clock) -> list[tuple[Sink, SinkOptions]]:
    from sfu.events.webhook import Webhook

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of every request, and where it goes
    options = sink_options(config)
    source = config.events.source or config.server.public_url or "sfu"
    sinks: list[tuple[Sink, SinkOptions]] = []
    for hook in config.webhooks:
        keys = [_key("webhooks.secrets", reference) for reference in hook.secrets]
        webhook = Webhook(
            hook.name,
            hook.url,
            keys,
            clock,
            source=source,
            timeout_s=hook.timeout_s,
            concurrency=hook.concurrency,
        )
        sinks.append((webhook, options[hook.name]))
    if KAFKA in options:
        from sfu.events.kafka import Kafka, KafkaOptions

        section = config.kafka
        kafka = KafkaOptions(
            brokers=section.brokers,
            topic=section.topic,
            client_id=section.client_id,
            is_encrypted=section.tls,
            ca_file=section.ca_file,
            mechanism=section.mechanism,
            username=section.username,
            password=_secret("kafka.password", section.password) if section.password else "",
            timeout_s=section.timeout_s,
        )
        sinks.append((Kafka(kafka, source=source), options[KAFKA]))
    return sinks


def _key(where: str, reference: str) -> bytes:
    try:
        return key_of(_secret(where, reference))
    except ValueError as error:
        raise ConfigError(where, f"{reference}: {error}", "`sfu events secret` makes one") from None


def _secret(where: str, reference: str) -> str:
    kind, _, name = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(name, "")
        if not secret:
            raise ConfigError(where, f"the environment has no {name}")
        return secret
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(MAX_SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(where, f"{name} can not be read: {error}") from None
