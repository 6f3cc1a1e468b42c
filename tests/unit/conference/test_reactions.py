"""Reactions: one emoji, gathered, bounded, gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.attendee import Client
from tests.support.clock import VirtualClock

from sfu.conference import Meeting
from sfu.conference.emoji import is_emoji
from sfu.conference.events import ReactionsShown
from sfu.conference.reactions import BURST, MAX_KINDS, MAX_NAMED
from sfu.errors import RemoteError

EMOJI = [
    "👍", "👍🏽", "❤️", "❤", "🎉", "👏🏿", "😂", "🏳️‍🌈", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👩🏽‍❤️‍💋‍👨🏿", "🫡", "✅", "⭐", "☕", "🤷🏻‍♀️",
]  # fmt: skip
NONE = ["", "a", "1", "👍👍", "👍 ", "🇩", "<b>", "\u200d", "👍\u200d", "🏽", "👍️️", "\ufe0f", "é", "©x", "👨‍" * 9]


@pytest.mark.parametrize("text", EMOJI)
def test_one_emoji_as_a_person_sees_it_is_one(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize("text", NONE)
def test_everything_else_is_none(text: str) -> None:
    assert not is_emoji(text)


@given(st.text())
def test_no_text_of_letters_markup_or_several_emoji_is_one(text: str) -> None:
    if is_emoji(text):
        assert not any(char.isalpha() or char in "<>&\"'" for char in text)
        assert not is_emoji(text * 2) or text in "🇩🇪"


def test_many_reactions_are_one_message_that_counts_them(meeting: Meeting, clock: VirtualClock) -> None:
    ann, bob = Client(meeting, "Ann"), Client(meeting, "Bob")
    meeting.reactions.react(ann.attendee, "👍")
    clock.advance(0.01)
    for _ in range(3):
        meeting.reactions.react(bob.attendee, "👍")
    meeting.reactions.react(ann.attendee, "🎉")
    clock.advance(1)
    first, second = bob.heard(ReactionsShown)
    assert [(one.emoji, one.count) for one in first.reactions] == [("👍", 1)]
    assert [(one.emoji, one.count) for one in second.reactions] == [("👍", 3), ("🎉", 1)]
    assert [(who.participant_id, who.name) for who in second.reactions[1].by] == [(ann.id, "Ann")]
    clock.advance(9)
    assert len(bob.heard(ReactionsShown)) == 2
    assert clock.pending == 0 or len(ann.heard(ReactionsShown)) == 2


def test_who_reacts_too_much_or_by_something_else_is_refused(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    with pytest.raises(RemoteError) as caught:
        meeting.reactions.react(ann.attendee, "<img>")
    assert caught.value.code == "bad_request"
    for _ in range(int(BURST)):
        meeting.reactions.react(ann.attendee, "👍")
    with pytest.raises(RemoteError) as caught:
        meeting.reactions.react(ann.attendee, "👍")
    assert caught.value.code == "rate_limited"
    clock.advance(1)
    meeting.reactions.react(ann.attendee, "👍")


def test_one_message_has_so_many_kinds_and_names_so_many_at_most(meeting: Meeting, clock: VirtualClock) -> None:
    ann = Client(meeting, "Ann")
    meeting.reactions.react(ann.attendee, "🎉")
    for number in range(40):
        meeting.reactions.left(ann.id)  # as if it were somebody new
        meeting.reactions.react(ann.attendee, chr(0x1F600 + number % 30))
        meeting.reactions.left(ann.id)
        meeting.reactions.react(ann.attendee, "👍")
    clock.advance(1)
    shown = ann.heard(ReactionsShown)[-1].reactions
    assert len(shown) == MAX_KINDS
    assert max(len(one.by) for one in shown) == MAX_NAMED
    assert max(one.count for one in shown) == 40
