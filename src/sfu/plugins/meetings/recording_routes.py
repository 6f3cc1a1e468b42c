"""Recordings, asked for by REST: who may have one begun, and what there is. A recorder is a process of its own."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from sfu.conference.asking import ask_to_record
from sfu.conference.authority import Action
from sfu.conference.records import MeetingRecord, MeetingStatus, RecordingPolicy, RecordingRecord, RecordingStatus
from sfu.conference.views import timestamp
from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.caller import Caller, Callers

RUNNING = frozenset({RecordingStatus.STARTING, RecordingStatus.ACTIVE, RecordingStatus.FINISHING})

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "something has a wrong form", **_PROBLEM},
    401: {"description": "no credentials that are known", **_PROBLEM},
    403: {"description": "not with these credentials, or a plugin refuses it", **_PROBLEM},
    404: {"description": "there is no such meeting, or no such recording", **_PROBLEM},
}
_BEGINNING: dict[int | str, dict[str, Any]] = {
    409: {"description": "the meeting is encrypted, over, recorded already, or not to be recorded", **_PROBLEM},
    503: {"description": "no recorder is connected, or a plugin could not say", **_PROBLEM},
}

RecordingId = Annotated[str, Path(max_length=64)]


class RecordingOut(BaseModel):
    """A recording. Times are RFC 3339 in UTC."""

    id: str
    status: RecordingStatus
    started_at: str
    ended_at: str | None
    location: str | None = Field(description="where it is; null until that is known")
    bytes: int
    detail: str = Field(description="why it failed")

    @classmethod
    def of(cls, record: RecordingRecord) -> RecordingOut:
        """That of ``record``."""
        return cls(
            id=record.id,
            status=record.status,
            started_at=timestamp(record.started_at),
            ended_at=None if record.ended_at is None else timestamp(record.ended_at),
            location=record.location or None,
            bytes=record.bytes,
            detail=record.detail,
        )


class Recordings(BaseModel):
    """Those of a meeting, the oldest first."""

    recordings: list[RecordingOut]


def recording_routes(context: PluginContext) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/meetings/{meeting_id}/recordings", tags=["recordings"], responses=_PROBLEMS)
    conference, who = context.conference, Depends(Callers(context))

    async def allowed(caller: Caller, meeting_id: str) -> MeetingRecord:
        record = await conference.record(meeting_id)
        caller.require(Action.RECORD, record, conference.meetings.get(meeting_id))
        return record

    @router.post("", status_code=202, responses=_BEGINNING)
    async def begin_recording(meeting_id: str, caller: Caller = who) -> RecordingOut:
        """Has a recording begin: for hosts, and for who has the grant `record`, where the meeting allows recordings."""
        record = await allowed(caller, meeting_id)
        _require_recordable(record)
        if any(one.status in RUNNING for one in await conference.recordings(meeting_id)):
            raise RemoteError("conflict", "the meeting is being recorded already", "stop that one first", status=409)
        actor = caller.actor(Action.RECORD, record, conference.meetings.get(meeting_id))
        await ask_to_record(conference.hooks, record, actor, caller.identity)
        _no_recorder("recordings begin")

    @router.get("")
    async def get_recordings(meeting_id: str, caller: Caller = who) -> Recordings:
        """What was recorded, and is being."""
        await allowed(caller, meeting_id)
        found = await conference.recordings(meeting_id)
        return Recordings(recordings=[RecordingOut.of(one) for one in found])

    @router.post("/{recording_id}/stop", status_code=202, responses=_BEGINNING)
    async def stop_recording(meeting_id: str, recording_id: RecordingId, caller: Caller = who) -> RecordingOut:
        """Ends a recording. One that is over already is told as it is."""
        await allowed(caller, meeting_id)
        found = next((one for one in await conference.recordings(meeting_id) if one.id == recording_id), None)
        if found is None:
            raise RemoteError("recording_not_found", f"no recording {recording_id!r} is known", status=404)
        if found.status in RUNNING:
            _no_recorder("recordings end")
        return RecordingOut.of(found)

    return router


def _require_recordable(record: MeetingRecord) -> None:
    """Raises ``RemoteError`` ``conflict`` that says why it is not."""
    if record.status is MeetingStatus.ENDED:
        raise RemoteError("conflict", "the meeting has ended", "there is nothing to record", status=409)
    if record.e2ee:
        detail = "the meeting is encrypted from end to end: a recorder would see nothing"
        raise RemoteError("conflict", detail, "make a meeting without e2ee", status=409)
    if record.recording is RecordingPolicy.OFF:
        hint = 'change the meeting\'s recording to "allowed"'
        raise RemoteError("conflict", "the meeting's recording policy is off", hint, status=409)


def _no_recorder(what: str) -> NoReturn:
    detail = f"no recorder is connected to this server: {what} by one, which comes with a later release"
    raise RemoteError("no_recorder", detail, status=503)
