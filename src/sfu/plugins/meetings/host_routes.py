"""What hosts do, by HTTP: the same actions as over the signaling socket, for programs and for hosts without a socket.

Who may is found by the bearer token (``caller``) and decided by ``conference.authority``, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from sfu.conference import Meeting
from sfu.conference import authority as conference_authority
from sfu.conference.authority import Action, Role
from sfu.conference.chat_views import ChatMode
from sfu.conference.moderation import MAX_SPOTLIGHT
from sfu.plugins.api import PluginContext
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.models import Body

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "a field is missing or wrong", **_PROBLEM},
    401: {"description": "there is no bearer token that is known", **_PROBLEM},
    403: {"description": "the caller's role does not allow it, or not to this one", **_PROBLEM},
    404: {"description": "there is no such meeting, or no such participant", **_PROBLEM},
    409: {"description": "it cannot be done to this one", **_PROBLEM},
}

MAX_SEQ = 2**53 - 1

Id = Annotated[str, Field(max_length=64, description="of who is in the meeting")]


class OneBody(Body):
    """Of what is done to one."""

    participant_id: Id


class MuteBody(OneBody):
    """Of ``mute``."""

    may_unmute: bool = Field(True, description="whether who is muted may unmute")


class MuteAllBody(Body):
    """Of ``mute-all``."""

    may_unmute: bool = Field(True, description="whether who is muted may unmute")


class UnmuteBody(Body):
    """Of ``allow-unmute``."""

    allowed: bool = Field(description="whether those of a lower role may unmute themselves")


class RoleBody(OneBody):
    """Of ``promote`` and ``demote``."""

    role: Role = Field(description="promote: participant or cohost; demote: participant or audience")


class SpotlightBody(Body):
    """Of ``spotlight``."""

    participant_ids: list[Id] = Field(
        max_length=MAX_SPOTLIGHT, description="who is in front for everybody, in this order; none ends it"
    )


class ChatSettingsBody(Body):
    """Of ``chat-settings``; what is left out stays."""

    mode: ChatMode | None = Field(None, description="who may write")
    direct: bool | None = Field(None, description="whether one may write to one participant alone")


Done = Callable[[Meeting, conference_authority.Caller], None]


class HostDesk:
    """Does something to a meeting for who calls: finds both, and what the one is in the other."""

    def __init__(self, context: PluginContext) -> None:
        self._conference = context.conference

    async def do(self, meeting_id: str, caller: Caller, action: Action, done: Done) -> None:
        """Raises ``RemoteError``: ``meeting_not_found``, ``unauthorized``, ``forbidden``, and what ``done`` raises."""
        meeting = await self._conference.meeting(meeting_id)
        actor = caller.require(action, meeting.record, meeting)
        identity = caller.grants.identity if caller.grants is not None else None
        own = meeting.participant_of(caller.bearer) if caller.bearer else meeting.participant_called(identity)
        done(meeting, conference_authority.Caller(actor, own.id if own is not None else None))


def host_routes(context: PluginContext) -> APIRouter:
    """All routes of what hosts do."""
    router = APIRouter(prefix="/meetings/{meeting_id}", tags=["hosts"], responses=_PROBLEMS)
    # As a default value: an annotation would be looked up among the module's names.
    desk, calling = HostDesk(context), Depends(Callers(context))
    _add_people_routes(router, desk, calling)
    _add_meeting_routes(router, desk, calling)
    return router


def _add_people_routes(router: APIRouter, desk: HostDesk, calling: Any) -> None:
    @router.post("/mute", status_code=204)
    async def mute(meeting_id: str, body: MuteBody, caller: Caller = calling) -> None:
        """Mutes a participant's microphone, in the server."""
        await desk.do(
            meeting_id,
            caller,
            Action.MUTE,
            lambda meeting, by: meeting.moderation.mute(by, body.participant_id, may_unmute=body.may_unmute),
        )

    @router.post("/ask-to-unmute", status_code=204)
    async def ask_to_unmute(meeting_id: str, body: OneBody, caller: Caller = calling) -> None:
        """Asks a participant to unmute, who may from now on, and decides."""
        await desk.do(
            meeting_id,
            caller,
            Action.ASK_TO_UNMUTE,
            lambda meeting, by: meeting.moderation.ask_to_unmute(by, body.participant_id),
        )

    @router.post("/promote", status_code=204)
    async def promote(meeting_id: str, body: RoleBody, caller: Caller = calling) -> None:
        """Makes somebody a co-host, or a participant of who is audience."""
        action = Action.APPOINT if body.role is Role.COHOST else Action.PERMIT
        await desk.do(
            meeting_id,
            caller,
            action,
            lambda meeting, by: meeting.moderation.promote(by, body.participant_id, body.role),
        )

    @router.post("/demote", status_code=204)
    async def demote(meeting_id: str, body: RoleBody, caller: Caller = calling) -> None:
        """Makes somebody a participant, or audience."""
        await desk.do(
            meeting_id,
            caller,
            Action.PERMIT,
            lambda meeting, by: meeting.moderation.demote(by, body.participant_id, body.role),
        )


def _add_meeting_routes(router: APIRouter, desk: HostDesk, calling: Any) -> None:
    @router.post("/mute-all", status_code=204)
    async def mute_all(meeting_id: str, body: MuteAllBody | None = None, caller: Caller = calling) -> None:
        """Mutes everybody of a lower role than the caller's; who joins later, too, where they may not unmute."""
        may_unmute = body.may_unmute if body else True
        await desk.do(
            meeting_id,
            caller,
            Action.MUTE_ALL,
            lambda meeting, by: meeting.moderation.mute_all(by, may_unmute=may_unmute),
        )

    @router.post("/allow-unmute", status_code=204)
    async def allow_unmute(meeting_id: str, body: UnmuteBody, caller: Caller = calling) -> None:
        """Says whether those of a lower role may unmute themselves."""
        await desk.do(
            meeting_id,
            caller,
            Action.MUTE_ALL,
            lambda meeting, by: meeting.moderation.allow_unmute(by, allowed=body.allowed),
        )

    @router.post("/transfer-host", status_code=204)
    async def transfer_host(meeting_id: str, body: OneBody, caller: Caller = calling) -> None:
        """Makes somebody the host, and a co-host of who was."""
        await desk.do(
            meeting_id,
            caller,
            Action.TRANSFER_HOST,
            lambda meeting, by: meeting.moderation.transfer_host(by, body.participant_id),
        )

    @router.post("/spotlight", status_code=204)
    async def spotlight(meeting_id: str, body: SpotlightBody, caller: Caller = calling) -> None:
        """Puts participants in front for everybody."""
        await desk.do(
            meeting_id,
            caller,
            Action.SPOTLIGHT,
            lambda meeting, by: meeting.moderation.spotlight(by, body.participant_ids),
        )

    @router.post("/chat-settings", status_code=204)
    async def chat_settings(meeting_id: str, body: ChatSettingsBody, caller: Caller = calling) -> None:
        """Says who may write in the chat."""
        await desk.do(
            meeting_id,
            caller,
            Action.CHAT_MODE,
            lambda meeting, by: meeting.chat.settle(by, mode=body.mode, direct=body.direct),
        )

    @router.delete("/chat/{seq}", status_code=204)
    async def delete_message(
        meeting_id: str,
        seq: Annotated[int, Path(ge=1, le=MAX_SEQ, description="number of the line")],
        caller: Caller = calling,
    ) -> None:
        """Deletes a line of the chat that was said to everybody."""
        await desk.do(meeting_id, caller, Action.DELETE_MESSAGE, lambda meeting, by: meeting.chat.delete(by, seq))
