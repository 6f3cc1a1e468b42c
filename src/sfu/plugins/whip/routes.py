"""The endpoints and sessions. A session's URL holds its secret token, so whoever knows it may end it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from sfu.access.tokens import is_token
from sfu.conference import Meeting, Publisher, Viewer
from sfu.conference.admission import Application
from sfu.conference.asking import ask_to_join, ask_to_stream
from sfu.conference.authority import Role
from sfu.conference.grants import GUEST, Grants
from sfu.conference.hooks import Hook, Way
from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext
from sfu.plugins.http import address_text, base_url
from sfu.plugins.whip import fragment
from sfu.plugins.whip.http import (
    SDP,
    SdpRoute,
    body_text,
    is_same,
    links,
    optional_bearer_token,
    preflight,
    require_token,
)

DEFAULT_NAME = "Live stream"
VIEWER_NAME = "Viewer"
"""What plugins are told; nobody sees a viewer."""


def whip_routes(context: PluginContext) -> APIRouter:
    """Publishing (RFC 9725)."""
    router = APIRouter(prefix="/whip/{meeting_id}", tags=["whip"], route_class=SdpRoute)
    sessions = Sessions(context, "whip", Publisher)

    @router.post("", status_code=201, response_class=Response)
    async def publish(request: Request, meeting_id: str, name: str = DEFAULT_NAME) -> Response:
        """Publishes what the offer sends, as a participant called ``name``."""
        sdp = await sessions.offer(request)
        meeting = await sessions.meeting(meeting_id)
        grants = await sessions.admitted(request, meeting, name)
        grants, limits = await ask_to_stream(context.conference.hooks, meeting, name, grants, sdp)
        context.access.require_good(grants)  # it may have been revoked meanwhile
        return sessions.created(request, meeting.arrivals.join_with_offer(name, sdp, grants=grants, limits=limits))

    sessions.add_preflight(router, "")
    sessions.add_session_routes(router)
    return router


def whep_routes(context: PluginContext) -> APIRouter:
    """Playing (draft-ietf-wish-whep)."""
    router = APIRouter(prefix="/whep/{meeting_id}", tags=["whep"], route_class=SdpRoute)
    sessions = Sessions(context, "whep", Viewer)

    @router.post("", status_code=201, response_class=Response)
    async def play(request: Request, meeting_id: str) -> Response:
        """Plays whoever publishes first; starts when somebody does."""
        sdp = await sessions.offer(request)
        meeting = await sessions.meeting(meeting_id)
        grants = await sessions.admitted(request, meeting)
        return sessions.created(request, meeting.arrivals.view_with_offer(sdp, grants=grants))

    @router.post("/{participant_id}", status_code=201, response_class=Response)
    async def play_participant(request: Request, meeting_id: str, participant_id: str) -> Response:
        """Plays one participant."""
        sdp = await sessions.offer(request)
        meeting = await sessions.meeting(meeting_id)
        grants = await sessions.admitted(request, meeting)
        return sessions.created(request, meeting.arrivals.view_with_offer(sdp, participant_id, grants=grants))

    sessions.add_preflight(router, "")
    sessions.add_preflight(router, "/{participant_id}")
    sessions.add_session_routes(router)
    return router


class Sessions:
    """What both protocols do alike: check requests, answer 201, end and patch sessions of one ``kind``."""

    def __init__(self, context: PluginContext, prefix: str, kind: type[Publisher | Viewer]) -> None:
        self._conference = context.conference
        self._options = context.options
        self._access = context.access
        self._clock = context.clock
        self._prefix = prefix
        self._kind = kind

    async def offer(self, request: Request) -> str:
        """The SDP offer of a request that may make it."""
        await self._require_known(request)
        return await body_text(request, SDP)

    async def admitted(self, request: Request, meeting: Meeting, name: str = VIEWER_NAME) -> Grants:
        """What who asks was granted, and what plugins made of that. Raises ``RemoteError`` as the meeting's door does,
        and as plugins do.
        """
        grants, hooks = await self._granted(request, meeting), self._conference.hooks
        if not hooks.has(Hook.BEFORE_JOIN):
            return grants
        is_viewer = self._kind is Viewer
        role = Role.AUDIENCE if is_viewer else meeting.permissions.rights(grants=grants).role
        address = address_text(request, self._options.trusted_proxies)
        way = Way.WHEP if is_viewer else Way.WHIP
        asked = Application(name, grants, audience=is_viewer)
        application = await ask_to_join(hooks, meeting, asked, way=way, address=address, role=role)
        await self._granted(request, meeting)  # the door may be locked by now
        return application.decided.grants

    async def _granted(self, request: Request, meeting: Meeting) -> Grants:
        """The bearer token may be the server's for WHIP, an access token, or the meeting's host token or join token.
        Raises ``RemoteError`` as the meeting's door does.
        """
        bearer = optional_bearer_token(request)
        if bearer is not None and is_same(bearer, self._options.whip_token):
            return GUEST
        if bearer is not None and is_token(bearer):
            grants = await self._access.verify(bearer, self._clock.wall())
            return meeting.admission.require_open(grants, None)
        return meeting.admission.require_open(GUEST, bearer)

    async def _require_known(self, request: Request) -> None:
        """Where the server has a token for WHIP, it must be there, or an access token. Raises ``unauthorized``."""
        bearer = optional_bearer_token(request)
        if self._options.whip_token and bearer is not None and is_token(bearer):
            await self._access.verify(bearer, self._clock.wall())
        else:
            require_token(request, self._options.whip_token)

    async def meeting(self, meeting_id: str) -> Meeting:
        """The meeting; in development mode it comes into being now."""
        if self._options.dev:
            return await self._conference.meeting_or_new(meeting_id)
        return await self._conference.meeting(meeting_id)

    def created(self, request: Request, session: Publisher | Viewer) -> Response:
        """201 with our answer."""
        base = base_url(request, self._options.public_url)
        response = Response(session.exchange.answer, 201, _state(session), SDP)
        response.headers["Location"] = f"{base}/{self._prefix}/{session.meeting.id}/session/{session.token}"
        response.headers["Accept-Patch"] = fragment.CONTENT_TYPE
        for link in links(self._options.ice_servers(session.id)):
            response.headers.append("Link", link)
        return response

    def add_preflight(self, router: APIRouter, path: str) -> None:
        """``OPTIONS`` of an endpoint that takes offers."""

        @router.options(path, status_code=204, response_class=Response)
        async def endpoint_options() -> Response:
            """CORS preflight; says what may be posted."""
            return preflight("POST, OPTIONS", Accept_Post=SDP)

    def add_session_routes(self, router: APIRouter) -> None:
        """``DELETE``, ``PATCH`` and ``OPTIONS`` of a session."""

        @router.options("/session/{token}", status_code=204, response_class=Response)
        async def session_options() -> Response:
            """CORS preflight; says what may be patched."""
            return preflight("PATCH, DELETE, OPTIONS", Accept_Patch=fragment.CONTENT_TYPE)

        @router.delete("/session/{token}", response_class=Response)
        async def end(request: Request, meeting_id: str, token: str) -> Response:
            """Ends the session."""
            await self._require_known(request)
            self._find(meeting_id, token).leave()
            return Response()

        @router.patch("/session/{token}", response_class=Response)
        async def patch(request: Request, meeting_id: str, token: str) -> Response:
            """Trickled candidates (204, not needed) or an ICE restart (200)."""
            await self._require_known(request)
            text = await body_text(request, fragment.CONTENT_TYPE)
            return _patch(self._find(meeting_id, token), fragment.IceFragment.parse(text), _if_match(request))

    def _find(self, meeting_id: str, token: str) -> Publisher | Viewer:
        meeting = self._conference.meetings.get(meeting_id)
        session = meeting.client_offer_holder(token) if meeting is not None else None
        if not isinstance(session, self._kind):
            raise RemoteError("participant_not_found", "there is no such session", "it may have ended", status=404)
        return session


def _patch(session: Publisher | Viewer, ice: fragment.IceFragment, if_match: frozenset[str]) -> Response:
    """RFC 9725 section 4.3: ``If-Match: *`` with new credentials restarts ICE; the current entity tag trickles."""
    exchange = session.exchange
    if "*" in if_match and ice.ufrag != exchange.remote_ufrag:
        if ice.ufrag is None or ice.pwd is None:
            raise RemoteError("bad_sdp", "an ICE restart needs a=ice-ufrag and a=ice-pwd")
        local = exchange.restart_ice(ice.ufrag, ice.pwd)
        body = fragment.serialize(local, exchange.session.media)
        return Response(body, 200, _state(session), fragment.CONTENT_TYPE)
    if not if_match & {"*", _state(session)["ETag"]}:
        raise RemoteError("conflict", "the session's ICE credentials are newer", "If-Match: <ETag>", status=412)
    return Response(status_code=204)


def _if_match(request: Request) -> frozenset[str]:
    header = request.headers.get("if-match")
    if header is None:
        raise RemoteError("bad_request", "If-Match is missing", "the ETag of the session, or *", status=428)
    return frozenset(tag.strip() for tag in header.split(","))


def _state(session: Publisher | Viewer) -> dict[str, str]:
    """The entity tag of an ICE session: it changes when ICE restarts."""
    return {"ETag": f'"{session.exchange.local.ufrag}"'}
