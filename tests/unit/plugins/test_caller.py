"""Who calls: every kind of credential with every action, in its meeting and in another."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.clock import EPOCH, VirtualClock

from sfu.access import Access, ApiKey, ApiKeys, Key, Scope, issue_token
from sfu.access.api_keys import SCOPES
from sfu.access.keys import Algorithm, StaticKeys
from sfu.conference import Conference, Meeting, authority
from sfu.conference.authority import MAY, Action, Actor, Outsider, Role
from sfu.conference.grants import Grants
from sfu.errors import RemoteError
from sfu.plugins.meetings.caller import Caller, Callers

KEY = Key("", Algorithm.HS256, b"k" * 32)
NEEDS_NO_MEETING = {Action.CREATE, Action.LIST, Action.REVOKE}


def token(**granted: Any) -> str:
    identity = granted.pop("identity", "ann")
    claims = {"exp": EPOCH.timestamp() + 600, "aud": "sfu", "sub": identity, "jti": "t", "sfu": granted}
    return issue_token(KEY, claims)


class Gate:
    """What stands between a request and the routes."""

    def __init__(self, clock: VirtualClock, *, dev: bool = False, keys: bool = True) -> None:
        made = {scope: ApiKey.create(scope.value, [scope]) for scope in Scope}
        self.secrets = {scope: secret for scope, (_, secret) in made.items()}
        self.access = Access(
            StaticKeys([KEY]), api_keys=ApiKeys(key for key, _ in made.values()) if keys else ApiKeys()
        )
        context: Any = SimpleNamespace(access=self.access, clock=clock, options=SimpleNamespace(dev=dev))
        self._callers = Callers(context)

    def caller(self, bearer: str | None = None, scheme: str = "Bearer") -> Caller:
        headers = [] if bearer is None else [(b"authorization", f"{scheme} {bearer}".encode())]
        return asyncio.run(self._callers(Request({"type": "http", "headers": headers})))


@pytest.fixture
def gate(clock: VirtualClock) -> Gate:
    return Gate(clock)


@pytest.fixture
def other(conference: Conference) -> Meeting:
    return asyncio.run(conference.create_meeting(id="other"))


def allowed(caller: Caller, meeting: Meeting) -> set[Action]:
    """What is not refused; what is refused is refused rightly."""
    found = set()
    for action in Action:
        try:
            caller.require(action, meeting.record, meeting)
            found.add(action)
        except RemoteError as error:
            if (error.code, error.status) not in {("forbidden", 403), ("unauthorized", 401)}:
                raise
    return found


def may_all(actor: Actor) -> set[Action]:
    return {action for action in Action if actor in MAY[action]}


@pytest.mark.parametrize("scope", Scope)
def test_an_api_key_may_what_its_scope_says_in_every_meeting(gate: Gate, meeting: Meeting, scope: Scope) -> None:
    caller = gate.caller(gate.secrets[scope])
    assert allowed(caller, meeting) == SCOPES[scope]
    with pytest.raises(RemoteError, match=f"the API key {scope.value} is for {scope.value} alone"):
        caller.require(next(action for action in Action if action not in SCOPES[scope]), meeting.record)


@pytest.mark.parametrize("role", Role)
def test_a_token_with_a_role_may_what_the_role_may_in_its_meeting_alone(
    gate: Gate, meeting: Meeting, other: Meeting, role: Role
) -> None:
    caller = gate.caller(token(role=role.value, meeting=meeting.id))
    assert allowed(caller, meeting) == may_all(role)
    assert allowed(caller, other) == set()


@pytest.mark.parametrize("role", Role)
def test_a_participants_token_may_what_it_is_at_the_moment(
    gate: Gate, meeting: Meeting, other: Meeting, role: Role
) -> None:
    attendee = meeting.join("Ann", grants=Grants(role=role))
    caller = gate.caller(attendee.token)
    assert allowed(caller, meeting) == may_all(role)
    assert allowed(caller, other) == set()
    attendee.rights.role = Role.AUDIENCE
    assert allowed(caller, meeting) == may_all(Role.AUDIENCE)
    attendee.leave()
    assert allowed(caller, meeting) == set()


def test_the_host_token_makes_a_host_of_its_meeting_also_where_it_is_not_at_hand(
    gate: Gate, meeting: Meeting, other: Meeting
) -> None:
    assert meeting.host_token is not None
    caller = gate.caller(meeting.host_token)
    assert allowed(caller, meeting) == may_all(Role.HOST)
    assert allowed(caller, other) == set()
    assert caller.actor(Action.CHANGE, meeting.record) is Role.HOST


def test_a_token_without_a_role_is_what_its_identity_is(gate: Gate, meeting: Meeting) -> None:
    caller = gate.caller(token())
    assert allowed(caller, meeting) == set()
    assert allowed(gate.caller(token(meeting=meeting.id)), meeting) == may_all(Role.PARTICIPANT)
    meeting.join("Ann", grants=Grants(identity="ann", role=Role.COHOST))
    assert allowed(caller, meeting) == may_all(Role.COHOST)


def test_who_was_removed_is_a_stranger(gate: Gate, meeting: Meeting) -> None:
    caller = gate.caller(token(role="host"))
    assert allowed(caller, meeting) == may_all(Role.HOST)
    ann = meeting.join("Ann", grants=Grants(identity="ann"))
    meeting.admission.remove(authority.Caller(Role.HOST), ann.id)
    assert allowed(caller, meeting) == set()


def test_who_brings_nothing_may_nothing_but_in_development_mode(clock: VirtualClock, meeting: Meeting) -> None:
    assert allowed(Gate(clock).caller(), meeting) == set()
    assert allowed(Gate(clock, dev=True).caller(), meeting) == may_all(Outsider.SERVER)
    assert allowed(Gate(clock, dev=True).caller("unknown"), meeting) == set(), "a wrong token is no better for it"


@pytest.mark.parametrize("action", sorted(NEEDS_NO_MEETING))
def test_without_a_meeting_only_api_keys_count(gate: Gate, meeting: Meeting, action: Action) -> None:
    for bearer in (token(role="host"), meeting.host_token, "x", None):
        with pytest.raises(RemoteError):
            gate.caller(bearer).require(action)
    scope = next(scope for scope in Scope if action in SCOPES[scope])
    assert gate.caller(gate.secrets[scope]).require(action) is Outsider.SERVER


def test_a_server_without_keys_names_the_setting(clock: VirtualClock) -> None:
    with pytest.raises(RemoteError, match=r"\[auth\] api_keys") as caught:
        Gate(clock, keys=False).caller().require(Action.CREATE)
    assert caught.value.status == 401


@pytest.mark.parametrize("bearer", ["sfu_read_wrong", "a.b.c", "x" * 5000, token(role="king")])
def test_a_wrong_key_or_token_is_refused_whatever_is_asked(gate: Gate, bearer: str) -> None:
    with pytest.raises(RemoteError) as caught:
        gate.caller(bearer)
    assert (caught.value.code, caught.value.status) == ("unauthorized", 401)
    assert bearer not in str(caught.value)


def test_another_scheme_is_no_token(gate: Gate) -> None:
    assert gate.caller(gate.secrets[Scope.READ], scheme="Basic").key is None
    assert gate.caller(gate.secrets[Scope.READ], scheme="bearer").key is not None


def test_a_caller_shows_no_secret(gate: Gate) -> None:
    assert "hunter2" not in repr(gate.caller("hunter2"))
    secret = gate.secrets[Scope.READ]
    assert secret not in repr(gate.caller(secret))


def test_what_is_revoked_is_no_caller_any_more(gate: Gate) -> None:
    bearer = token(role="host")
    gate.caller(bearer)
    gate.access.revocations.revoke(EPOCH, token_id="t")
    with pytest.raises(RemoteError, match="revoked"):
        gate.caller(bearer)
