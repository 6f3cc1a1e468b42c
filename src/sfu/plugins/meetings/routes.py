"""The routes. Each finds its meeting, asks it, and serializes the result; rules live in ``sfu.conference``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from sfu.conference import Meeting
from sfu.conference.names import MAX_NAME_CHARS
from sfu.conference.roster import MAX_PAGE
from sfu.conference.views import QualityTimeline
from sfu.errors import RemoteError
from sfu.media.shard import HISTORY_SECONDS
from sfu.plugins.api import PluginContext
from sfu.plugins.http import base_url
from sfu.plugins.meetings.models import (
    CreateMeeting,
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

    return router
