"""What the store in memory has of one meeting for when it is opened again."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sfu.conference.chat_history import MAX_ENTRIES
from sfu.conference.orders import Kept, Orders

if TYPE_CHECKING:
    from sfu.conference.chat_lines import KeptLine
    from sfu.conference.returning import Seat
    from sfu.conference.standings import Standing


class MemoryKept:
    """Bounded by those who write: see ``standings`` and ``chat_history``."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.seats: dict[str, Seat] = {}
        """By participant."""
        self.lines: deque[KeptLine] = deque(maxlen=MAX_ENTRIES)
        self._standings: dict[bytes, Standing] = {}

    def decide(self, standing: Standing) -> None:
        """The newest comes last."""
        self._standings.pop(standing.who, None)
        if standing.decision is not None:
            self._standings[standing.who] = standing

    def say(self, line: KeptLine) -> None:
        """One more; the text of a line that it deletes is forgotten."""
        if self.lines and (self.lines[-1].log != line.log or self.lines[-1].seq >= line.seq):
            if self.lines[-1].log == line.log:
                return  # it is there already
            self.lines.clear()
        self.lines.append(line)
        if line.deletes is not None:
            blank = [one.without_text() if one.seq == line.deletes else one for one in self.lines]
            self.lines = deque(blank, maxlen=MAX_ENTRIES)

    def leave(self, session_id: str) -> None:
        """Nobody comes back to that stay."""
        self.seats = {key: seat for key, seat in self.seats.items() if seat.session_id != session_id}

    def recall(self) -> Kept:
        """See ``MeetingStore``."""
        return Kept(self.orders, tuple(self._standings.values()))
