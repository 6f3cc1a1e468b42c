from __future__ import annotations

import pytest

from sfu.conference.names import (
    check_meeting_id,
    check_name,
    check_title,
    new_meeting_id,
    new_participant_id,
    new_token,
)
from sfu.errors import RemoteError


@pytest.mark.parametrize("name", ["Ann", " Ann ", "Zoë 张伟", "👩\u200d💻", "می\u200cخواهم", "x" * 64])
def test_a_name_may_be_anything_that_can_be_printed(name: str) -> None:
    assert check_name(name) == name.strip()


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\nb", "a\x00b", "\u202egnp.exe", "\ud800"])
def test_a_name_that_is_empty_too_long_or_unprintable_is_refused(name: str) -> None:
    with pytest.raises(RemoteError) as caught:
        check_name(name)
    assert caught.value.code == "bad_request"


def test_a_title_may_be_empty_but_not_endless() -> None:
    assert check_title("  ") == ""
    with pytest.raises(RemoteError, match="201 characters"):
        check_title("x" * 201)


@pytest.mark.parametrize("meeting_id", ["", "a b", "../x", "x" * 65, "ä", "a\n"])
def test_a_meeting_id_of_another_form_is_refused(meeting_id: str) -> None:
    with pytest.raises(RemoteError):
        check_meeting_id(meeting_id)


def test_made_ids_are_valid_and_all_different() -> None:
    ids = {new_meeting_id() for _ in range(1000)}
    assert len(ids) == 1000
    for meeting_id in ids:
        assert check_meeting_id(meeting_id) == meeting_id
    assert len({new_participant_id() for _ in range(1000)}) == 1000
    assert all(len(new_token()) >= 43 for _ in range(10))
