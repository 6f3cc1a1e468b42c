"""Joining and leaving by REST: the way to a meeting's door. Who may come in, ``sfu.conference.admission`` says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from sfu.conference import Attendee, Meeting
from sfu.conference.admission import Application
from sfu.conference.asking import ask_to_join
from sfu.conference.grants import GUEST, Grants
from sfu.conference.hooks import Hook, Way
from sfu.conference.names import digest
from sfu.conference.views import timestamp
from sfu.conference.waiting import Waiting
from sfu.plugins.api import DirectRequest, PluginContext
from sfu.plugins.http import address_text, base_url, bearer_token
from sfu.plugins.joined import Joined, signaling_url
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.models import Join
from sfu.plugins.meetings.rates import JoinRates

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "a field is missing or wrong", **_PROBLEM},
    401: {"description": "the access token is not good", **_PROBLEM},
    403: {"description": "not with this token, not yet, not any more, or a plugin refuses it", **_PROBLEM},
    404: {"description": "there is no such meeting", **_PROBLEM},
    409: {"description": "the meeting is full, or the identity is in it already", **_PROBLEM},
    429: {"description": "too many try to join", **_PROBLEM},
    503: {"description": "the server or the waiting room is full, or a plugin could not say", **_PROBLEM},
}


class WaitingAnswer(BaseModel):
    """The *waiting answer*: say ``hello`` with the token on the signaling WebSocket, and be told."""

    waiting_id: str
    token: str
    signaling_url: str
    position: int
    """1: the next."""
    reason: str
    """What one waits for."""
    opens_at: str | None = None
    """From when on people get in, while one waits for that."""

    @classmethod
    def of(cls, waiting: Waiting, meeting: Meeting, base: str) -> WaitingAnswer:
        """That of ``waiting``."""
        moved = meeting.admission.room.moved(waiting)
        opens = meeting.record.not_before
        return cls(
            waiting_id=waiting.id,
            token=waiting.token,
            signaling_url=signaling_url(base, meeting.id),
            position=moved.position,
            reason=moved.reason,
            opens_at=timestamp(opens) if opens is not None and moved.reason == "not_before" else None,
        )


def joining_routes(context: PluginContext) -> APIRouter:
    """Routes of those who come and go."""
    router = APIRouter(prefix="/meetings", tags=["meetings"], responses=_PROBLEMS)
    conference, options, hooks = context.conference, context.options, context.conference.hooks
    callers, rates = Callers(context), JoinRates(context.clock, options)
    who = Depends(callers)

    async def find(meeting_id: str) -> Meeting:
        return await (conference.meeting_or_new if options.dev else conference.meeting)(meeting_id)

    async def enter(request: Request, meeting_id: str, body: Join, caller: Caller) -> Response:
        with conference.admission_stats.counting():
            rates.take(request, meeting_id)
        meeting = await find(meeting_id)
        makes_it = meeting.first_is_host
        base = base_url(request, options.public_url)
        application = _application(body, caller.grants or GUEST)
        if hooks.has(Hook.BEFORE_JOIN):
            address = address_text(request, options.trusted_proxies)
            application = await ask_to_join(hooks, meeting, application, way=Way.SIGNALING, address=address)
            meeting = await find(meeting_id)  # it may have ended meanwhile
        context.access.require_good(application.grants)  # it may have been revoked meanwhile
        found = meeting.admission.apply(application)
        if isinstance(found, Waiting):
            answer = WaitingAnswer.of(found, meeting, base)
            return Response(answer.model_dump_json(exclude_none=True), 202, media_type="application/json")
        joined = Joined.of(found, options, base)
        if makes_it and not meeting.first_is_host:
            joined.host_token = meeting.host_token
        return Response(joined.model_dump_json(exclude_none=True), media_type="application/json")

    @router.post(
        "/{meeting_id}/join",
        response_model=Joined,
        responses={202: {"model": WaitingAnswer, "description": "one waits to be let in"}},
    )
    async def join(request: Request, meeting_id: str, body: Join, caller: Caller = who) -> Response:
        """Joins: a participant, its token, and the offer to answer over the signaling WebSocket. Or waits."""
        return await enter(request, meeting_id, body, caller)

    async def join_directly(request: Request, body: Join) -> Response:
        return await enter(request, request.path_params["meeting_id"], body, await callers(request))

    context.direct(DirectRequest("/meetings/{meeting_id}/join", Join, join_directly))

    @router.post("/{meeting_id}/leave", status_code=204)
    async def leave(request: Request, meeting_id: str) -> None:
        """Leaves, as the participant whose bearer token it is."""
        token = bearer_token(request)
        attendee: Attendee = (await conference.meeting(meeting_id)).attendee(token)
        attendee.leave()

    return router


def _application(body: Join, grants: Grants) -> Application:
    if body.browser:
        grants = replace(grants, browser=digest(body.browser))
    return Application(
        body.name,
        grants,
        host_token=body.host_token,
        join_token=body.join_token,
        former_token=body.former_token,
        audience=body.role == "audience",
        how={"video": body.video},
    )
