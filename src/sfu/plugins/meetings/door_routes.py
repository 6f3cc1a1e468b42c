"""What hosts do at a meeting's door, by REST, and what an operator revokes. The same as by signaling."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, model_validator

from sfu.access.tokens import MAX_IDENTITY_CHARS
from sfu.conference import Meeting, authority
from sfu.conference.authority import Action
from sfu.conference.views import WaitingPage
from sfu.conference.waiting import MAX_PAGE
from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.models import Body

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "a field is missing or wrong", **_PROBLEM},
    401: {"description": "no credentials that are known", **_PROBLEM},
    403: {"description": "not with these credentials", **_PROBLEM},
    404: {"description": "there is no such meeting, or no such person", **_PROBLEM},
    409: {"description": "the meeting is full", **_PROBLEM},
}

Id = Annotated[str, Field(max_length=64)]


class Admit(Body):
    """Of ``POST /meetings/{id}/admit``: one, or all."""

    waiting_id: Id | None = None
    all: bool = False

    @model_validator(mode="after")
    def _either(self) -> Admit:
        if (self.waiting_id is None) is not self.all:
            raise ValueError("give waiting_id, or all: true")
        return self


class Deny(Body):
    """Of ``POST /meetings/{id}/deny``."""

    waiting_id: Id


class Lock(Body):
    """Of ``POST /meetings/{id}/lock``."""

    locked: bool = True


class Remove(Body):
    """Of ``POST /meetings/{id}/remove``."""

    participant_id: Id


class Revoke(Body):
    """Of ``POST /revocations``: one token by its ``jti``, or an identity with all its tokens."""

    token_id: str | None = Field(None, min_length=1, max_length=128)
    identity: str | None = Field(None, min_length=1, max_length=MAX_IDENTITY_CHARS)

    @model_validator(mode="after")
    def _either(self) -> Revoke:
        if (self.token_id is None) is (self.identity is None):
            raise ValueError("give token_id or identity")
        return self


class Revoked(BaseModel):
    """How many were in a meeting or waited, and are not there any more."""

    removed: int


def door_routes(context: PluginContext) -> APIRouter:
    """All of them."""
    router = APIRouter(tags=["admission"], responses=PROBLEMS)
    conference = context.conference
    who = Depends(Callers(context))

    async def at(meeting_id: str, caller: Caller, action: Action) -> tuple[Meeting, authority.Caller]:
        meeting = await conference.meeting(meeting_id)
        return meeting, authority.Caller(caller.require(action, meeting.record, meeting))

    @router.get("/meetings/{meeting_id}/waiting")
    async def waiting(
        meeting_id: str,
        after: Annotated[str | None, Query(max_length=64, description="the next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="people on a page")] = MAX_PAGE,
        caller: Caller = who,
    ) -> WaitingPage:
        """Who waits to be let in, in order."""
        meeting, actor = await at(meeting_id, caller, Action.ADMIT)
        return meeting.admission.page(actor, after, limit)

    @router.post("/meetings/{meeting_id}/admit", status_code=204)
    async def admit(meeting_id: str, body: Admit, caller: Caller = who) -> None:
        """Lets somebody in who waits, or everybody."""
        meeting, actor = await at(meeting_id, caller, Action.ADMIT)
        if body.waiting_id is None:
            meeting.admission.admit_all(actor)
        else:
            meeting.admission.admit(actor, body.waiting_id)

    @router.post("/meetings/{meeting_id}/deny", status_code=204)
    async def deny(meeting_id: str, body: Deny, caller: Caller = who) -> None:
        """Sends somebody away who waits."""
        meeting, actor = await at(meeting_id, caller, Action.DENY)
        meeting.admission.deny(actor, body.waiting_id)

    @router.post("/meetings/{meeting_id}/lock", status_code=204)
    async def lock(meeting_id: str, body: Lock | None = None, caller: Caller = who) -> None:
        """Nobody but hosts comes in any more; or, with ``locked: false``, people come in again."""
        meeting, actor = await at(meeting_id, caller, Action.LOCK)
        meeting.admission.lock(actor, locked=(body or Lock()).locked)

    @router.post("/meetings/{meeting_id}/remove", status_code=204)
    async def remove(meeting_id: str, body: Remove, caller: Caller = who) -> None:
        """Removes somebody, who does not come back by the same identity, token or browser."""
        meeting, actor = await at(meeting_id, caller, Action.REMOVE)
        meeting.admission.remove(actor, body.participant_id)

    @router.post("/revocations")
    async def revoke(body: Revoke, caller: Caller = who) -> Revoked:
        """Makes a token or an identity worthless, at once and everywhere."""
        caller.require(Action.REVOKE)
        named: dict[str, Any] = {"token_id": body.token_id, "identity": body.identity}
        failure: RemoteError | None = None
        try:
            # In a thread, because it is on disk when it returns.
            await asyncio.to_thread(context.access.revocations.revoke, context.clock.wall(), **named)
        except RemoteError as error:
            failure = error
        removed = conference.revoke(**named)
        context.logger.info("revoked", identity=body.identity, jti=body.token_id, removed=removed)
        if failure is not None:
            raise failure
        return Revoked(removed=removed)

    return router
