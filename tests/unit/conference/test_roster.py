from __future__ import annotations

import asyncio

import pytest
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Conference, ConferenceOptions, LeaveReason, Meeting, Source
from sfu.conference.events import RosterChanged
from sfu.conference.roster import MAX_CHANGES, MAX_PAGES, WELCOME, search_key
from sfu.conference.views import Departure
from sfu.errors import RemoteError
from sfu.media.engine import Engine


@pytest.fixture
def crowd(engine: Engine, clock: VirtualClock) -> Meeting:
    """A meeting that takes many."""
    return asyncio.run(Conference(engine, clock, ConferenceOptions(max_participants=500)).create_meeting())


def join(meeting: Meeting, *names: str) -> list[str]:
    return [meeting.join(name).id for name in names]


def names_of(page) -> list[str]:
    return [view.name for view in page.participants]


def test_changes_within_a_beat_are_one_message_with_the_newest_state(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    ann.answer()
    clock.advance(1)
    ann.events.clear()
    ann.attendee.publish(Source.CAMERA)
    for number in range(10):
        ann.attendee.mute(Source.CAMERA, muted=number % 2 == 0)
    ann.attendee.mute(Source.CAMERA, muted=True)
    meeting.join("Bob")
    clock.advance(0.5)
    first, second = ann.heard(RosterChanged)
    assert [view.sources["camera"].muted for view in first.updated] == [False]
    assert [view.sources["camera"].muted for view in second.updated] == [True]
    assert [view.name for view in second.joined] == ["Bob"]
    assert (first.total, second.total) == (1, 2)


def test_who_came_and_went_within_a_beat_is_not_told_of(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    ann.events.clear()
    meeting.join("Bob").leave()
    clock.advance(1)
    assert "Bob" not in [view.name for view in ann.told("joined")]
    assert ann.told("left") == []


def test_who_was_in_somebodys_welcome_is_told_to_have_left(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    bob = meeting.join("Bob")
    cid = Client(meeting, "Cid")
    assert bob.id in [view.id for view in cid.welcome.participants]
    bob.leave()
    clock.advance(1)
    assert cid.told("left") == ann.told("left") == [Departure(bob.id, LeaveReason.LEFT)]


def test_who_was_on_a_page_is_told_to_have_left(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    bob = meeting.join("Bob")
    meeting.roster.page(None, 10, "")
    bob.leave()
    clock.advance(1)
    assert ann.told("left") == [Departure(bob.id, LeaveReason.LEFT)]


def test_everybody_hears_the_same_event(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    meeting.join("Cid")
    clock.advance(1)
    assert ann.heard(RosterChanged)[-1] is bob.heard(RosterChanged)[-1]


def test_a_beat_is_a_second_in_a_large_meeting(crowd: Meeting, clock: VirtualClock) -> None:
    ann = Client(crowd, "Ann")
    join(crowd, *map(str, range(60)))
    clock.advance(2)
    ann.events.clear()
    for number in range(50):
        crowd.join(f"Late {number}")
        clock.advance(0.1)
    assert 5 <= len(ann.heard(RosterChanged)) <= 6
    clock.advance(1)
    assert len(ann.told("joined")) == 50


def test_a_message_is_bounded_and_the_rest_goes_with_the_next(crowd: Meeting, clock: VirtualClock) -> None:
    ann = Client(crowd, "Ann")
    others = [crowd.join(str(number)) for number in range(250)]
    clock.advance(10)
    assert [view.name for view in ann.told("joined") if view.id != ann.id] == [str(number) for number in range(250)]
    assert max(len(event.joined) + len(event.updated) for event in ann.heard(RosterChanged)) == MAX_CHANGES
    ann.events.clear()
    for other in others:
        other.leave()
    clock.advance(10)
    assert len(ann.told("left")) == 250
    assert max(len(event.left) for event in ann.heard(RosterChanged)) == MAX_CHANGES
    assert ann.heard(RosterChanged)[-1].total == 1


def test_a_welcome_has_the_first_hundred_oneself_and_the_total(crowd: Meeting) -> None:
    join(crowd, *map(str, range(150)))
    welcome = Client(crowd, "Ann").welcome
    assert [view.name for view in welcome.participants] == [*map(str, range(WELCOME - 1)), "Ann"]
    assert welcome.total == 151


def test_pages_go_through_everybody_in_the_order_of_joining(crowd: Meeting) -> None:
    join(crowd, *map(str, range(130)))
    seen, after = [], None
    while True:
        page = crowd.roster.page(after, 50, "")
        assert page.total == 130
        seen += names_of(page)
        after = page.next
        if after is None:
            break
    assert seen == [*map(str, range(130))]


def test_a_page_goes_on_after_somebody_who_has_left(crowd: Meeting) -> None:
    people = [crowd.join(str(number)) for number in range(10)]
    page = crowd.roster.page(None, 5, "")
    assert page.next == people[4].id
    people[4].leave()
    assert names_of(crowd.roster.page(page.next, 5, "")) == ["5", "6", "7", "8", "9"]
    with pytest.raises(RemoteError, match="nobody") as caught:
        crowd.roster.page("nobody", 5, "")
    assert (caught.value.code, caught.value.status) == ("participant_not_found", 404)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["Ada Lovelace", "José Ada", "Bob", "Łukasz ADAMS"]),
        ("ada", ["Ada Lovelace", "José Ada", "Łukasz ADAMS"]),
        ("JOSE", ["José Ada"]),
        ("josé  a", ["José Ada"]),
        ("lace", []),
        ("ada l", ["Ada Lovelace"]),
        ("  bob ", ["Bob"]),
    ],
)
def test_names_are_found_by_any_word_whatever_its_case_and_accents(
    meeting: Meeting, search: str, found: list[str]
) -> None:
    join(meeting, "Ada Lovelace", "José Ada", "Bob", "Łukasz ADAMS")
    page = meeting.roster.page(None, 10, search)
    assert names_of(page) == found
    assert page.total == len(found)


def test_pages_of_a_search_count_what_was_found(crowd: Meeting) -> None:
    join(crowd, *(f"{'Ada' if number % 3 == 0 else 'Bob'} {number}" for number in range(30)))
    page = crowd.roster.page(None, 4, "ada")
    assert (names_of(page), page.total) == (["Ada 0", "Ada 3", "Ada 6", "Ada 9"], 10)
    page = crowd.roster.page(page.next, 200, "ada")
    assert (len(page.participants), page.next, page.total) == (6, None, 10)


def test_a_meeting_gives_so_many_pages_a_second_and_no_more(meeting: Meeting, clock: VirtualClock) -> None:
    for _ in range(int(MAX_PAGES)):
        meeting.roster.page(None, 1, "")
    with pytest.raises(RemoteError) as caught:
        meeting.roster.page(None, 1, "")
    assert caught.value.code == "rate_limited"
    clock.advance(0.1)
    meeting.roster.page(None, 1, "")


@pytest.mark.parametrize("limit", [0, 201])
def test_a_page_of_another_size_is_refused(meeting: Meeting, limit: int) -> None:
    with pytest.raises(RemoteError, match="1 to 200"):
        meeting.roster.page(None, limit, "")


def test_blanks_alone_look_for_nobody_in_particular() -> None:
    assert search_key("  \t") == ""
    assert search_key("Zoë  van Dijk") == " zoe van dijk"
