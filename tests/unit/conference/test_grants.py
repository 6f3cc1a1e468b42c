"""What a token grants holds in the meeting: the meeting, the role, sources, rate, length of stay, and the name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Conference, LeaveReason, Meeting, Source
from sfu.conference.authority import Role
from sfu.conference.events import Removed
from sfu.conference.grants import GUEST, Grants
from sfu.conference.rights import Rules
from sfu.errors import RemoteError

VOICE = frozenset({Source.MICROPHONE})


def join(where: Meeting, called: str = "Ann", /, **grants: Any) -> Client:
    client = Client(where, called, grants=Grants(**grants))
    client.answer()
    return client


def test_who_brings_nothing_is_a_guest_without_identity(meeting: Meeting) -> None:
    guest = Client(meeting, "Ann").attendee
    assert (guest.identity, guest.grants, guest.rights.role) == ("", GUEST, Role.PARTICIPANT)


def test_a_token_says_who_somebody_is_whatever_the_client_says(meeting: Meeting) -> None:
    ann = join(meeting, "Somebody", identity="ann@example.org", name="Ann").attendee
    assert (ann.identity, ann.view().name) == ("ann@example.org", "Ann")


def test_a_token_is_good_for_its_meeting_alone(meeting: Meeting) -> None:
    join(meeting, meeting=meeting.id)
    with pytest.raises(RemoteError, match="another meeting") as caught:
        join(meeting, meeting="elsewhere")
    assert (caught.value.code, caught.value.status) == ("forbidden", 403)
    assert len(meeting.participants) == 1


@pytest.mark.parametrize(
    ("role", "publish"), [(Role.HOST, 4), (Role.COHOST, 4), (Role.PARTICIPANT, 4), (Role.AUDIENCE, 0), (None, 0)]
)
def test_the_role_of_a_token_stands_above_the_rules(conference: Conference, role: Role | None, publish: int) -> None:
    webinar = asyncio.run(conference.create_meeting(rules=Rules(audience=True)))
    rights = join(webinar, role=role).attendee.rights
    assert (rights.role, len(rights.publish)) == (role or Role.AUDIENCE, publish)


def test_a_host_by_token_may_come_as_audience(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann", grants=Grants(role=Role.HOST), audience=True)
    assert ann.attendee.rights.role is Role.AUDIENCE


@pytest.mark.parametrize("role", Role)
def test_nobody_publishes_what_its_token_does_not_allow(meeting: Meeting, role: Role) -> None:
    host = Client(meeting, "Host", host_token=meeting.host_token)
    ann = join(meeting, role=role, publish=VOICE)
    assert ann.attendee.rights.publish == (frozenset() if role is Role.AUDIENCE else VOICE)
    with pytest.raises(RemoteError):
        ann.attendee.publish(Source.CAMERA)
    if role is not Role.HOST:
        with pytest.raises(RemoteError, match="token of Ann does not allow"):
            meeting.permissions.permit(host.attendee, ann.id, list(Source))
        meeting.permissions.permit(host.attendee, ann.id, [Source.MICROPHONE])
    ann.attendee.publish(Source.MICROPHONE)


def test_the_host_token_makes_no_more_of_a_token_than_it_allows(meeting: Meeting) -> None:
    ann = Client(meeting, "Ann", grants=Grants(publish=VOICE), host_token=meeting.host_token)
    assert (ann.attendee.rights.role, ann.attendee.rights.publish) == (Role.HOST, VOICE)


def test_who_may_publish_nothing_is_audience(meeting: Meeting) -> None:
    assert join(meeting, publish=frozenset()).attendee.rights.role is Role.AUDIENCE


def test_a_stay_ends_when_its_time_is_over_and_not_before(meeting: Meeting, clock: VirtualClock) -> None:
    host, ann = join(meeting, "Host"), join(meeting, session_s=600)
    clock.advance(599.9)
    assert ann.id in meeting.participants
    clock.advance(0.2)
    assert ann.heard(Removed) == [Removed(LeaveReason.EXPIRED)]
    clock.advance(1)
    assert [departure.reason for departure in host.told("left")] == ["expired"]


def test_who_left_earlier_leaves_no_timer_behind(meeting: Meeting, clock: VirtualClock) -> None:
    before = clock.pending
    join(meeting, session_s=600).attendee.leave()
    clock.advance(60)  # what is told of seats is gathered for a moment
    assert clock.pending == before


def test_what_is_sent_stays_within_the_rate_of_the_token(meeting: Meeting) -> None:
    ann = meeting.join("Ann", grants=Grants(max_bps=250_000))
    assert (ann.reception._start_bps, ann.reception._max_bps) == (250_000, 250_000)
    assert meeting.join("Bob", grants=Grants(max_bps=10**12)).reception._max_bps == meeting.options.max_bps
