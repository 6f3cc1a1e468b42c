"""Entries of a chat as they are written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from sfu.conference.chat_views import ChatDeletion, ChatEntry, ChatLine, DirectLine
from sfu.conference.views import timestamp


@dataclass(frozen=True, slots=True)
class KeptLine:
    """An entry as it is written down. ``deletes`` None: it is a line."""

    log: str
    seq: int
    at: datetime
    participant_id: str | None
    """Who said it, or deleted it."""
    name: str = ""
    text: str | None = None
    to: str | None = None
    to_name: str | None = None
    deletes: int | None = None

    @classmethod
    def of(cls, log: str, entry: ChatEntry, now: datetime) -> Self:
        """``now``: when it was said."""
        if isinstance(entry, ChatDeletion):
            return cls(log, entry.seq, now, entry.by, deletes=entry.deletes)
        line = cls(log, entry.seq, now, entry.participant_id, entry.name, entry.text)
        return replace(line, to=entry.to, to_name=entry.to_name) if isinstance(entry, DirectLine) else line

    def without_text(self) -> Self:
        """Once it has been deleted."""
        return replace(self, text=None)

    @property
    def entry(self) -> ChatEntry:
        """As it was."""
        if self.deletes is not None:
            return ChatDeletion(self.seq, self.deletes, self.participant_id)
        said = self.seq, timestamp(self.at), self.participant_id or "", self.name, self.text
        return ChatLine(*said) if self.to is None else DirectLine(*said, self.to, self.to_name or "")
