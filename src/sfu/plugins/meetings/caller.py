"""Who calls the REST API, and whether it may: one dependency for all routes, over the one table of ``authority``.

A bearer token is an API key, an access token (JWT), a participant's token or a meeting's host token. What it is worth
depends on the meeting; who brings none is a stranger, but in development mode, where everybody may do everything.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from fastapi import Request

from sfu.access import ApiKey
from sfu.access.api_keys import PREFIX
from sfu.access.tokens import is_token
from sfu.conference import Meeting
from sfu.conference.authority import Action, Actor, Outsider, Role, may, require
from sfu.conference.grants import Grants
from sfu.conference.names import digest
from sfu.conference.records import MeetingRecord
from sfu.errors import RemoteError
from sfu.plugins.api import PluginContext

MAX_BEARER_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. What is not given is not known."""

    key: ApiKey | None = None
    grants: Grants | None = None
    """Of an access token."""
    bearer: str = field(default="", repr=False)
    """Of a participant, or of a host; whose it is, the meeting knows."""
    is_trusted: bool = False
    """In development mode, who brings nothing."""
    has_keys: bool = True
    """Whether this server has any API key."""

    def actor(self, action: Action, record: MeetingRecord | None = None, meeting: Meeting | None = None) -> Actor:
        """What it is for that action, in that meeting; ``meeting``: if it is at hand."""
        if self.is_trusted:
            return Outsider.SERVER
        if self.key is not None:
            return Outsider.SERVER if self.key.allows(action) else Outsider.STRANGER
        if record is None and meeting is not None:
            record = meeting.record
        if record is None:
            return Outsider.STRANGER
        if self.grants is not None:
            return _role_of(self.grants, record, meeting)
        return self._role_by_secret(record, meeting)

    def require(
        self,
        action: Action,
        record: MeetingRecord | None = None,
        meeting: Meeting | None = None,
        *,
        target: Role | None = None,
    ) -> Actor:
        """What it is. Raises ``RemoteError``: ``unauthorized`` for who brings nothing that is known, else
        ``forbidden``.
        """
        actor = self.actor(action, record, meeting)
        if may(actor, action, target) or (action is Action.RECORD and self._may_record(actor, meeting)):
            return actor
        if self.key is not None and not self.key.allows(action):
            scopes = ", ".join(scope.value for scope in self.key.scopes)
            raise RemoteError("forbidden", f"the API key {self.key.name} is for {scopes} alone", status=403)
        if actor is Outsider.STRANGER and self.grants is None and self.key is None:
            raise RemoteError("unauthorized", self._missing(), self._hint(action), status=401)
        require(actor, action, target)
        return actor

    @property
    def identity(self) -> str:
        """Who it is, for who gave it a token; "": not known."""
        return (self.grants.identity or "") if self.grants is not None else ""

    def _may_record(self, actor: Actor, meeting: Meeting | None) -> bool:
        """Who has the grant, by its access token or by the participant's token that it was given for one."""
        if actor is Outsider.STRANGER:
            return False
        if self.grants is not None:
            return self.grants.record
        holder = meeting.participant_of(self.bearer) if meeting is not None and self.bearer else None
        return holder is not None and holder.grants.record

    def _role_by_secret(self, record: MeetingRecord, meeting: Meeting | None) -> Actor:
        if not self.bearer:
            return Outsider.STRANGER
        if hmac.compare_digest(digest(self.bearer), record.host_digest):
            return Role.HOST
        holder = meeting.participant_of(self.bearer) if meeting is not None else None
        return holder.rights.role if holder is not None else Outsider.STRANGER

    def _missing(self) -> str:
        return "the bearer token is not known" if self.bearer else "the request has no bearer token"

    def _hint(self, action: Action) -> str:
        if may(Outsider.SERVER, action) and not self.has_keys:
            return "this server has no API key: set [auth] api_keys (sfu key create)"
        return "Authorization: Bearer <API key, access token, host token or participant's token>"


def _role_of(grants: Grants, record: MeetingRecord, meeting: Meeting | None) -> Actor:
    """Of who has an access token: what it says, else what it is in the meeting or owns."""
    if grants.meeting not in {None, record.id}:
        return Outsider.STRANGER
    if meeting is not None:
        try:
            meeting.admission.require_welcome(grants)
        except RemoteError:
            return Outsider.STRANGER
    if grants.role is not None:
        return grants.role
    if record.host and grants.identity == record.host:
        return Role.HOST
    here = meeting.participant_called(grants.identity) if meeting is not None else None
    if here is not None:
        return here.rights.role
    return Role.PARTICIPANT if grants.meeting == record.id else Outsider.STRANGER


class Callers:
    """The dependency: ``caller: Annotated[Caller, Depends(callers)]``."""

    def __init__(self, context: PluginContext) -> None:
        self._access = context.access
        self._clock = context.clock
        self._dev = context.options.dev

    async def __call__(self, request: Request) -> Caller:
        """Raises ``RemoteError`` ``unauthorized`` for a key or token that is wrong, whatever is asked for."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        bearer = bearer.strip()
        has_keys = len(self._access.api_keys) > 0
        if scheme.lower() != "bearer" or not bearer:
            return Caller(is_trusted=self._dev, has_keys=has_keys)
        if len(bearer) > MAX_BEARER_CHARS:
            raise RemoteError("unauthorized", "the bearer token is too long", status=401)
        if bearer.startswith(PREFIX):
            key = self._access.api_keys.find(bearer)
            if key is None:
                raise RemoteError("unauthorized", "the API key is not known", "[auth] api_keys", status=401)
            return Caller(key=key)
        if is_token(bearer):
            return Caller(grants=await self._access.verify(bearer, self._clock.wall()))
        return Caller(bearer=bearer, has_keys=has_keys)
