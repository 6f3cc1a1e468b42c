"""The routes. Each finds its meeting, asks it, and serializes the result; rules live in ``sfu.conference``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from sfu.conference import Attendee, Meeting
from sfu.conference.attendee import INGRESS
from sfu.conference.names import MAX_NAME_CHARS
from sfu.conference.roster import MAX_PAGE
from sfu.conference.views import MeetingTitle, QualityTimeline
from sfu.errors import RemoteError
from sfu.media.shard import HISTORY_SECONDS
from sfu.plugins.api import PluginContext
from sfu.plugins.http import base_url, bearer_token
from sfu.plugins.meetings.models import (
    CreateMeeting,
    IceServerOut,
    Join,
    Joined,
    MeetingCreated,
    MeetingFound,
    Participants,
)

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "a field is missing or wrong", **_PROBLEM},
    404: {"description": "there is no such meeting, or no such participant", **_PROBLEM},
}


def meeting_routes(context: PluginContext) -> APIRouter:
    """All routes of the plugin."""
    router = APIRouter(prefix="/meetings", tags=["meetings"], responses=_PROBLEMS)
    conference, options = context.conference, context.options

    async def find(meeting_id: str) -> Meeting:
        return await (conference.meeting_or_new if options.dev else conference.meeting)(meeting_id)

    @router.post("", status_code=201)
    async def create_meeting(request: Request, body: CreateMeeting | None = None) -> MeetingCreated:
        """Makes a meeting."""
        body = body or CreateMeeting()
        if body.id is not None and not options.dev:
            raise RemoteError("bad_request", "a meeting id may be chosen in development mode only", "leave id out")
        rules = body.options.over(conference.options.rules) if body.options else None
        meeting = await conference.create_meeting(body.title or "", id=body.id, rules=rules)
        return MeetingCreated.of(meeting, base_url(request, options.public_url))

    @router.get("/{meeting_id}")
    async def get_meeting(request: Request, meeting_id: str) -> MeetingFound:
        """A meeting and how many are in it. In development mode whoever asks for one that is not there makes it."""
        return MeetingFound.of(await find(meeting_id), base_url(request, options.public_url))

    @router.get("/{meeting_id}/participants")
    async def get_participants(
        meeting_id: str,
        after: Annotated[str | None, Query(max_length=64, description="the next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="participants on a page")] = MAX_PAGE,
        search: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="begin of a word of the name")] = "",
    ) -> Participants:
        """Who is in the meeting, page by page, in the order of joining."""
        page = (await conference.meeting(meeting_id)).roster.page(after, limit, search)
        return Participants(participants=list(page.participants), next=page.next, total=page.total)

    @router.get("/{meeting_id}/participants/{participant_id}/quality")
    async def get_quality(
        meeting_id: str,
        participant_id: str,
        seconds: Annotated[int, Query(ge=1, le=HISTORY_SECONDS, description="how far back")] = 60,
    ) -> QualityTimeline:
        """What a participant received, second by second, and why it was no better."""
        return (await conference.meeting(meeting_id)).quality(participant_id, seconds)

    @router.post("/{meeting_id}/join", response_model_exclude_none=True)
    async def join(request: Request, meeting_id: str, body: Join) -> Joined:
        """Joins: a participant, its token, and the offer to answer over the signaling WebSocket."""
        meeting = await find(meeting_id)
        makes_it = meeting.first_is_host
        audience = body.role == "audience"
        attendee = meeting.join(body.name, host_token=body.host_token, audience=audience, video=body.video)
        joined = _joined(context, attendee, base_url(request, options.public_url))
        if makes_it and not meeting.first_is_host:
            joined.host_token = meeting.host_token
        return joined

    @router.post("/{meeting_id}/leave", status_code=204)
    async def leave(request: Request, meeting_id: str) -> None:
        """Leaves, as the participant whose bearer token it is."""
        token = bearer_token(request)
        (await conference.meeting(meeting_id)).attendee(token).leave()

    return router


def _joined(context: PluginContext, attendee: Attendee, base: str) -> Joined:
    meeting = attendee.meeting
    return Joined(
        meeting=MeetingTitle(meeting.id, meeting.title),
        participant_id=attendee.id,
        token=attendee.token,
        signaling_url=f"ws{base.removeprefix('http')}/meetings/{meeting.id}/signaling",
        ice_servers=[IceServerOut.of(server) for server in context.options.ice_servers(attendee.id)],
        offer=attendee.offer,
        ingress={source.value: section.mid for source, section in INGRESS.items()},
        slots=list(attendee.slots.places),
        resume_window_s=context.options.resume_window_s,
    )
