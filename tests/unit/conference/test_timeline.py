from __future__ import annotations

from sfu.conference.timeline import Changes
from sfu.media.shard import HISTORY_SECONDS


def test_a_value_holds_from_the_second_in_which_it_was_noted() -> None:
    changes: Changes[str] = Changes()
    changes.note(100.9, "low")
    changes.note(102.1, "high")
    changes.note(102.9, "paused")
    assert changes.column(104, 6) == [None, "low", "low", "paused", "paused", "paused"]
    assert changes.column(101, 2) == ["low", "low"]
    assert changes.column(104, 0) == []


def test_what_is_noted_again_takes_no_room() -> None:
    changes: Changes[int] = Changes()
    for second in range(HISTORY_SECONDS):
        changes.note(second, 7)
    assert len(changes) == 1


def test_changes_are_kept_for_as_long_as_the_history_and_no_longer() -> None:
    changes: Changes[int] = Changes()
    for tenth in range(HISTORY_SECONDS * 50):
        changes.note(tenth / 10, tenth)
    last = HISTORY_SECONDS * 5 - 1
    assert len(changes) <= 2 * HISTORY_SECONDS + 2
    assert changes.column(last, HISTORY_SECONDS) == [
        second * 10 + 9 for second in range(last - HISTORY_SECONDS + 1, last + 1)
    ]


def test_a_value_that_holds_for_longer_than_the_history_is_not_forgotten() -> None:
    changes: Changes[str] = Changes()
    changes.note(0, "low")
    changes.note(5, "high")
    changes.note(10 * HISTORY_SECONDS, "low")
    assert changes.column(10 * HISTORY_SECONDS, 2) == ["high", "low"]
