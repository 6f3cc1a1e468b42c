"""Who is in a meeting, as those in it are told: changes by beat, everybody by pages.

A change costs everybody the same few bytes however many are there, and a beat's message is bounded: what does not fit
goes with the next. Somebody who came and went within one beat is not told of, and of many changes the newest counts.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.beat import Beat, Pace
from sfu.conference.events import LeaveReason, RosterChanged
from sfu.conference.views import Departure, ParticipantView, RosterPage
from sfu.errors import RemoteError

if TYPE_CHECKING:
    from sfu.conference.participant import Participant

WELCOME = 100
"""Participants that are told to who joins: some 20 kB. The others come by pages, when somebody looks for them."""

MAX_CHANGES = 100
"""In one message, and as many departures."""

MAX_PAGE = 200

CALM_S, BUSY_S = 0.5, 1.0
"""Between two messages; see ``Pace``."""

PAGES_PER_S, MAX_PAGES = 100.0, 500.0
"""Of a whole meeting, whoever asks: a page of 1,000 participants costs the control plane up to a millisecond. All of a
meeting of 500 may open their list in one moment; who comes too late asks again."""

REMEMBERED = 1000
"""Departed participants after whom a page can still go on."""


class Roster:
    """``participants`` is the meeting's, in the order of joining; ``tell`` reaches everybody."""

    def __init__(
        self, clock: Clock, pace: Pace, participants: Mapping[str, Participant], tell: Callable[[RosterChanged], None]
    ) -> None:
        self._clock = clock
        self._participants = participants
        self._tell = tell
        self._beat = Beat(clock, lambda: CALM_S if pace.is_calm else BUSY_S, self._leave)
        self._changed: dict[str, bool] = {}
        """Who is to be told of; True: as new."""
        self._departed: dict[str, LeaveReason] = {}
        self._unseen: set[str] = set()
        """The new ones that nobody has been told of in any way."""
        self._total_told = 0
        self._keys: dict[str, tuple[int, str]] = {}
        self._views: dict[str, ParticipantView] = {}
        """Until the next change, which ``updated`` is told of: a welcome has a hundred of them."""
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._pages, self._pages_at = MAX_PAGES, clock.now()

    # what happens

    def joined(self, participant: Participant) -> None:
        """Is in ``participants`` from now on, or in another stay than before."""
        is_new = participant.id not in self._keys
        self._keys[participant.id] = participant.rank, search_key(participant.name)
        if not is_new:
            self.updated(participant)
            return
        self._changed[participant.id] = True
        self._unseen.add(participant.id)
        self._beat.due()

    def updated(self, participant: Participant) -> None:
        """Its view changed."""
        self._views.pop(participant.id, None)
        self._changed.setdefault(participant.id, False)
        self._beat.due()

    def left(self, participant_id: str, reason: LeaveReason) -> None:
        """Is in ``participants`` no longer."""
        self._views.pop(participant_id, None)
        self._gone[participant_id], _ = self._keys.pop(participant_id)
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        self._changed.pop(participant_id, None)
        if participant_id in self._unseen:
            self._unseen.remove(participant_id)
        else:
            self._departed[participant_id] = reason
        self._beat.due()

    def stop(self) -> None:
        """Nobody is there to be told. Idempotent."""
        self._beat.stop()

    # who asks

    def first(self, own_id: str) -> tuple[ParticipantView, ...]:
        """For a ``welcome``: the first by joining, and oneself."""
        self._unseen.clear()
        views = list(map(self._view, islice(self._participants, WELCOME)))
        if own_id in self._participants and all(view.id != own_id for view in views):
            views[WELCOME - 1 :] = [self._view(own_id)]
        return tuple(views)

    def page(self, after: str | None, limit: int, search: str) -> RosterPage:
        """Up to ``limit`` participants in the order of joining, those after ``after``, one of whose words begins with
        ``search``. Raises ``RemoteError``: ``participant_not_found``, ``rate_limited``.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise RemoteError("bad_request", f"limit is {limit}", f"1 to {MAX_PAGE}")
        rank = self._rank(after)
        self._charge()
        self._unseen.clear()
        wanted = search_key(search)
        keys = self._keys
        among = list(self._participants.values())
        if wanted:
            among = [who for who in among if wanted in keys[who.id][1]]
        later = (who for who in among if keys[who.id][0] > rank)
        page = list(islice(later, limit + 1))
        following = page[limit - 1].id if len(page) > limit else None
        return RosterPage(tuple(self._view(who.id) for who in page[:limit]), following, len(among))

    # inner

    def _view(self, participant_id: str) -> ParticipantView:
        view = self._views.get(participant_id)
        if view is None:
            view = self._views[participant_id] = self._participants[participant_id].view()
        return view

    def _rank(self, after: str | None) -> int:
        if after is None:
            return 0
        if after in self._keys:
            return self._keys[after][0]
        rank = self._gone.get(after)
        if rank is None:
            raise RemoteError(
                "participant_not_found", f"no participant {after[:64]!r} is here", "begin without after", status=404
            )
        return rank

    def _charge(self) -> None:
        now = self._clock.now()
        self._pages = min(MAX_PAGES, self._pages + (now - self._pages_at) * PAGES_PER_S)
        self._pages_at = now
        if self._pages < 1:
            raise RemoteError("rate_limited", "the meeting asks for too many pages", "wait a second", status=429)
        self._pages -= 1

    def _leave(self) -> None:
        joined: list[ParticipantView] = []
        updated: list[ParticipantView] = []
        for participant_id in list(islice(self._changed, MAX_CHANGES)):
            is_new = self._changed.pop(participant_id)
            (joined if is_new else updated).append(self._view(participant_id))
            self._unseen.discard(participant_id)
        departed = tuple(Departure(*item) for item in islice(self._departed.items(), MAX_CHANGES))
        for departure in departed:
            del self._departed[departure.participant_id]
        total = len(self._participants)
        if joined or updated or departed or total != self._total_told:
            self._total_told = total
            self._tell(RosterChanged(tuple(joined), tuple(updated), departed, total))
        if self._changed or self._departed:
            self._beat.due()


def search_key(text: str) -> str:
    """Equal for what people take for the same when they look for a name: case, accents and blanks do not count. Each
    word begins with a blank, so that "in" tells whether a word begins so. "": there is no word in it.
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(f" {word}" for word in plain.casefold().split())
