"""Every request of a client: its fields and what it does. One line of ``REQUESTS`` for each."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from pydantic import Field

from sfu.conference import Attendee, Source, Tile
from sfu.conference.asking import ask_to_publish, person_of
from sfu.conference.hooks import Hook
from sfu.conference.layout import MAX_PINS, Mode, View
from sfu.conference.names import MAX_NAME_CHARS
from sfu.conference.roster import MAX_PAGE
from sfu.conference.track import NO_LIMITS, Content, Limits
from sfu.conference.views import RosterPage
from sfu.errors import RemoteError
from sfu.plugins.signaling_ws.door import DOOR
from sfu.plugins.signaling_ws.request import (
    FOR_ALL,
    HAND,
    LAYOUT,
    MAX_SEQ,
    PAGE,
    Request,
    RequestType,
    request_of,
)
from sfu.plugins.signaling_ws.social import SOCIAL

BEST_LAYER = 255
MAX_VIDEO_SLOTS = 49
MAX_PAGE_NUMBER = 10_000
MAX_TILE_SIDE = 16_384
"""Device pixels; the largest video that there is."""


SourceField = Annotated[Source, Field(strict=False)]
Layer = Annotated[int, Field(ge=0, le=BEST_LAYER)]


class ChatKnown(Request):
    """What somebody who comes back knows of the chat."""

    log: str = Field(max_length=64)
    after: int = Field(ge=0, le=MAX_SEQ)


class Hello(Request):
    token: str = Field(max_length=256)
    chat: ChatKnown | None = None
    offer: int | None = None
    """The version of the offer that it has."""


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


class RestartIce(Request):
    pass


class Ping(Request):
    pass


class Leave(Request):
    pass


def _answer(attendee: Attendee, request: Answer) -> None:
    attendee.answer(request.version, request.sdp)


def _publish(attendee: Attendee, request: Publish, limits: Limits = NO_LIMITS) -> None:
    attendee.publish(
        request.source, muted=request.muted, take_over=request.take_over, content=request.content, limits=limits
    )


def _ask_to_publish(attendee: Attendee, request: Publish) -> Coroutine[Any, Any, Callable[[], object]] | None:
    hooks = attendee.meeting.hooks
    is_new = request.source not in attendee.sources.tracks and request.source in attendee.rights.publish
    return _publish_as_told(attendee, request) if is_new and hooks.has(Hook.BEFORE_PUBLISH) else None


async def _publish_as_told(attendee: Attendee, request: Publish) -> Callable[[], object]:
    meeting = attendee.meeting
    limits = await ask_to_publish(meeting.hooks, meeting, person_of(attendee), request.source)
    return lambda: _publish(attendee, request, limits)


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


def _restart_ice(attendee: Attendee, _request: RestartIce) -> None:
    attendee.restart_ice()


def _ping(_attendee: Attendee, _request: Ping) -> None:
    """The reply is all there is to it."""


def _leave(attendee: Attendee, _request: Leave) -> None:
    attendee.leave()


def _hello(_attendee: Attendee, _request: Hello) -> None:
    raise RemoteError("conflict", "hello has been said already", status=409)


REQUESTS: dict[str, RequestType] = {
    **SOCIAL,
    **DOOR,
    "hello": request_of(Hello, _hello),
    "answer": request_of(Answer, _answer, FOR_ALL),
    "publish": RequestType(Publish, _publish, FOR_ALL, ask=_ask_to_publish),
    "unpublish": request_of(Unpublish, _unpublish, FOR_ALL),
    "mute": request_of(Mute, _mute, FOR_ALL),
    "slots": request_of(Slots, _slots, FOR_ALL),
    "layers": request_of(Layers, _layers),
    "layout": request_of(Layout, _layout, LAYOUT),
    "roster": request_of(Roster, _roster, PAGE),
    "raise_hand": request_of(RaiseHand, _raise_hand, HAND),
    "lower_hand": request_of(LowerHand, _lower_hand, HAND),
    "permit": request_of(Permit, _permit, FOR_ALL),
    "restart_ice": request_of(RestartIce, _restart_ice, FOR_ALL),
    "ping": request_of(Ping, _ping),
    "leave": request_of(Leave, _leave),
}


def request_type(name: object) -> RequestType:
    """The type of that name. Raises ``RemoteError`` ``unknown_type`` that names all."""
    found = REQUESTS.get(name) if isinstance(name, str) else None
    if found is None:
        shown = repr(name)[:64]
        raise RemoteError("unknown_type", f"there is no request type {shown}", f"one of {', '.join(REQUESTS)}")
    return found
