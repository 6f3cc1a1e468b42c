"""Events that a webhook or Kafka did not take, and telling them again, by REST: ``docs/events.md``. For operators."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, model_validator

from sfu.conference.authority import Action
from sfu.conference.outbox import DeadEntry, DeadPlace
from sfu.conference.views import timestamp
from sfu.errors import RemoteError
from sfu.plugins.api import EventsView, PluginContext
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.models import Body

MAX_PAGE = 200
MAX_IDS = 1000
MAX_SINK_CHARS = 64
MAX_CURSOR_CHARS = 512


class DeadEvent(BaseModel):
    """An event that one sink was not told. It is kept for ``[events] keep_waiting_s``."""

    sink: str = Field(description="name of the webhook, or kafka")
    id: str = Field(description="as the sink is told it")
    type: str = Field(description="without the sfu. before it")
    meeting: str = Field(description="the event's subject")
    sequence: int = Field(description="the number among the meeting's events")
    time: str = Field(description="when it happened")
    data: dict[str, Any]
    attempts: int
    died_at: str
    reason: str = Field(description="of the last attempt")

    @classmethod
    def of(cls, entry: DeadEntry) -> DeadEvent:
        """That of ``entry``."""
        it = entry.happening
        return cls(
            sink=entry.sink,
            id=it.id,
            type=it.type,
            meeting=it.meeting_id,
            sequence=entry.number,
            time=timestamp(it.at),
            data=it.data,
            attempts=entry.attempts,
            died_at=timestamp(entry.died_at),
            reason=entry.error,
        )


class DeadEvents(BaseModel):
    """Some of them, in the order of being given up. ``next`` is the ``cursor`` of the page that follows."""

    events: list[DeadEvent]
    next: str | None


class Retry(Body):
    """Of ``POST /events/retry``: those with these ids, or all; of one sink, or of every one."""

    ids: list[UUID] | None = Field(None, min_length=1, max_length=MAX_IDS)
    all: bool = False
    sink: str | None = Field(None, max_length=MAX_SINK_CHARS)

    @model_validator(mode="after")
    def _either(self) -> Retry:
        if (self.ids is None) is not self.all:
            raise ValueError("give ids, or all: true")
        return self


class Retried(BaseModel):
    """How many will be told again: an event that two sinks were not told counts twice."""

    retried: int


def dead_event_routes(context: PluginContext) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/events", tags=["events"])
    who = Depends(Callers(context))

    @router.get("/dead")
    async def dead_events(
        sink: Annotated[str | None, Query(max_length=MAX_SINK_CHARS, description="of that one alone")] = None,
        cursor: Annotated[str | None, Query(max_length=MAX_CURSOR_CHARS, description="next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="events on a page")] = 50,
        caller: Caller = who,
    ) -> DeadEvents:
        """Events that were given up, the first given up first."""
        caller.require(Action.RETRY_EVENTS)
        events = context.runtime.events
        _require_sink(events, sink)
        after = DeadPlace.parse(cursor) if cursor is not None else None
        found = await events.dead(sink, limit + 1, after) if events is not None else []
        shown = found[:limit]
        following = str(shown[-1].place) if len(found) > limit else None
        return DeadEvents(events=[DeadEvent.of(one) for one in shown], next=following)

    @router.post("/retry")
    async def retry_events(body: Retry, caller: Caller = who) -> Retried:
        """Has them told again, each with its `id` and `sequence`. What is not dead is passed over."""
        caller.require(Action.RETRY_EVENTS)
        events = context.runtime.events
        _require_sink(events, body.sink)
        ids = None if body.ids is None else {str(one) for one in body.ids}
        retried = await events.retry(body.sink, ids) if events is not None else 0
        context.logger.info("events_retried", sink=body.sink, retried=retried, by=caller.key.name if caller.key else "")
        return Retried(retried=retried)

    return router


def _require_sink(events: EventsView | None, sink: str | None) -> None:
    sinks = events.stats() if events is not None else {}
    if sink is not None and sink not in sinks:
        raise RemoteError("bad_request", f"there is no sink {sink!r}", f"there are: {', '.join(sinks) or 'none'}")
