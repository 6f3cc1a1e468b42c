"""What every store keeps to, whatever it keeps its records in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.store.records import NOON, at, meeting, recording, stay, uuid

from sfu.conference.memory_store import NO_SHOW
from sfu.conference.records import (
    Access,
    Cursor,
    MeetingFilter,
    MeetingRecord,
    MeetingStatus,
    Once,
    RecordingPolicy,
    RecordingStatus,
)
from sfu.conference.rights import Rules
from sfu.conference.store import MeetingStore
from sfu.conference.track import Source
from sfu.errors import RemoteError

EVERYTHING = MeetingFilter()


async def titles(store: MeetingStore, wanted: MeetingFilter = EVERYTHING) -> list[str]:
    return [record.title for record in (await store.list_meetings(wanted, None, 100)).items]


async def test_what_is_added_is_found_as_it_was(store: MeetingStore) -> None:
    record = meeting(
        title="Größe ✓",
        rules=Rules(2, 3, 0, frozenset({Source.CAMERA}), audience=True),
        host_digest=b"h" * 32,
        status=MeetingStatus.SCHEDULED,
        host="ann@example.org",
        scheduled_start=at(60.5),
        duration_s=1800.0,
        max_participants=7,
        access=Access.WAITING_ROOM,
        recording=RecordingPolicy.AUTO,
        join_digest=b"j" * 32,
        join_expires_at=at(120),
        not_before=at(50),
        lobby=True,
    )
    assert await store.add(record)
    assert await store.find(record.id) == record
    assert await store.find_by_join(b"j" * 32) == record
    assert await store.find(uuid(2)) is None
    assert await store.find("nowhere") is None
    assert await store.find_by_join(b"k" * 32) is None


async def test_an_id_and_a_join_token_are_given_once(store: MeetingStore) -> None:
    first = meeting(join_digest=b"j" * 32)
    assert await store.add(first)
    assert not await store.add(replace(first, title="other", join_digest=b""))
    assert not await store.add(meeting(2, join_digest=b"j" * 32))
    assert await store.add(meeting(3))
    assert await store.add(meeting(4)), "any number has no join token"
    assert await titles(store) == ["Meeting 4", "Meeting 3", "Meeting 1"]


async def test_a_chosen_name_is_an_id_like_others(store: MeetingStore) -> None:
    record = meeting(id="stand-up_1")
    assert await store.add(record)
    assert not await store.add(record)
    assert await store.find("stand-up_1") == record
    await store.joined(stay(1, "stand-up_1"))
    [one] = (await store.participants("stand-up_1", None, 10)).items
    assert one.meeting_id == "stand-up_1"
    await store.remove("stand-up_1")
    assert await store.find("stand-up_1") is None
    assert await store.add(record)


async def test_what_was_asked_for_once_is_made_once(store: MeetingStore) -> None:
    once = Once(b"k" * 32, b"b" * 32, b"s" * 16, uuid(1), NOON)
    assert await store.add(meeting(), once)
    assert await store.find_once(b"k" * 32) == once
    assert await store.find_once(b"l" * 32) is None
    assert not await store.add(meeting(2), replace(once, meeting_id=uuid(2)))
    assert await store.find(uuid(2)) is None, "all of it or nothing"
    await store.remove(uuid(1))
    assert await store.find_once(b"k" * 32) is None


async def test_a_change_makes_a_new_version_and_only_of_the_expected_one(store: MeetingStore) -> None:
    record = meeting(join_digest=b"j" * 32)
    await store.add(record)
    changed = await store.update(record.id, 1, {"title": "New", "join_digest": b"k" * 32, "access": Access.TOKEN})
    assert changed == replace(record, title="New", join_digest=b"k" * 32, access=Access.TOKEN, version=2)
    assert await store.find(record.id) == changed
    assert await store.find_by_join(b"j" * 32) is None, "the old token is revoked"
    assert await store.find_by_join(b"k" * 32) == changed
    with pytest.raises(RemoteError) as caught:
        await store.update(record.id, 1, {"title": "Late"})
    assert (caught.value.code, caught.value.status) == ("precondition_failed", 412)
    assert (await store.update(record.id, None, {"scheduled_start": at(5), "rules": Rules(max_video=2)})).version == 3
    found = await store.find(record.id)
    assert found is not None
    assert (found.title, found.scheduled_start, found.rules) == ("New", at(5), Rules(max_video=2))
    assert (await store.update(record.id, 3, {"scheduled_start": None})).scheduled_start is None


async def test_what_is_not_there_cannot_be_changed(store: MeetingStore) -> None:
    for meeting_id in (uuid(1), "nowhere"):
        with pytest.raises(RemoteError) as caught:
            await store.update(meeting_id, None, {"title": "x"})
        assert (caught.value.code, caught.value.status) == ("meeting_not_found", 404)


async def test_lists_have_the_latest_first_and_go_on_where_they_ended(store: MeetingStore) -> None:
    for number in range(1, 8):
        await store.add(meeting(number, created_at=at(number // 2)))
    await store.add(meeting(8, scheduled_start=at(1.5)))
    expected = ["Meeting 7", "Meeting 6", "Meeting 5", "Meeting 4", "Meeting 8", "Meeting 3", "Meeting 2", "Meeting 1"]
    assert await titles(store) == expected
    for limit in (1, 2, 3, 8, 9):
        seen: list[str] = []
        cursor = None
        while True:
            page = await store.list_meetings(EVERYTHING, cursor, limit)
            seen += [record.title for record in page.items]
            assert len(page.items) <= limit
            cursor = page.next
            if cursor is None:
                break
        assert seen == expected, limit


async def test_a_list_is_of_what_is_wanted(store: MeetingStore) -> None:
    await store.add(meeting(1, host="ann"))
    await store.add(meeting(2, host="bob", status=MeetingStatus.SCHEDULED, scheduled_start=at(30)))
    await store.add(meeting(3, host="ann", status=MeetingStatus.SCHEDULED, scheduled_start=at(60)))
    assert await titles(store, MeetingFilter(host="ann")) == ["Meeting 3", "Meeting 1"]
    assert await titles(store, MeetingFilter(status=MeetingStatus.SCHEDULED)) == ["Meeting 3", "Meeting 2"]
    assert await titles(store, MeetingFilter(MeetingStatus.SCHEDULED, "ann")) == ["Meeting 3"]
    assert await titles(store, MeetingFilter(since=at(30))) == ["Meeting 3", "Meeting 2"]
    assert await titles(store, MeetingFilter(until=at(30))) == ["Meeting 1"]
    assert await titles(store, MeetingFilter(since=at(30), until=at(60))) == ["Meeting 2"]
    assert await titles(store, MeetingFilter(host="")) == []


@pytest.mark.parametrize("cursor", ["", "x", "ä", "AAAA", "MjAyNg", "_" * 300])
async def test_a_cursor_that_no_page_has_given_is_refused(store: MeetingStore, cursor: str) -> None:
    await store.add(meeting())
    for asked in (store.list_meetings(EVERYTHING, cursor, 1), store.participants(uuid(1), cursor, 1)):
        with pytest.raises(RemoteError, match="cursor"):
            await asked


async def test_a_cursor_with_any_id_is_taken(store: MeetingStore) -> None:
    await store.add(meeting())
    for text in ("", "x", "x y", "0" * 36):
        await store.list_meetings(EVERYTHING, str(Cursor(NOON, text)), 1)
        await store.participants(uuid(1), str(Cursor(NOON, text)), 1)


async def test_who_comes_first_starts_the_meeting(store: MeetingStore) -> None:
    await store.add(meeting(status=MeetingStatus.SCHEDULED, scheduled_start=at(60)))
    await store.joined(stay(1, uuid(1)))
    await store.joined(stay(2, uuid(1)))
    record = await store.find(uuid(1))
    assert record is not None
    assert (record.status, record.started_at, record.version) == (MeetingStatus.ACTIVE, at(1), 1)


async def test_stays_are_kept_with_their_begin_and_end(store: MeetingStore) -> None:
    await store.add(meeting())
    ann = stay(1, uuid(1), identity="ann", role="host", is_host=True)
    for _ in range(2):
        await store.joined(ann)
    await store.joined(stay(2, uuid(1)))
    for minutes in (5, 6):
        await store.left(ann.session_id, at(minutes), "left")
    await store.left(uuid(9), at(5), "left")
    there, gone = stay(2, uuid(1)), replace(ann, left_at=at(5), reason="left")
    assert (await store.participants(uuid(1), None, 10)).items == (gone, there)
    assert (await store.participants(uuid(1), None, 10, current=True)).items == (there,)
    assert (await store.participants(uuid(1), None, 10, current=False)).items == (gone,)
    page = await store.participants(uuid(1), None, 1)
    assert page.next is not None
    assert (await store.participants(uuid(1), page.next, 1)).items == (there,)
    assert (await store.participants(uuid(2), None, 10)).items == ()
    assert (await store.participants("nowhere", None, 10)).items == ()


async def test_nobody_is_in_a_meeting_that_is_not_there(store: MeetingStore) -> None:
    for meeting_id in (uuid(1), "nowhere"):
        await store.joined(stay(1, meeting_id))
        assert (await store.participants(meeting_id, None, 10)).items == ()


async def test_a_meeting_ends_once_and_with_it_all_stays(store: MeetingStore) -> None:
    await store.add(meeting())
    await store.joined(stay(1, uuid(1)))
    await store.joined(stay(2, uuid(1)))
    await store.left(stay(1, uuid(1)).session_id, at(4), "timeout")
    for minutes in (5, 6):
        await store.end(uuid(1), at(minutes))
    await store.end(uuid(2), at(5))
    record = await store.find(uuid(1))
    assert record is not None
    assert (record.status, record.ended_at) == (MeetingStatus.ENDED, at(5))
    stays = (await store.participants(uuid(1), None, 10)).items
    assert [(one.left_at, one.reason) for one in stays] == [(at(4), "timeout"), (at(5), "ended")]
    await store.joined(stay(3, uuid(1)))
    assert (await store.find(uuid(1))) == record, "who was late does not start it again"


async def test_what_is_removed_is_gone_with_all_that_hangs_from_it(store: MeetingStore) -> None:
    await store.add(meeting(join_digest=b"j" * 32))
    await store.joined(stay(1, uuid(1)))
    await store.put_recording(recording(1, uuid(1)))
    for _ in range(2):
        await store.remove(uuid(1))
    await store.remove("nowhere")
    assert await store.find(uuid(1)) is None
    assert await store.find_by_join(b"j" * 32) is None
    await store.add(meeting())
    assert (await store.participants(uuid(1), None, 10)).items == ()
    assert await store.recordings(uuid(1)) == ()


async def test_meetings_that_nobody_is_in_any_more_end(store: MeetingStore) -> None:
    planned = {"status": MeetingStatus.SCHEDULED, "duration_s": 3600.0}
    await store.add(meeting(1))
    await store.add(meeting(2, created_at=at(50)))
    for number in (3, 4, 5):
        await store.add(meeting(number))
        await store.joined(stay(number, uuid(number)))
    await store.left(stay(4, uuid(4)).session_id, at(20), "left")
    await store.left(stay(5, uuid(5)).session_id, at(50), "left")
    await store.add(meeting(6, scheduled_start=at(50), **planned))
    await store.joined(stay(6, uuid(6)))
    await store.left(stay(6, uuid(6)).session_id, at(7), "left")
    await store.add(meeting(7, scheduled_start=at(60) - NO_SHOW - timedelta(hours=1), **planned))
    await store.add(meeting(8, scheduled_start=at(61) - NO_SHOW - timedelta(hours=1), **planned))
    await store.add(meeting(9))
    ended = await store.end_idle(at(60), at(30), keep={uuid(9)})
    assert sorted(ended) == [uuid(1), uuid(4), uuid(7)], (
        "not those made or left lately, that somebody is in, or whose time has not come"
    )
    assert await store.end_idle(at(60), at(30), keep={uuid(9)}) == ()
    assert len((await store.list_meetings(MeetingFilter(MeetingStatus.ENDED), None, 10)).items) == 3


async def test_recordings_are_kept_in_their_latest_state(store: MeetingStore) -> None:
    await store.add(meeting())
    later, first = recording(2, uuid(1)), recording(1, uuid(1))
    await store.put_recording(later)
    await store.put_recording(first)
    ready = replace(first, status=RecordingStatus.READY, ended_at=at(9), location="s3://x/1", bytes=5_000_000_000)
    await store.put_recording(ready)
    await store.put_recording(recording(3, uuid(2)))
    assert await store.recordings(uuid(1)) == (ready, later)
    assert await store.recordings(uuid(2)) == ()


def test_a_record_needs_no_more_than_an_id_a_title_and_a_time() -> None:
    record = MeetingRecord("x", "", NOON)
    assert (record.status, record.access, record.max_participants, record.version) == ("active", "open", 100, 1)
