from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.store.records import NOON, at, meeting, stay, uuid

from sfu.conference.ledger import Added, Changed, Ended, Fact, Joined, Left, Removed
from sfu.conference.records import Access, MeetingStatus, RecordingPolicy
from sfu.conference.rights import Rules
from sfu.conference.track import Source
from sfu.store.facts import from_json, to_json
from sfu.store.journal import Journal

EVERY: list[Fact] = [
    Joined(stay(1, "stand-up", name="Zoë 👩‍💻", identity="zoe")),
    Left(uuid(1), NOON, "left"),
    Ended(uuid(2), at(3.25)),
    Added(meeting()),
    Changed(
        meeting(
            2,
            rules=Rules(1, 2, 3, frozenset({Source.CAMERA, Source.SCREEN}), audience=True),
            host_digest=b"\x00\xff",
            status=MeetingStatus.SCHEDULED,
            scheduled_start=at(60),
            duration_s=1800.5,
            access=Access.TOKEN,
            recording=RecordingPolicy.ALLOWED,
            join_expires_at=at(99),
            lobby=True,
        )
    ),
    Removed("x"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def everything(journal: Journal) -> list[Fact]:
    return journal.read(10_000)[0]


@pytest.mark.parametrize("fact", EVERY, ids=lambda fact: type(fact).__name__)
def test_a_fact_comes_back_as_it_was(fact: Fact) -> None:
    assert from_json(json.loads(json.dumps(to_json(fact)))) == fact


def test_a_fact_of_an_older_version_lacks_what_has_a_default() -> None:
    old = to_json(Added(meeting()))
    del old["record"]["lobby"]
    assert from_json(old) == Added(meeting())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["fact", "record", "at", "session_id", "reason", "meeting_id"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["joined", "left", "ended", "added", "x"]))
def test_what_is_no_fact_is_refused_and_breaks_nothing(value: object, kind: str) -> None:
    for candidate in (value, {**value, "fact": kind} if isinstance(value, dict) else [value]):
        try:
            from_json(candidate)
        except ValueError:
            continue


def test_what_was_appended_is_there_after_a_restart_in_order(path: Path) -> None:
    journal = Journal(path, 1_000_000)
    assert journal.append(EVERY[:4]) == 4
    assert journal.append(EVERY[4:]) == 2
    again = Journal(path, 1_000_000)  # the other one was never closed, as after a kill
    assert everything(again) == EVERY
    assert again.damaged == 0
    facts, position = again.read(2)
    again.take(position)
    assert facts == EVERY[:2]
    assert everything(again) == EVERY[2:]
    again.append(EVERY[:1])
    facts, position = again.read(100)
    assert facts == [*EVERY[2:], EVERY[0]]
    again.take(position)
    assert (again.bytes, path.stat().st_size, everything(again)) == (0, 0, [])
    again.append(EVERY[:1])
    assert everything(again) == EVERY[:1]
    for one in (journal, again):
        one.close()


def test_a_line_that_was_cut_short_is_no_line(path: Path) -> None:
    journal = Journal(path, 1_000_000)
    journal.append(EVERY[:2])
    journal.close()
    whole = path.read_bytes()
    for cut in range(1, 30):
        path.write_bytes(whole[:-cut])
        journal = Journal(path, 1_000_000)
        assert everything(journal) == EVERY[:1]
        journal.append(EVERY[2:3])
        assert everything(journal) == [EVERY[0], EVERY[2]]
        journal.close()


def test_damage_in_the_middle_costs_that_line_alone_and_is_counted(path: Path) -> None:
    journal = Journal(path, 1_000_000)
    journal.append(EVERY)
    journal.close()
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"\n") + 30] ^= 1
    path.write_bytes(damaged)
    journal = Journal(path, 1_000_000)
    assert everything(journal) == [EVERY[0], *EVERY[2:]]
    assert journal.damaged == 1
    journal.close()


def test_a_full_journal_takes_what_fits_and_says_so(path: Path) -> None:
    journal = Journal(path, 300)
    fact = Left(uuid(1), NOON, "left")
    assert not journal.is_full
    assert journal.append([fact] * 10) == 2
    assert journal.is_full
    assert journal.append([fact]) == 0
    assert journal.bytes <= 300
    facts, position = journal.read(10)
    journal.take(position)
    assert len(facts) == 2
    assert not journal.is_full
    assert journal.append([fact]) == 1
    journal.close()


def test_nobody_else_may_read_it(path: Path) -> None:
    Journal(path, 300).close()
    assert path.stat().st_mode & 0o077 == 0
