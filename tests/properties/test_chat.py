"""Chat under everything that a meeting may bring: whatever is said, deleted, lost and resumed, each client ends with
the entries that concern it, in order, each once.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.clock import VirtualClock

from sfu.conference.authority import Caller, Role
from sfu.conference.chat import Chat
from sfu.conference.chat_history import ChatHistory
from sfu.conference.chat_views import ChatDeletion, ChatEntry, ChatLine, DirectLine
from sfu.conference.events import ChatTold
from sfu.conference.rights import Rights
from sfu.errors import RemoteError

PEOPLE = 4


class Reader:
    """As much of a participant as the chat knows; its client keeps what it was told."""

    reception = object()

    def __init__(self, number: int) -> None:
        self.id = f"p{number}"
        self.name = f"P{number}"
        self.rights = Rights(Role.HOST if number == 0 else Role.PARTICIPANT, frozenset())
        self.is_listening = True
        self.known = 0
        self.told: list[ChatEntry] = []

    def notify(self, event: Any) -> None:
        if self.is_listening and isinstance(event, ChatTold):
            self.told.extend(event.entries)


class ChatMachine(RuleBasedStateMachine):
    """The model: every line ever said, who may see it, and whether it has been deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.people = [Reader(number) for number in range(PEOPLE)]
        self.chat = Chat(self.clock, {one.id: one for one in self.people})  # type: ignore[misc]
        self.lines: dict[int, tuple[str, set[str]]] = {}
        self.deleted: set[int] = set()

    @rule(who=st.integers(0, PEOPLE - 1), to=st.none() | st.integers(0, PEOPLE - 1), text=st.text(max_size=5))
    def say(self, who: int, to: int | None, text: str) -> None:
        author, recipient = self.people[who], self.people[to] if to is not None else None
        try:
            seq = self.chat.say(author, text, to=recipient.id if recipient else None)  # type: ignore[arg-type]
        except RemoteError:
            return
        readers = {author.id, recipient.id} if recipient else {one.id for one in self.people}
        assert seq > max(self.lines, default=0)
        self.lines[seq] = text.replace("\r\n", "\n").replace("\r", "\n").strip(), readers

    @rule(who=st.integers(0, PEOPLE - 1), seq=st.integers(1, 30))
    def delete(self, who: int, seq: int) -> None:
        one = self.people[who]
        try:
            self.chat.delete(Caller(one.rights.role, one.id), seq)
        except RemoteError:
            assert seq not in self.lines or one.rights.role is not Role.HOST or one.id not in self.lines[seq][1]
        else:
            self.deleted.add(seq)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2, 3.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(who=st.integers(0, PEOPLE - 1))
    def lose(self, who: int) -> None:
        self.people[who].is_listening = False

    @rule(who=st.integers(0, PEOPLE - 1))
    def resume(self, who: int) -> None:
        one = self.people[who]
        if one.is_listening:
            return
        one.is_listening = True
        view = self.chat.view()
        known = one.told[-1].seq if one.told else 0
        self.chat.replay(one, view.log, known)  # type: ignore[arg-type]

    @invariant()
    def numbers_grow(self) -> None:
        for one in self.people:
            seqs = [entry.seq for entry in one.told]
            assert seqs == sorted(set(seqs))

    def teardown(self) -> None:
        for number in range(PEOPLE):
            self.resume(number)
        self.clock.advance(1)
        for one in self.people:
            seen: dict[int, str | None] = {}
            for entry in one.told:
                if isinstance(entry, ChatDeletion):
                    assert entry.deletes in seen
                    seen[entry.deletes] = None
                else:
                    seen[entry.seq] = entry.text
            expected = {
                seq: None if seq in self.deleted else text
                for seq, (text, readers) in self.lines.items()
                if one.id in readers
            }
            assert seen == expected


TestChat = ChatMachine.TestCase


def line(seq: int, size: int, to: str | None) -> ChatLine:
    plain = (seq, "", f"p{seq % 3}", "", "x" * size)
    return ChatLine(*plain) if to is None else DirectLine(*plain, to, "")


@pytest.mark.parametrize(("max_entries", "max_bytes"), [(5, 10**6), (1000, 1000), (7, 1500)])
def test_the_history_stays_within_its_bounds_and_keeps_the_newest(max_entries: int, max_bytes: int) -> None:
    history = ChatHistory(max_entries=max_entries, max_bytes=max_bytes)
    for seq in range(1, 60):
        to = None if seq % 4 else "p1"
        history.append(ChatDeletion(seq, seq - 1, None) if seq % 5 == 0 else line(seq, seq * 7 % 300, to))
        kept = history.since(0, "p1", until=seq) + history.since(0, "p0", until=seq)
        assert history.last_seq == seq
        assert len(history) <= max_entries
        assert history.bytes <= max_bytes
        assert all(seq - one.seq < max_entries for one in kept)
    assert len(history) > 1
