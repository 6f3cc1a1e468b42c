"""Whom hosts keep out, and letting them back: who is on the list, what is lifted and what is not, who may."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.support.attendee import Client
from tests.support.clock import EPOCH, VirtualClock

from sfu.conference import Attendee, Conference, ConferenceOptions, Meeting
from sfu.conference.admission import Application
from sfu.conference.authority import Caller, Role
from sfu.conference.events import KeptOutChanged
from sfu.conference.grants import Grants
from sfu.conference.happenings import FIELDS, EventOptions
from sfu.conference.kept_out import TELL_S
from sfu.conference.names import digest
from sfu.conference.records import Access, MeetingRecord
from sfu.conference.standings import DENIED_FOR, Standing, Standings
from sfu.conference.store import MemoryStore
from sfu.conference.waiting import Waiting
from sfu.errors import RemoteError
from sfu.media.engine import Engine

HOST = "the host's token"
BOSS = Caller(Role.HOST)
ANN = Grants(identity="ann", token_id="ann's token", browser=digest("ann's browser"))
BOB = Grants(identity="bob")


class Site:
    """A meeting with a waiting room that can be opened again, as after a restart, with the same store."""

    def __init__(self, engine: Engine, clock: VirtualClock) -> None:
        self._engine, self.clock = engine, clock
        self._store = MemoryStore()
        record = MeetingRecord("standup", "", EPOCH, host_digest=digest(HOST), access=Access.WAITING_ROOM)
        asyncio.run(self._store.add(record))
        self.meeting = self.open()

    def open(self) -> Meeting:
        options = ConferenceOptions(events=EventOptions(wants=lambda _kind: True))
        conference = Conference(self._engine, self.clock, options, store=self._store)
        self.meeting = asyncio.run(conference.meeting("standup"))
        return self.meeting

    def apply(self, grants: Grants) -> Attendee | Waiting:
        return self.meeting.admission.apply(Application("Ann", grants))

    def refused(self, grants: Grants = ANN) -> str:
        with pytest.raises(RemoteError) as caught:
            self.apply(grants)
        return caught.value.code

    def remove(self, name: str, grants: Grants) -> None:
        self.meeting.admission.remove(BOSS, self.meeting.join(name, grants=grants).id)

    def deny(self, name: str, grants: Grants) -> None:
        waiting = self.meeting.admission.apply(Application(name, grants))
        assert isinstance(waiting, Waiting)
        self.meeting.admission.deny(BOSS, waiting.id)

    def listed(self, after: str | None = None, limit: int = 200) -> list[tuple[str, str]]:
        page = self.meeting.admission.kept_out.page(BOSS, after, limit)
        return [(one.name, one.reason) for one in page.kept_out]

    def id_of(self, name: str) -> str:
        page = self.meeting.admission.kept_out.page(BOSS, None, 200)
        return next(one.id for one in page.kept_out if one.name == name)

    def readmit(self, name: str) -> None:
        self.meeting.admission.kept_out.readmit(BOSS, self.id_of(name))


@pytest.fixture
def site(engine: Engine, clock: VirtualClock) -> Site:
    return Site(engine, clock)


def test_who_is_kept_out_is_listed_the_last_first_also_after_a_restart(site: Site) -> None:
    site.remove("Ann", ANN)
    site.clock.advance(1)
    site.deny("Bob", BOB)
    expected = [("Bob", "denied"), ("Ann", "removed")]
    assert site.listed() == expected, "each once, however many things they are known by"
    site.open()
    assert site.listed() == expected
    [bob, ann] = site.meeting.admission.kept_out.page(BOSS, None, 200).kept_out
    assert (bob.until, ann.until) == ("2026-01-01T00:05:01.000Z", None)


@pytest.mark.parametrize("is_reopened", [False, True], ids=["at once", "after a restart"])
@pytest.mark.parametrize(
    "known_by",
    [ANN, Grants(token_id="ann's token"), Grants(browser=digest("ann's browser"))],
    ids=["everything", "token", "browser"],
)
def test_a_removal_sticks_until_a_host_lifts_it_by_all_they_are_known_by(
    site: Site, known_by: Grants, is_reopened: bool
) -> None:
    site.remove("Ann", ANN)
    site.remove("Bob", BOB)
    site.clock.advance(DENIED_FOR.total_seconds() * 10)
    assert site.refused(known_by) == "removed"
    site.readmit("Ann")
    if is_reopened:
        site.open()
    assert isinstance(site.apply(known_by), Waiting), "as somebody who never came: past no waiting room"
    assert site.refused(BOB) == "removed", "nobody else is let back"
    assert site.listed() == [("Bob", "removed")]


def test_a_denial_is_lifted_and_ends_by_itself(site: Site) -> None:
    site.deny("Ann", ANN)
    assert site.refused() == "denied"
    site.readmit("Ann")
    assert isinstance(site.apply(ANN), Waiting)
    site.deny("Bob", BOB)
    site.clock.advance(DENIED_FOR.total_seconds())
    assert site.listed() == []
    with pytest.raises(RemoteError, match="nobody is kept out as 'bob'"):
        site.meeting.admission.kept_out.readmit_identity(BOSS, "bob")


def test_an_identity_is_let_back_by_its_name(site: Site) -> None:
    site.remove("Ann", ANN)
    site.meeting.admission.kept_out.readmit_identity(BOSS, "ann")
    for known_by in (ANN, Grants(browser=ANN.browser)):
        assert isinstance(site.apply(known_by), Waiting)
    with pytest.raises(RemoteError) as caught:
        site.meeting.admission.kept_out.readmit_identity(BOSS, "ann")
    assert (caught.value.code, caught.value.status) == ("participant_not_found", 404)


def test_of_two_by_one_browser_each_is_lifted_by_itself(site: Site) -> None:
    browser = digest("in the library")
    site.remove("Ann", Grants(identity="ann", browser=browser))
    site.remove("Bob", Grants(identity="bob"))
    site.clock.advance(1)
    site.deny("Cid", Grants(identity="cid"))
    site.readmit("Bob")
    assert site.refused(Grants(browser=browser)) == "removed"
    assert site.listed() == [("Cid", "denied"), ("Ann", "removed")]


def test_pages_go_on_behind_the_last_one(site: Site) -> None:
    for number in range(5):
        site.remove(f"troll {number}", Grants(identity=f"troll {number}"))
        site.clock.advance(1)
    seen, after = [], None
    while True:
        page = site.meeting.admission.kept_out.page(BOSS, after, 2)
        seen += [one.name for one in page.kept_out]
        after = page.next
        if after is None:
            break
    assert seen == [f"troll {number}" for number in (4, 3, 2, 1, 0)]
    with pytest.raises(RemoteError, match="nobody is kept out as 'x'"):
        site.meeting.admission.kept_out.page(BOSS, "x", 2)


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.AUDIENCE])
def test_only_who_keeps_order_sees_and_lifts(site: Site, role: Role) -> None:
    site.remove("Ann", ANN)
    ones = site.meeting.admission.kept_out
    attempts: list[Any] = [
        lambda: ones.page(Caller(role), None, 10),
        lambda: ones.readmit(Caller(role), site.id_of("Ann")),
        lambda: ones.readmit_identity(Caller(role), "ann"),
    ]
    for attempt in attempts:
        with pytest.raises(RemoteError) as caught:
            attempt()
        assert caught.value.code == "forbidden"
    assert site.refused() == "removed"


def test_those_outside_are_told_what_was_lifted_and_by_whom(site: Site) -> None:
    host = Client(site.meeting, "Host", host_token=HOST).attendee
    site.remove("Ann", ANN)
    told: list[tuple[str, dict[str, Any]]] = []
    site.meeting.chronicle._note = lambda one: told.append((one.type, one.data))
    kept_out_id = site.id_of("Ann")
    site.meeting.admission.kept_out.readmit(host.caller, kept_out_id)
    data = {"kept_out_id": kept_out_id, "name": "Ann", "reason": "removed", "by": host.id}
    assert told == [("participant.readmitted", data)]
    assert tuple(data) == FIELDS["participant.readmitted"]


def test_hosts_alone_are_told_gathered_that_it_changed(site: Site) -> None:
    host = Client(site.meeting, "Host", host_token=HOST)
    guest = Client(site.meeting, "Guest")
    site.remove("Ann", ANN)
    site.remove("Bob", BOB)
    site.clock.advance(TELL_S)
    told = host.events.count(KeptOutChanged())
    assert 1 <= told <= 2
    site.readmit("Ann")
    site.clock.advance(TELL_S)
    assert host.events.count(KeptOutChanged()) == told + 1
    assert KeptOutChanged() not in guest.events


def test_what_an_older_version_wrote_down_is_lifted_too() -> None:
    noted: list[Standing] = []
    first = Standings((), noted.append)
    first.remove(Grants(identity="ann"), EPOCH, "Ann")
    old = [Standing(one.who, one.decision, one.at) for one in noted]
    standings = Standings(old, noted.append)
    [one] = standings.kept_out(EPOCH + timedelta(days=1))
    assert one.name == ""
    assert standings.readmit(one.person_id, EPOCH + timedelta(days=1)) is not None
    assert not standings.is_removed(Grants(identity="ann"))
    assert noted[-1] == Standing(one.who, None, EPOCH + timedelta(days=1))
