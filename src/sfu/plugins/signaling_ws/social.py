"""The requests of those who talk and of those who keep order: chat, reactions, what hosts do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sfu.conference import Attendee
from sfu.conference.authority import Role
from sfu.conference.chat import MAX_CHARS, MAX_NONCE_CHARS, MAX_PAGE
from sfu.conference.chat_views import ChatMode, ChatPage, ChatSaid
from sfu.conference.emoji import MAX_CODE_POINTS
from sfu.conference.moderation import MAX_SPOTLIGHT
from sfu.plugins.signaling_ws.request import CHAT, FOR_ALL, MAX_SEQ, PAGE, Request, RequestType, request_of


class React(Request):
    emoji: str = Field(max_length=MAX_CODE_POINTS)


class MuteParticipant(Request):
    participant_id: str = Field(max_length=64)
    may_unmute: bool = True


class MuteAll(Request):
    may_unmute: bool = True


class AllowUnmute(Request):
    allowed: bool


class OneParticipant(Request):
    participant_id: str = Field(max_length=64)


class NewRole(OneParticipant):
    role: Annotated[Role, Field(strict=False)]


class Spotlight(Request):
    participant_ids: list[Annotated[str, Field(max_length=64)]] = Field(max_length=MAX_SPOTLIGHT)


class ChatRequest(Request):
    text: str = Field(max_length=2 * MAX_CHARS)
    to: str | None = Field(None, max_length=64)
    nonce: str = Field("", max_length=MAX_NONCE_CHARS)


class ChatHistory(Request):
    before: int | None = Field(None, ge=0, le=MAX_SEQ)
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class ChatDelete(Request):
    seq: int = Field(ge=0, le=MAX_SEQ)


class ChatSettings(Request):
    mode: Annotated[ChatMode, Field(strict=False)] | None = None
    direct: bool | None = None


def _react(attendee: Attendee, request: React) -> None:
    attendee.meeting.reactions.react(attendee, request.emoji)


def _mute_participant(attendee: Attendee, request: MuteParticipant) -> None:
    attendee.meeting.moderation.mute(attendee.caller, request.participant_id, may_unmute=request.may_unmute)


def _mute_all(attendee: Attendee, request: MuteAll) -> None:
    attendee.meeting.moderation.mute_all(attendee.caller, may_unmute=request.may_unmute)


def _allow_unmute(attendee: Attendee, request: AllowUnmute) -> None:
    attendee.meeting.moderation.allow_unmute(attendee.caller, allowed=request.allowed)


def _ask_to_unmute(attendee: Attendee, request: OneParticipant) -> None:
    attendee.meeting.moderation.ask_to_unmute(attendee.caller, request.participant_id)


def _promote(attendee: Attendee, request: NewRole) -> None:
    attendee.meeting.moderation.promote(attendee.caller, request.participant_id, request.role)


def _demote(attendee: Attendee, request: NewRole) -> None:
    attendee.meeting.moderation.demote(attendee.caller, request.participant_id, request.role)


def _transfer_host(attendee: Attendee, request: OneParticipant) -> None:
    attendee.meeting.moderation.transfer_host(attendee.caller, request.participant_id)


def _spotlight(attendee: Attendee, request: Spotlight) -> None:
    attendee.meeting.moderation.spotlight(attendee.caller, request.participant_ids)


def _chat(attendee: Attendee, request: ChatRequest) -> ChatSaid:
    return ChatSaid(attendee.meeting.chat.say(attendee, request.text, to=request.to, nonce=request.nonce))


def _chat_history(attendee: Attendee, request: ChatHistory) -> ChatPage:
    return attendee.meeting.chat.page(attendee, request.before, request.limit)


def _chat_delete(attendee: Attendee, request: ChatDelete) -> None:
    attendee.meeting.chat.delete(attendee.caller, request.seq)


def _chat_settings(attendee: Attendee, request: ChatSettings) -> None:
    attendee.meeting.chat.settle(attendee.caller, mode=request.mode, direct=request.direct)


SOCIAL: dict[str, RequestType] = {
    "react": request_of(React, _react, CHAT),
    "mute_participant": request_of(MuteParticipant, _mute_participant, FOR_ALL),
    "mute_all": request_of(MuteAll, _mute_all, FOR_ALL),
    "allow_unmute": request_of(AllowUnmute, _allow_unmute, FOR_ALL),
    "ask_to_unmute": request_of(OneParticipant, _ask_to_unmute),
    "promote": request_of(NewRole, _promote, FOR_ALL),
    "demote": request_of(NewRole, _demote, FOR_ALL),
    "transfer_host": request_of(OneParticipant, _transfer_host, FOR_ALL),
    "spotlight": request_of(Spotlight, _spotlight, FOR_ALL),
    "chat": request_of(ChatRequest, _chat, CHAT),
    "chat_history": request_of(ChatHistory, _chat_history, PAGE),
    "chat_delete": request_of(ChatDelete, _chat_delete, FOR_ALL),
    "chat_settings": request_of(ChatSettings, _chat_settings, FOR_ALL),
}
