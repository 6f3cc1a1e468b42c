"""A meeting's chat: who may write, what is said, and telling it to everybody in order, gathered.

Every entry has a number that grows. Whoever listens is told of the entries that concern him in this order, each once;
who comes back after a while says the last number he has and is told of the rest first. Who comes late reads the history
by pages. Twenty lines a second in a meeting of 1,000 are eight messages a second to each, each encoded once.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.authority import Action, Caller, Role, may, require
from sfu.conference.beat import Beat
from sfu.conference.bucket import Bucket
from sfu.conference.chat_history import MEETING_BURST, MEETING_PER_S, ChatHistory, ChatLog, HistoryKeeper, is_for
from sfu.conference.chat_views import (
    ChatDeletion,
    ChatEntry,
    ChatLine,
    ChatMode,
    ChatPage,
    ChatView,
    DirectLine,
)
from sfu.conference.events import ChatSettingsChanged, ChatTold
from sfu.conference.happenings import ChatEvents, Chronicle
from sfu.conference.names import new_participant_id
from sfu.conference.views import timestamp
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.participant import Participant

MAX_CHARS = 2000
MAX_BYTES = 6000
"""Of one line, UTF-8: as many characters of three bytes, which Chinese has."""

MAX_NONCE_CHARS = 40
REMEMBERED_NONCES = 16
"""Of one participant: so many lines may be said again after a lost socket without being doubled."""

LINES_PER_S, BURST = 1.0, 8.0
"""Of one participant: nobody types faster for long."""

INTERVAL_S = 0.125
"""Between two messages to everybody: eight a second leave room for two others, and a line waits no longer than that."""

MAX_ENTRIES = 100
"""In one message."""

PAGES_PER_S, MAX_PAGES = 100.0, 500.0
"""Of a whole meeting, whoever asks: a page costs some 0.2 ms. All of a meeting of 500 may open their chat at once."""

MAX_PAGE = 100


class Chat:
    """``participants`` is the meeting's own. ``restored``: the log's name and entries of a meeting that was here
    before, which ``keeper`` kept.
    """

    def __init__(
        self,
        clock: Clock,
        participants: Mapping[str, Participant],
        *,
        mode: ChatMode = ChatMode.EVERYONE,
        direct: bool = True,
        meeting_id: str = "",
        keeper: HistoryKeeper | None = None,
        restored: ChatLog | None = None,
        chronicle: Chronicle | None = None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._participants = participants
        self._meeting_id = meeting_id
        self._keeper = keeper
        self._chronicle = chronicle
        self.mode = mode
        self.direct = direct
        self._agreed = mode, direct
        self._on_settled = on_settled
        restored = restored or ChatLog(new_participant_id(), ())
        self.log = restored.name
        self._history = ChatHistory(restored.entries)
        self._last_seq = self._told_seq = max(self._history.last_seq, restored.last_seq)
        self._pending: list[tuple[ChatEntry, ChatLine]] = []
        """Entries that nobody has been told of, each with the line that it is about."""
        self._beat = Beat(clock, lambda: INTERVAL_S, self._leave)
        self._writers: dict[str, Bucket] = {}
        self._nonces: dict[str, OrderedDict[str, int]] = {}
        self._everybody = Bucket(clock, MEETING_PER_S, MEETING_BURST)
        """A line counts as one, and one more for each kilobyte: it goes to everybody."""
        self._pages = Bucket(clock, PAGES_PER_S, MAX_PAGES)

    # writing

    def say(self, author: Participant, text: str, *, to: str | None = None, nonce: str = "") -> int:
        """Says it to everybody, or to the participant ``to``. Gives its number; that of before when the author has said
        something with the same ``nonce`` already, for who does not know whether it arrived.

        Raises ``RemoteError``: ``bad_request``, ``forbidden``, ``participant_not_found``, ``rate_limited``.
        """
        nonces = self._nonces.setdefault(author.id, OrderedDict())
        if nonce in nonces:
            return nonces[nonce]
        text = check_text(text)
        recipient = self._recipient(author, to) if to is not None else None
        self._require_may_write(author, recipient)
        self._charge(author, text)
        seq, at = self._next_seq(), timestamp(self._clock.wall())
        line = (
            ChatLine(seq, at, author.id, author.name, text)
            if recipient is None
            else DirectLine(seq, at, author.id, author.name, text, recipient.id, recipient.name)
        )
        if nonce:
            nonces[nonce] = seq
            if len(nonces) > REMEMBERED_NONCES:
                nonces.popitem(last=False)
        self._add(line, line)
        return seq

    def delete(self, caller: Caller, seq: int) -> None:
        """Deletes a line: its text is gone from the history, and whoever was told of it is told that. Authors may
        delete their own.

        Raises ``RemoteError``: ``forbidden``, ``message_not_found``, also for what is not the caller's to see.
        """
        line = self._history.line(seq)
        own = caller.participant_id
        if line is None or not (is_for(line, own or "")):
            raise RemoteError("message_not_found", f"there is no message {seq}", "it may be too old", status=404)
        if line.participant_id != own:
            author = self._participants.get(line.participant_id)
            require(caller.role, Action.DELETE_MESSAGE, author.rights.role if author else None)
        if line.text is not None:
            self._add(ChatDeletion(self._next_seq(), seq, own), line)

    def settle(self, caller: Caller, *, mode: ChatMode | None = None, direct: bool | None = None) -> None:
        """Says who may write from now on, and whether directly; everybody is told. Raises ``RemoteError``."""
        require(caller.role, Action.CHAT_MODE)
        self._settle(self.mode if mode is None else mode, self.direct if direct is None else direct)

    @property
    def ordered(self) -> tuple[ChatMode | None, bool | None]:
        """What hosts said that is not as agreed."""
        mode, direct = self._agreed
        return None if self.mode is mode else self.mode, None if self.direct is direct else self.direct

    def restore(self, mode: ChatMode | None, direct: bool | None) -> None:
        """What hosts said before, of a meeting that is opened again."""
        self.mode = self.mode if mode is None else mode
        self.direct = self.direct if direct is None else direct

    def agreed(self, mode: ChatMode, *, direct: bool) -> None:
        """The meeting's rules, which may be others than before; what a host said since holds while they are not."""
        if (mode, direct) != self._agreed:
            self._agreed = mode, direct
            self._settle(mode, direct)

    def follow_rules(self) -> None:
        """What hosts said since they were agreed holds no longer."""
        self._settle(*self._agreed)

    def _settle(self, mode: ChatMode, direct: bool) -> None:
        if (mode, direct) == (self.mode, self.direct):
            return
        self.mode, self.direct = mode, direct
        self._on_settled()
        if self._chronicle is not None:
            self._chronicle.tell("chat.settings_changed", chat=mode.value, direct_messages=direct)
        event = ChatSettingsChanged(self.mode.value, self.direct)
        for participant in tuple(self._participants.values()):
            participant.notify(event)

    def keep(self, keeper: HistoryKeeper | None) -> None:
        """Has what is said kept from now on, with what is remembered; None: what was kept is forgotten."""
        before, self._keeper = self._keeper, keeper
        if before is None and keeper is not None:
            for entry in self._history:
                keeper.keep(self._meeting_id, self.log, entry)
        elif before is not None and keeper is None:
            before.forget(self._meeting_id)

    # reading

    def view(self) -> ChatView:
        """For a ``welcome``."""
        return ChatView(self.mode.value, self.direct, self.log, self._told_seq)

    def replay(self, reader: Participant, log: str, after: int) -> None:
        """Tells ``reader``, who has been away and knows the entries up to ``after`` of the log of that name, of those
        that came since, before any new one. Of another log nothing is told: its numbers mean something else.
        """
        if log != self.log:
            return
        missed = self._history.since(after, reader.id, until=self._told_seq)
        for start in range(0, len(missed), MAX_ENTRIES):
            reader.notify(ChatTold(tuple(missed[start : start + MAX_ENTRIES])))

    def page(self, reader: Participant, before: int | None, limit: int) -> ChatPage:
        """The last ``limit`` lines for ``reader`` of those that have been told, or of those before number ``before``.

        Raises ``RemoteError``: ``bad_request``, ``rate_limited``.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RemoteError("bad_request", f"limit is {limit}", f"1 to {MAX_PAGE}")
        if not self._pages.take():
            raise RemoteError("rate_limited", "the meeting asks for too many pages", "wait a second", status=429)
        told = self._told_seq + 1
        return self._history.before(told if before is None else min(before, told), reader.id, limit)

    # who comes and goes

    def left(self, participant_id: str) -> None:
        """Is in ``participants`` no longer."""
        self._nonces.pop(participant_id, None)
        self._writers.pop(participant_id, None)

    def stop(self) -> None:
        """Nobody is there to be told. Idempotent; what was gathered is in the history."""
        self._beat.stop()
        self._pending.clear()
        self._told_seq = self._last_seq

    # inner

    def _recipient(self, author: Participant, participant_id: str) -> Participant:
        recipient = self._participants.get(participant_id)
        if recipient is None:
            raise RemoteError(
                "participant_not_found",
                f"no participant {participant_id[:64]!r} is here",
                "they may have left",
                status=404,
            )
        if recipient is author:
            raise RemoteError("bad_request", "a direct message to oneself", "name somebody else")
        if recipient.reception is None:
            raise RemoteError(
                "conflict", f"{recipient.name} cannot read messages", "write to somebody else", status=409
            )
        return recipient

    def _require_may_write(self, author: Participant, recipient: Participant | None) -> None:
        role = author.rights.role
        require(role, Action.CHAT)
        if self.mode is ChatMode.OFF:
            raise RemoteError("forbidden", "the chat is switched off", "a host may switch it on", status=403)
        if recipient is not None and not self.direct:
            raise RemoteError("forbidden", "direct messages are switched off", "write to everybody", status=403)
        is_to_host = recipient is not None and recipient.rights.role in (Role.HOST, Role.COHOST)
        if self.mode is ChatMode.HOSTS and not is_to_host and not may(role, Action.CHAT_WHEN_HOSTS_ONLY):
            raise RemoteError("forbidden", "only hosts may write to everybody", "write to a host", status=403)

    def _charge(self, author: Participant, text: str) -> None:
        own = self._writers.get(author.id)
        if own is None:
            own = self._writers[author.id] = Bucket(self._clock, LINES_PER_S, BURST)
        if own.level < 1:
            raise RemoteError("rate_limited", "you write too fast", "wait a few seconds", status=429)
        if not self._everybody.take(1 + len(text.encode()) / 1000):
            raise RemoteError("rate_limited", "too much is written in this meeting", "wait a second", status=429)
        own.take()

    def _next_seq(self) -> int:
        self._last_seq += 1
        return self._last_seq

    def _add(self, entry: ChatEntry, line: ChatLine) -> None:
        self._history.append(entry)
        if self._keeper is not None:
            self._keeper.keep(self._meeting_id, self.log, entry)
        self._tell_outside(entry)
        self._pending.append((entry, line))
        self._beat.due()

    def _tell_outside(self, entry: ChatEntry) -> None:
        """As much as the operator wants told. What one says to one alone leaves the meeting by nobody's doing."""
        chronicle = self._chronicle
        if chronicle is None or chronicle.chat is ChatEvents.OFF:
            return
        if isinstance(entry, ChatDeletion):
            chronicle.tell("chat.deleted", number=entry.deletes, by=entry.by)
            return
        to = entry.to if isinstance(entry, DirectLine) else None
        text = entry.text if chronicle.chat is ChatEvents.TEXT and to is None else None
        person = {"participant_id": entry.participant_id, "name": entry.name}
        chronicle.tell("chat.message", number=entry.seq, **person, to=to, text=text)

    def _leave(self) -> None:
        told, self._pending = self._pending[:MAX_ENTRIES], self._pending[MAX_ENTRIES:]
        self._told_seq = told[-1][0].seq
        public = tuple(entry for entry, line in told if not isinstance(line, DirectLine))
        directly = {who for _, line in told if isinstance(line, DirectLine) for who in (line.participant_id, line.to)}
        everybody = tuple(self._participants.values())
        if public:
            event = ChatTold(public)
            for participant in everybody:
                if participant.id not in directly:
                    participant.notify(event)
        for participant in everybody:
            if participant.id in directly:
                participant.notify(ChatTold(tuple(entry for entry, line in told if is_for(line, participant.id))))
        if self._pending:
            self._beat.due()


def check_text(text: str) -> str:
    """The text without blanks around it, its ends of lines "\\n". Raises ``RemoteError`` ``bad_request`` when it is
    empty, too long, or has characters that are none: control characters, halves of surrogate pairs.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not 1 <= len(text) <= MAX_CHARS:
        raise RemoteError("bad_request", f"the message has {len(text)} characters", f"1 to {MAX_CHARS}")
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in text):
        raise RemoteError("bad_request", "the message has characters that can not be shown")
    size = len(text.encode())
    if size > MAX_BYTES:
        raise RemoteError("bad_request", f"the message has {size} bytes", f"at most {MAX_BYTES}")
    return text
