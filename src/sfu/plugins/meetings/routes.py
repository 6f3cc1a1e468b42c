"""What is told of a running meeting; rules live in ``sfu.conference``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from sfu.conference.authority import Action
from sfu.conference.views import QualityTimeline
from sfu.media.shard import HISTORY_SECONDS
from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.caller import Caller, Callers


def meeting_routes(context: PluginContext) -> APIRouter:
    """All routes of this file."""
    router = APIRouter(prefix="/meetings", tags=["meetings"])
    conference, who = context.conference, Depends(Callers(context))

    @router.get("/{meeting_id}/participants/{participant_id}/quality")
    async def get_quality(
        meeting_id: str,
        participant_id: str,
        seconds: Annotated[int, Query(ge=1, le=HISTORY_SECONDS, description="how far back")] = 60,
        caller: Caller = who,
    ) -> QualityTimeline:
        """What a participant received, second by second, and why it was no better. For those in the meeting."""
        meeting = await conference.meeting(meeting_id)
        caller.require(Action.SEE_PEOPLE, meeting.record, meeting)
        return meeting.quality(participant_id, seconds)

    return router
