"""Whom hosts keep out of a meeting, and letting them back, by REST. The same as by signaling."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from sfu.access.tokens import MAX_IDENTITY_CHARS
from sfu.conference import authority
from sfu.conference.authority import Action
from sfu.conference.kept_out import MAX_PAGE, KeptOut
from sfu.conference.views import KeptOutPage
from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.door_routes import PROBLEMS, Id
from sfu.plugins.meetings.models import Body


class Readmit(Body):
    """Of ``POST /meetings/{id}/readmit``: one of the list, or an identity."""

    kept_out_id: Id | None = None
    identity: str | None = Field(None, min_length=1, max_length=MAX_IDENTITY_CHARS)

    @model_validator(mode="after")
    def _either(self) -> Readmit:
        if (self.kept_out_id is None) is (self.identity is None):
            raise ValueError("give kept_out_id or identity")
        return self


def kept_out_routes(context: PluginContext) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/meetings", tags=["admission"], responses=PROBLEMS)
    who = Depends(Callers(context))

    async def at(meeting_id: str, caller: Caller) -> tuple[KeptOut, authority.Caller]:
        meeting = await context.conference.meeting(meeting_id)
        actor = caller.require(Action.READMIT, meeting.record, meeting)
        return meeting.admission.kept_out, authority.Caller(actor)

    @router.get("/{meeting_id}/kept-out")
    async def kept_out(
        meeting_id: str,
        after: Annotated[str | None, Query(max_length=64, description="the next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="people on a page")] = MAX_PAGE,
        caller: Caller = who,
    ) -> KeptOutPage:
        """Who was removed, or sent away a short time ago, the last first."""
        ones, actor = await at(meeting_id, caller)
        return ones.page(actor, after, limit)

    @router.post("/{meeting_id}/readmit", status_code=204)
    async def readmit(meeting_id: str, body: Readmit, caller: Caller = who) -> None:
        """Lifts a removal or a denial: that one may come again, like everybody."""
        ones, actor = await at(meeting_id, caller)
        if body.kept_out_id is not None:
            ones.readmit(actor, body.kept_out_id)
        elif body.identity is not None:
            ones.readmit_identity(actor, body.identity)

    return router
