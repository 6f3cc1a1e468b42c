"""What a request is: its fields, what it does, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sfu.conference import Attendee
from sfu.errors import RemoteError

MAX_SEQ = 2**53 - 1
"""What a number of JSON holds in every language."""


class Request(BaseModel):
    """Fields besides ``type`` and ``id``; no others are accepted, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


RequestModel = TypeVar("RequestModel", bound=Request)


Ask = Callable[[Attendee, Any], Coroutine[Any, Any, Callable[[], object]] | None]


@dataclass(frozen=True, slots=True)
class RequestType:
    """What a type's fields are, and what is done with them. The handler may raise ``RemoteError``; what it returns, a
    dataclass or None, are the fields of the reply.

    ``cost`` is how many messages it counts as within the rate limit. ``ask``: where plugins have a say, what has to be
    awaited and gives what to do then; None when they have none.
    """

    model: type[Request]
    handle: Callable[[Attendee, Any], object]
    cost: float = 1.0
    ask: Ask | None = None


FOR_ALL = 5.0
"""Cost of a request that makes work for everybody in the meeting (a layout, a message to each), or a negotiation."""


LAYOUT = 2.0
"""Work for its sender alone, but a decision about every slot."""

HAND = 2.0
"""Everybody is told, with whatever else there is to tell."""

CHAT = 2.0
"""Everybody is told, gathered; the chat itself lets nobody write more than a line a second for long."""

PAGE = 4.0
"""A look at everybody: twelve a second, more than anybody types."""


def request_of(
    model: type[RequestModel], handle: Callable[[Attendee, RequestModel], object], cost: float = 1.0
) -> RequestType:
    """A line of a table of requests."""
    return RequestType(model, handle, cost)


def parse_fields(name: str, model: type[RequestModel], message: Mapping[str, Any]) -> RequestModel:
    """The fields of a message. Raises ``RemoteError`` ``bad_request`` that says what is wrong and what is accepted."""
    fields = {key: value for key, value in message.items() if key not in {"type", "id"}}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:64] for part in first["loc"])
        accepted = ", ".join(model.model_fields) or "no fields"
        raise RemoteError("bad_request", f"{where}: {first['msg']}", f"{name} takes {accepted}") from error
