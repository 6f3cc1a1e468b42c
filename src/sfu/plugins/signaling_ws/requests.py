"""Every request of a client: its fields and what it does. One line of ``REQUESTS`` for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sfu.conference import Attendee, Source, Tile
from sfu.conference.chat import MAX_CHARS, MAX_NONCE_CHARS
from sfu.conference.chat import MAX_PAGE as MAX_CHAT_PAGE
from sfu.conference.chat_views import ChatMode, ChatPage, ChatSaid
from sfu.conference.layout import MAX_PINS, Mode, View
from sfu.conference.names import MAX_NAME_CHARS
from sfu.conference.roster import MAX_PAGE
from sfu.conference.track import Content
from sfu.conference.views import RosterPage
from sfu.errors import RemoteError

BEST_LAYER = 255
MAX_VIDEO_SLOTS = 49
MAX_PAGE_NUMBER = 10_000
MAX_SEQ = 2**53 - 1
"""What a number of JSON holds in every language."""
MAX_TILE_SIDE = 16_384
"""Device pixels; the largest video that there is."""


class Request(BaseModel):
    """Fields besides ``type`` and ``id``; no others are accepted, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


SourceField = Annotated[Source, Field(strict=False)]
Layer = Annotated[int, Field(ge=0, le=BEST_LAYER)]


class ChatKnown(Request):
    """What somebody who comes back knows of the chat."""

    log: str = Field(max_length=64)
    after: int = Field(ge=0, le=MAX_SEQ)


class Hello(Request):
    token: str = Field(max_length=256)
    chat: ChatKnown | None = None


class Answer(Request):
    version: int
    sdp: str


class Publish(Request):
    source: SourceField
    muted: bool = False
    take_over: bool = False
    content: Annotated[Content, Field(strict=False)] | None = None


class Unpublish(Request):
    source: SourceField


class Mute(Request):
    source: SourceField
    muted: bool


class Slots(Request):
    video: int = Field(ge=0, le=MAX_VIDEO_SLOTS)


class Layers(Request):
    mid: str = Field(max_length=16)
    spatial: Layer | None = None
    temporal: Layer | None = None
    paused: bool | None = None


class TileField(Request):
    mid: str = Field(max_length=16)
    width: int = Field(ge=0, le=MAX_TILE_SIDE)
    height: int = Field(ge=0, le=MAX_TILE_SIDE)
    fps: float = Field(30.0, ge=1, le=120, strict=False)
    pinned: bool = False


class PinField(Request):
    participant_id: str = Field(max_length=64)
    source: Literal["camera", "screen"]


class Layout(Request):
    tiles: list[TileField] = Field(max_length=MAX_VIDEO_SLOTS)
    hidden: bool = False
    mode: Annotated[Mode, Field(strict=False)] = Mode.GALLERY
    page: int = Field(0, ge=0, le=MAX_PAGE_NUMBER)
    pins: list[PinField] = Field([], max_length=MAX_PINS)


class Roster(Request):
    after: str | None = Field(None, max_length=64)
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    search: str = Field("", max_length=MAX_NAME_CHARS)


class RaiseHand(Request):
    raised: bool


class LowerHand(Request):
    participant_id: str = Field(max_length=64)


class Permit(Request):
    participant_id: str = Field(max_length=64)
    publish: list[SourceField] = Field(max_length=len(Source))


class ChatRequest(Request):
    text: str = Field(max_length=2 * MAX_CHARS)
    to: str | None = Field(None, max_length=64)
    nonce: str = Field("", max_length=MAX_NONCE_CHARS)


class ChatHistory(Request):
    before: int | None = Field(None, ge=0, le=MAX_SEQ)
    limit: int = Field(50, ge=1, le=MAX_CHAT_PAGE)


class ChatDelete(Request):
    seq: int = Field(ge=0, le=MAX_SEQ)


class ChatSettings(Request):
    mode: Annotated[ChatMode, Field(strict=False)] | None = None
    direct: bool | None = None


class RestartIce(Request):
    pass


class Ping(Request):
    pass


class Leave(Request):
    pass


def _answer(attendee: Attendee, request: Answer) -> None:
    attendee.answer(request.version, request.sdp)


def _publish(attendee: Attendee, request: Publish) -> None:
    attendee.publish(request.source, muted=request.muted, take_over=request.take_over, content=request.content)


def _unpublish(attendee: Attendee, request: Unpublish) -> None:
    attendee.unpublish(request.source)


def _mute(attendee: Attendee, request: Mute) -> None:
    attendee.mute(request.source, muted=request.muted)


def _slots(attendee: Attendee, request: Slots) -> None:
    attendee.request_slots(request.video)


def _layers(attendee: Attendee, request: Layers) -> None:
    spatial = BEST_LAYER if request.spatial is None else request.spatial
    temporal = BEST_LAYER if request.temporal is None else request.temporal
    attendee.set_layers(request.mid, spatial, temporal)
    if request.paused is not None:
        attendee.pause_slot(request.mid, paused=request.paused)


