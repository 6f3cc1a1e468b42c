"""What is told of a running meeting; rules live in ``sfu.conference``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sfu.conference.views import QualityTimeline
from sfu.media.shard import HISTORY_SECONDS
from sfu.plugins.api import PluginContext


def meeting_routes(context: PluginContext) -> APIRouter:
    """All routes of this file."""
    router = APIRouter(prefix="/meetings", tags=["meetings"])
    conference = context.conference

    @router.get("/{meeting_id}/participants/{participant_id}/quality")
    async def get_quality(
        meeting_id: str,
        participant_id: str,
        seconds: Annotated[int, Query(ge=1, le=HISTORY_SECONDS, description="how far back")] = 60,
    ) -> QualityTimeline:
        """What a participant received, second by second, and why it was no better."""
        return (await conference.meeting(meeting_id)).quality(participant_id, seconds)

    return router
