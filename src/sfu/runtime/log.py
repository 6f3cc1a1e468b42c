"""Logs to standard error, for people or as one JSON object a line. Everything that logs with the standard
library (our lower layers, uvicorn) goes the same way. Secrets are cut out by the name of their key.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

SECRET_WORDS = (
    "token",
    "jwt",
    "bearer",
    "secret",
    "password",
    "pwd",
    "credential",
    "authorization",
    "private_key",
    "_key",
    "_salt",
)
HIDDEN = "(hidden)"


def hide_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replaces the values of keys that name a secret."""
    for key in event:
        if any(word in key.lower() for word in SECRET_WORDS):
            event[key] = HIDDEN
    return event


def configure(level: str, form: Literal["console", "json"]) -> None:
    """Sets up logging for the process. May be called again."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    if form == "json":
        last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain: the renderer's own choice, rich, shows the variables of every frame, and so tokens and keys.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn warns of each malformed request, as often as a client likes.
    for name, quietest in (("asyncio", "WARNING"), ("uvicorn", "ERROR"), ("websockets", "WARNING")):
        logging.getLogger(name).setLevel(max(logging.getLevelName(quietest), root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger(name: str) -> FilteringBoundLogger:
    """A structured logger of that name."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))
