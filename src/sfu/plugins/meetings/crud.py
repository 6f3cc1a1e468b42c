"""Meetings as a resource: make, look up, change, list, end and forget them. ``docs/api.md`` is the reference."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from sfu.conference import Meeting
from sfu.conference.authority import Action, may
from sfu.conference.draft import MAX_HOST_CHARS
from sfu.conference.memory_store import outdated
from sfu.conference.names import MAX_NAME_CHARS, digest, is_made_id
from sfu.conference.records import MAX_CURSOR_CHARS, MAX_RECORDS_PAGE, MeetingFilter, MeetingRecord, MeetingStatus
from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext
from sfu.plugins.http import base_url
from sfu.plugins.meetings.calendar_file import MEDIA_TYPE, calendar_file
from sfu.plugins.meetings.caller import Caller, Callers
from sfu.plugins.meetings.crud_models import (
    Instant,
    JoinTokenBody,
    JoinTokenOut,
    MeetingChanges,
    MeetingMade,
    MeetingOut,
    MeetingPage,
    NewMeetingBody,
    People,
    Stay,
    join_url,
    meeting_made,
    meeting_out,
)
from sfu.plugins.meetings.once import OnceKey

MAX_IF_MATCH_CHARS = 256


class State(StrEnum):
    """Which participants."""

    CURRENT = "current"
    PAST = "past"
    ALL = "all"


class Desk:
    """What the routes share: records, links, and who may."""

    def __init__(self, context: PluginContext) -> None:
        self.conference = context.conference
        self.clock = context.clock
        self.is_dev = context.options.dev
        self._public_url = context.options.public_url

    async def record(self, meeting_id: str) -> MeetingRecord:
        """In development mode whoever asks for a name that is not there makes it. Raises ``RemoteError``."""
        if self.is_dev and not is_made_id(meeting_id):
            return (await self.conference.meeting_or_new(meeting_id)).record
        return await self.conference.record(meeting_id)

    def at_hand(self, meeting_id: str) -> Meeting | None:
        """None: nobody is in it here."""
        return self.conference.meetings.get(meeting_id)

    async def allowed(self, caller: Caller, action: Action, meeting_id: str) -> MeetingRecord:
        """The record, for who may do that. Raises ``RemoteError``."""
        record = await self.conference.record(meeting_id)
        caller.require(action, record, self.at_hand(meeting_id))
        return record

    def join_token(self, caller: Caller, record: MeetingRecord) -> str | None:
        """The bearer token, if it is that of the join link. The server itself knows the digest alone."""
        is_good = record.join_expires_at is None or record.join_expires_at > self.clock.wall()
        is_known = hmac.compare_digest(digest(caller.bearer), record.join_digest)
        return caller.bearer if caller.bearer and is_good and is_known else None

    def base(self, request: Request) -> str:
        """Of links."""
        return base_url(request, self._public_url)

    def told(self, request: Request, caller: Caller, record: MeetingRecord) -> MeetingOut:
        """What this caller is told of a meeting that it asked for by its id: where several servers share meetings, its
        home answers that.
        """
        meeting = self.at_hand(record.id)
        present = len(meeting.participants) if meeting is not None else 0
        return self._told(request, caller, record, present)

    async def all_told(self, request: Request, caller: Caller, records: Sequence[MeetingRecord]) -> list[MeetingOut]:
        """What this caller is told of meetings that may be at any server."""
        counts = await self.conference.counts([one.id for one in records if one.status is not MeetingStatus.ENDED])
        return [self._told(request, caller, one, counts.get(one.id, 0)) for one in records]

    def _told(self, request: Request, caller: Caller, record: MeetingRecord, present: int | None) -> MeetingOut:
        is_leader = may(caller.actor(Action.CHANGE, record, self.at_hand(record.id)), Action.CHANGE)
        return meeting_out(record, self.base(request), present=present, tells_host=is_leader)


def crud_routes(context: PluginContext) -> APIRouter:
    """All routes of this file. Those with a longer path come first."""
    router = APIRouter(prefix="/meetings", tags=["meetings"])
    desk, who = Desk(context), Depends(Callers(context))
    _add_making(router, desk, who)
    _add_listing(router, desk, who)
    _add_looking(router, desk, who)
    _add_changing(router, desk, who)
    return router


def _add_making(router: APIRouter, desk: Desk, who: Any) -> None:
    conference = desk.conference

    @router.post("", status_code=201)
    async def create_meeting(
        *,
        request: Request,
        response: Response,
        caller: Caller = who,
        body: NewMeetingBody | None = None,
        idempotency_key: Annotated[str | None, Header(description="the same request may come again with it")] = None,
    ) -> MeetingMade:
        """Makes a meeting, for now or for later. An answer that did not arrive is had again by the same request with
        the same `Idempotency-Key`.
        """
        caller.require(Action.CREATE)
        body = body or NewMeetingBody()
        if body.id is not None and not desk.is_dev:
            raise RemoteError("bad_request", "a meeting id may be chosen in development mode only", "leave id out")
        draft = body.draft(conference.options.rules)
        if idempotency_key is None:
            made, is_new = await conference.plan(draft), True
        else:
            scope = caller.key.name if caller.key is not None else ""
            made, is_new = await OnceKey.parse(idempotency_key, scope, body.digest()).make(conference, draft)
        if is_new and made.record.status is MeetingStatus.ACTIVE:
            await conference.open_here(made)
        if not is_new:
            response.headers["Idempotent-Replayed"] = "true"
        response.headers["ETag"] = _etag(made.record)
        response.headers["Location"] = f"{desk.base(request)}/meetings/{made.record.id}"
        tokens = made.tokens
        return meeting_made(made.record, desk.base(request), host_token=tokens.host, join_token=tokens.join)

    @router.post("/{meeting_id}/join-token", status_code=201)
    async def new_join_token(
        *,
        request: Request,
        response: Response,
        meeting_id: str,
        caller: Caller = who,
        body: JoinTokenBody | None = None,
    ) -> JoinTokenOut:
        """Another join token. The one before is good no longer; who is in the meeting stays."""
        await desk.allowed(caller, Action.CHANGE, meeting_id)
        record, token = await conference.new_join_token(meeting_id, body.expires_at if body else None)
        response.headers["ETag"] = _etag(record)
        told = desk.told(request, caller, record)
        return JoinTokenOut(
            join_url=join_url(record.id, desk.base(request), token),
            join_token=token,
            join_expires_at=told.join_expires_at,
            version=record.version,
        )


def _add_listing(router: APIRouter, desk: Desk, who: Any) -> None:
    conference = desk.conference

    @router.get("")
    async def list_meetings(
        *,
        request: Request,
        caller: Caller = who,
        status: Annotated[MeetingStatus | None, Query(description="those alone")] = None,
        host: Annotated[str | None, Query(max_length=MAX_HOST_CHARS, description="of that identity")] = None,
        since: Annotated[Instant | None, Query(alias="from", description="that start then or later")] = None,
        until: Annotated[Instant | None, Query(alias="to", description="that start before")] = None,
        cursor: Annotated[str | None, Query(max_length=MAX_CURSOR_CHARS, description="next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_RECORDS_PAGE, description="meetings on a page")] = 50,
    ) -> MeetingPage:
        """Meetings, the latest start first; those without a planned start by when they were made."""
        caller.require(Action.LIST)
        if host is not None and not host.isprintable():
            raise RemoteError("bad_request", "the host has characters that can not be printed")
        page = await conference.list_meetings(MeetingFilter(status, host, since, until), cursor, limit)
        return MeetingPage(meetings=await desk.all_told(request, caller, page.items), next=page.next)

    @router.get("/{meeting_id}/participants")
    async def get_participants(
        *,
        meeting_id: str,
        caller: Caller = who,
        state: Annotated[State, Query(description="who is there, who was, or both: one entry for each stay")] = (
            State.CURRENT
        ),
        after: Annotated[str | None, Query(max_length=MAX_CURSOR_CHARS, description="next of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_RECORDS_PAGE, description="participants on a page")] = 200,
        search: Annotated[
            str, Query(max_length=MAX_NAME_CHARS, description="begin of a word of the name; of who is there alone")
        ] = "",
    ) -> People:
        """Who is in the meeting, or was, page by page, in the order of joining."""
        action = Action.SEE_PEOPLE if state is State.CURRENT else Action.SEE_HISTORY
        await desk.allowed(caller, action, meeting_id)
        meeting = desk.at_hand(meeting_id)
        if state is State.CURRENT and meeting is not None:
            here = meeting.roster.page(after, limit, search)
            return People(participants=list(here.participants), next=here.next, total=here.total)
        current = {State.CURRENT: True, State.PAST: False, State.ALL: None}[state]
        stays = await conference.stays(meeting_id, after, limit, current=current)
        return People(participants=[Stay.of(stay) for stay in stays.items], next=stays.next, total=None)


def _add_looking(router: APIRouter, desk: Desk, who: Any) -> None:
    @router.get(
        "/{meeting_id}.ics",
        response_class=Response,
        responses={200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
    )
    async def get_calendar_file(*, request: Request, meeting_id: str, caller: Caller = who) -> Response:
        """A scheduled meeting as an entry for calendars, for everybody. Its link has the join token for who sends that
        as bearer token.
        """
        record = await desk.conference.record(meeting_id)
        link = join_url(record.id, desk.base(request), desk.join_token(caller, record))
        text = calendar_file(record, link, desk.clock.wall())
        headers = {"Content-Disposition": 'attachment; filename="meeting.ics"'}
        return Response(text, media_type=MEDIA_TYPE, headers=headers)

    @router.get("/{meeting_id}")
    async def get_meeting(*, request: Request, response: Response, meeting_id: str, caller: Caller = who) -> MeetingOut:
        """A meeting and how many are in it. In development mode whoever asks for a name that is not there makes it."""
        record = await desk.record(meeting_id)
        response.headers["ETag"] = _etag(record)
        return desk.told(request, caller, record)


def _add_changing(router: APIRouter, desk: Desk, who: Any) -> None:
    conference = desk.conference

    @router.patch("/{meeting_id}")
    async def change_meeting(
        *,
        request: Request,
        response: Response,
        meeting_id: str,
        body: MeetingChanges,
        caller: Caller = who,
        if_match: Annotated[
            str | None, Header(max_length=MAX_IF_MATCH_CHARS, description="the ETag that is to be changed, or *")
        ] = None,
    ) -> MeetingOut:
        """Changes what was agreed; a running meeting goes by it at once. With `If-Match` only the version of that
        ETag is changed: else the answer is 412.
        """
        record = await desk.allowed(caller, Action.CHANGE, meeting_id)
        version = _expected(if_match, record)
        changes = body.changes(record)
        if changes:
            record = await conference.update(meeting_id, version, changes)
        response.headers["ETag"] = _etag(record)
        return desk.told(request, caller, record)

    @router.post("/{meeting_id}/end", status_code=204)
    async def end_meeting(*, meeting_id: str, caller: Caller = who) -> None:
        """Everybody is told and leaves; nobody comes in any more. It stays in lists. Idempotent."""
        await desk.allowed(caller, Action.END, meeting_id)
        await conference.end_meeting(meeting_id)

    @router.delete("/{meeting_id}", status_code=204)
    async def delete_meeting(*, meeting_id: str, caller: Caller = who) -> None:
        """Ends it, and forgets it with all who were in it."""
        await desk.allowed(caller, Action.DELETE, meeting_id)
        await conference.delete_meeting(meeting_id)


def _etag(record: MeetingRecord) -> str:
    return f'"{record.version}"'


def _expected(if_match: str | None, record: MeetingRecord) -> int | None:
    """The version that is to be changed; None: whichever it is. Raises ``RemoteError`` ``precondition_failed``."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = {tag.strip() for tag in if_match.split(",")}
    if _etag(record) in tags:
        return record.version
    digits = next(iter(sorted(tags))).strip('"')
    raise outdated(int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0, record.version)
