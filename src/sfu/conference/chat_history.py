"""What is remembered of a meeting's chat: the last entries, within bounds of number and of bytes. Pure.

``HistoryKeeper`` is the interface of a store that remembers longer than the process lives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sfu.conference.chat_views import ChatDeletion, ChatEntry, ChatLine, ChatPage, DirectLine

MAX_ENTRIES = 500
MAX_BYTES = 512 * 1024
"""Of a meeting. Some hours of a lively one; the longest lines there may be fill it with some 85."""

ENTRY_BYTES = 128
"""What an entry costs beside its text: names, numbers, time."""


MEETING_PER_S, MEETING_BURST = 50.0, 100.0
"""Of a whole meeting, whoever writes."""


@dataclass(frozen=True, slots=True)
class ChatLog:
    """What is known of a meeting's log: its name, and its last entries in their order."""

    name: str
    entries: Sequence[ChatEntry]
    last_seq: int = 0
    """No higher number has been given; 0: none than those of the entries."""


def highest_seq(seq: int, since_s: float) -> int:
    """The highest number that may have been given within so many seconds after ``seq``, by entries that the end of the
    process lost: each line may have been deleted, and so may those before. Numbers go on behind it, for no number may
    mean two entries.
    """
    return seq + int(2 * (MEETING_BURST + MEETING_PER_S * max(0.0, since_s))) + MAX_ENTRIES


class HistoryKeeper(Protocol):
    """Where entries are kept for when a meeting is opened again. Called on the control plane's thread."""

    def keep(self, meeting_id: str, log: str, entry: ChatEntry) -> None:
        """Keeps a new entry; forgets the text of a line that it deletes. Must not block or raise: a queue takes it."""

    def forget(self, meeting_id: str) -> None:
        """Forgets what it has of that meeting. Must not block or raise."""

    async def load(self, meeting_id: str) -> ChatLog | None:
        """What was kept, at least as many entries as a history holds; None: there are none."""


class ChatHistory:
    """Entries with growing numbers. The oldest go first when a bound is passed."""

    def __init__(
        self, entries: Iterable[ChatEntry] = (), *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[ChatEntry] = deque()
        self._bytes = 0
        for entry in entries:
            self.append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ChatEntry]:
        return iter(tuple(self._entries))

    @property
    def bytes(self) -> int:
        """What the entries cost."""
        return self._bytes

    @property
    def last_seq(self) -> int:
        """Of the newest entry; 0: there is none."""
        return self._entries[-1].seq if self._entries else 0

    def append(self, entry: ChatEntry) -> None:
        """Remembers it. The text of a line that it deletes is forgotten."""
        self._entries.append(entry)
        self._bytes += _size(entry)
        if isinstance(entry, ChatDeletion):
            self._blank(entry.deletes)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._bytes -= _size(self._entries.popleft())

    def line(self, seq: int) -> ChatLine | None:
        """The line of that number, if it is remembered."""
        found = next((entry for entry in self._entries if entry.seq == seq), None)
        return found if isinstance(found, ChatLine) else None

    def since(self, after: int, reader: str, *, until: int) -> list[ChatEntry]:
        """What ``reader``, who knows everything up to ``after``, is to be told up to ``until``. A line that has been
        deleted since comes as such, its deletion does not come besides.
        """
        return [
            entry
            for entry in self._entries
            if after < entry.seq <= until and self._concerns(entry, reader, after=after)
        ]

    def before(self, seq: int, reader: str, limit: int) -> ChatPage:
        """The last ``limit`` lines that ``reader`` may see, of those before ``seq``."""
        lines: list[ChatLine] = []
        for entry in reversed(self._entries):
            if entry.seq >= seq or not isinstance(entry, ChatLine) or not is_for(entry, reader):
                continue
            if len(lines) == limit:
                return ChatPage(tuple(reversed(lines)), more=True)
            lines.append(entry)
        return ChatPage(tuple(reversed(lines)), more=False)

    def _concerns(self, entry: ChatEntry, reader: str, *, after: int) -> bool:
        if isinstance(entry, ChatLine):
            return is_for(entry, reader)
        line = self.line(entry.deletes)
        return entry.deletes <= after and (line is None or is_for(line, reader))

    def _blank(self, seq: int) -> None:
        for index, entry in enumerate(self._entries):
            if entry.seq == seq and isinstance(entry, ChatLine):
                blank = self._entries[index] = replace(entry, text=None)
                self._bytes += _size(blank) - _size(entry)
                return


def is_for(line: ChatLine, reader: str) -> bool:
    """Whether a participant may see a line."""
    return not isinstance(line, DirectLine) or reader in (line.to, line.participant_id)


def _size(entry: ChatEntry) -> int:
    text = entry.text if isinstance(entry, ChatLine) else None
    return ENTRY_BYTES + (len(text.encode()) if text is not None else 0)