def _layout(attendee: Attendee, request: Layout) -> None:
    tiles = {tile.mid: Tile(tile.width, tile.height, tile.fps, tile.pinned) for tile in request.tiles}
    pins = tuple((pin.participant_id, Source(pin.source)) for pin in request.pins)
    attendee.show(tiles, hidden=request.hidden, view=View(request.mode, request.page, pins))


def _roster(attendee: Attendee, request: Roster) -> RosterPage:
    return attendee.meeting.roster.page(request.after, request.limit, request.search)


def _raise_hand(attendee: Attendee, request: RaiseHand) -> None:
    attendee.meeting.permissions.raise_hand(attendee, raised=request.raised)


def _lower_hand(attendee: Attendee, request: LowerHand) -> None:
    attendee.meeting.permissions.lower_hand(attendee, request.participant_id)


def _permit(attendee: Attendee, request: Permit) -> None:
    attendee.meeting.permissions.permit(attendee, request.participant_id, request.publish)


def _chat(attendee: Attendee, request: ChatRequest) -> ChatSaid:
    return ChatSaid(attendee.meeting.chat.say(attendee, request.text, to=request.to, nonce=request.nonce))


def _chat_history(attendee: Attendee, request: ChatHistory) -> ChatPage:
    return attendee.meeting.chat.page(attendee, request.before, request.limit)


def _chat_delete(attendee: Attendee, request: ChatDelete) -> None:
    attendee.meeting.chat.delete(attendee.caller, request.seq)


def _chat_settings(attendee: Attendee, request: ChatSettings) -> None:
    attendee.meeting.chat.settle(attendee.caller, mode=request.mode, direct=request.direct)


def _restart_ice(attendee: Attendee, _request: RestartIce) -> None:
    attendee.restart_ice()


def _ping(_attendee: Attendee, _request: Ping) -> None:
    """The reply is all there is to it."""


def _leave(attendee: Attendee, _request: Leave) -> None:
    attendee.leave()


def _hello(_attendee: Attendee, _request: Hello) -> None:
    raise RemoteError("conflict", "hello has been said already", status=409)


RequestModel = TypeVar("RequestModel", bound=Request)


@dataclass(frozen=True, slots=True)
class RequestType:
    """What a type's fields are, and what is done with them. The handler may raise ``RemoteError``; what it returns, a
    dataclass or None, are the fields of the reply.

    ``cost`` is how many messages it counts as within the rate limit.
    """

    model: type[Request]
    handle: Callable[[Attendee, Any], object]
    cost: float = 1.0


FOR_ALL = 5.0
"""Cost of a request that makes work for everybody in the meeting (a layout, a message to each), or a negotiation."""


LAYOUT = 2.0
"""Work for its sender alone, but a decision about every slot."""

HAND = 2.0
"""Everybody is told, with whatever else there is to tell."""

CHAT = 2.0
"""Everybody is told, gathered; the chat itself lets nobody write more than a line a second for long."""

PAGE = 4.0
"""A look at everybody: twelve a second, more than anybody types."""


def _type(
    model: type[RequestModel], handle: Callable[[Attendee, RequestModel], object], cost: float = 1.0
) -> RequestType:
    return RequestType(model, handle, cost)


REQUESTS: dict[str, RequestType] = {
    "hello": _type(Hello, _hello),
    "answer": _type(Answer, _answer, FOR_ALL),
    "publish": _type(Publish, _publish, FOR_ALL),
    "unpublish": _type(Unpublish, _unpublish, FOR_ALL),
    "mute": _type(Mute, _mute, FOR_ALL),
    "slots": _type(Slots, _slots, FOR_ALL),
    "layers": _type(Layers, _layers),
    "layout": _type(Layout, _layout, LAYOUT),
    "roster": _type(Roster, _roster, PAGE),
    "raise_hand": _type(RaiseHand, _raise_hand, HAND),
    "lower_hand": _type(LowerHand, _lower_hand, HAND),
    "permit": _type(Permit, _permit, FOR_ALL),
    "chat": _type(ChatRequest, _chat, CHAT),
    "chat_history": _type(ChatHistory, _chat_history, PAGE),
    "chat_delete": _type(ChatDelete, _chat_delete, FOR_ALL),
    "chat_settings": _type(ChatSettings, _chat_settings, FOR_ALL),
    "restart_ice": _type(RestartIce, _restart_ice, FOR_ALL),
    "ping": _type(Ping, _ping),
    "leave": _type(Leave, _leave),
}


def request_type(name: object) -> RequestType:
    """The type of that name. Raises ``RemoteError`` ``unknown_type`` that names all."""
    found = REQUESTS.get(name) if isinstance(name, str) else None
    if found is None:
        shown = repr(name)[:64]
        raise RemoteError("unknown_type", f"there is no request type {shown}", f"one of {', '.join(REQUESTS)}")
    return found


def parse_fields(name: str, model: type[RequestModel], message: Mapping[str, Any]) -> RequestModel:
    """The fields of a message. Raises ``RemoteError`` ``bad_request`` that says what is wrong and what is accepted."""
    fields = {key: value for key, value in message.items() if key not in {"type", "id"}}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:64] for part in first["loc"])
        accepted = ", ".join(model.model_fields) or "no fields"
        raise RemoteError("bad_request", f"{where}: {first['msg']}", f"{name} takes {accepted}") from error
