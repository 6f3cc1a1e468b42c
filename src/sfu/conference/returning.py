"""Coming back after the server was lost: what is kept of a participant so that it can, and whose seats are reserved.

While a meeting runs, a ``Seat`` of everybody in it is handed to whoever keeps seats (``SeatKeeper``: the store; another
process's memory), a moment after it changed. The next server that has the meeting asks the keepers, reserves those
seats for a while, and gives one back to who comes with the participant token of before: the same id, role, rights and
hand, without waiting again, and a new token. Of the token its digest is kept alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from sfu.clock import Clock, Timer
from sfu.conference.authority import Role
from sfu.conference.grants import GUEST, Grants
from sfu.conference.names import digest
from sfu.conference.plain import plain, read
from sfu.conference.rights import Rights
from sfu.conference.track import Source

if TYPE_CHECKING:
    from sfu.conference.participant import Participant

STILL_SEATED = frozenset({"server_stopping", "moved"})
"""Reasons of a stay's end after which it may go on: the participant did not want it, nor anybody else."""
GATHER_S = 0.1
"""What changes within this time is handed on together; a kill of the process costs as much."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Of one participant. ``to_json`` and ``of_json`` are for keepers."""

    participant_id: str
    session_id: str
    """The stay that it was."""
    token_digest: bytes = field(repr=False)
    """SHA-256 of the participant token."""
    name: str
    role: Role
    publish: frozenset[Source]
    grants: Grants = GUEST
    """What it joined with."""
    hand: int | None = None
    may_unmute: bool = True
    muted_by_host: bool = False
    leaves_at: datetime | None = None
    """When its time is over; None: it may stay."""

    @classmethod
    def of(cls, participant: Participant) -> Self:
        """As it is now."""
        rights = participant.rights
        return cls(
            participant_id=participant.id,
            session_id=participant.session_id,
            token_digest=digest(participant.token),
            name=participant.name,
            role=rights.role,
            publish=rights.publish,
            grants=participant.grants,
            hand=rights.hand,
            may_unmute=rights.may_unmute,
            muted_by_host=rights.muted_by_host,
            leaves_at=participant.leaves_at,
        )

    @classmethod
    def of_json(cls, value: Any) -> Self | None:
        """As it was; None: it is none."""
        try:
            found: Self = read(cls, value)
        except (KeyError, TypeError, AttributeError, ValueError):
            return None
        return found

    def to_json(self) -> dict[str, Any]:
        """As it can be written down."""
        value: dict[str, Any] = plain(self)
        return value

    def rights(self) -> Rights:
        """Of who takes it again."""
        most = Rights.most_of(self.grants)
        return Rights(
            self.role,
            self.publish & most,
            hand=self.hand,
            most=most,
            may_unmute=self.may_unmute,
            muted_by_host=self.muted_by_host,
        )

    def grants_at(self, now: datetime) -> Grants | None:
        """Those of before, for the time that is left of them; None: it is over."""
        if self.leaves_at is None:
            return self.grants
        left_s = (self.leaves_at - now).total_seconds()
        return replace(self.grants, session_s=left_s) if left_s > 0 else None


class SeatKeeper(Protocol):
    """Keeps the seats of running meetings for the next server that has them. Whoever keeps them also forgets those
    that nobody came back to.
    """

    def seated(self, meeting_id: str, seat: Seat) -> None:
        """A new seat, or one that changed: by ``participant_id``. Must not block or raise."""

    def freed(self, meeting_id: str, seat: Seat) -> None:
        """Its participant left, and does not come back to it. Not called when the server stops. Must not block or
        raise.
        """

    async def seats(self, meeting_id: str) -> Sequence[Seat]:
        """Those that were taken when the server that had the meeting was lost, or stopped; asked when a meeting is
        opened. None of those that its participants left. Raises ``RemoteError`` when it can not be asked.
        """


class Seating:
    """Hands the seats of one meeting to the keepers. ``participants`` is the meeting's own."""

    def __init__(
        self, clock: Clock, meeting_id: str, participants: Mapping[str, Participant], keepers: Sequence[SeatKeeper]
    ) -> None:
        self._clock = clock
        self._meeting_id = meeting_id
        self._participants = participants
        self._keepers = tuple(keepers)
        self._kept: dict[str, Seat] = {}
        """What keepers have been told last."""
        self._changed: dict[str, None] = {}
        self._timer: Timer | None = None

    def changed(self, participant: Participant, *, is_back: bool = False) -> None:
        """Something of it did, which may be of its seat. ``is_back``: it has a seat of before no longer but for this
        one, so that is told at once.
        """
        if not self._keepers or participant.reception is None:
            return
        self._changed[participant.id] = None
        if is_back:
            self._stop_timer()
            self._tell()
        elif self._timer is None:
            self._timer = self._clock.call_later(GATHER_S, self._tell)

    def left(self, participant: Participant) -> None:
        """Is in ``participants`` no longer, and does not come back."""
        self._changed.pop(participant.id, None)
        seat = self._kept.pop(participant.id, None)
        if seat is not None:
            for keeper in self._keepers:
                keeper.freed(self._meeting_id, seat)

    def stop(self) -> None:
        """What has changed is told now, and no more. Idempotent."""
        if self._timer is not None:
            self._stop_timer()
            self._tell()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        for participant_id in changed:
            participant = self._participants.get(participant_id)
            if participant is None:
                continue
            seat = Seat.of(participant)
            if seat != self._kept.get(participant_id):
                self._kept[participant_id] = seat
                for keeper in self._keepers:
                    keeper.seated(self._meeting_id, seat)


class Returning:
    """The reserved seats of one meeting. ``on_free`` is told those that are still empty when the time is over."""

    def __init__(self, clock: Clock, window_s: float, *, on_free: Callable[[Sequence[Seat]], None]) -> None:
        self._clock = clock
        self._window_s = window_s
        self._on_free = on_free
        self._seats: dict[str, Seat] = {}
        """By participant."""
        self._by_token: dict[bytes, str] = {}
        """The participant of a token of before, also when it is back: the answer that said so may be lost."""
        self._timer: Timer | None = None

    def __len__(self) -> int:
        """How many are reserved."""
        return len(self._seats)

    def expect(self, seats: Sequence[Seat]) -> None:
        """Reserves them from now on, for a time; of one participant the first counts."""
        for seat in seats:
            if seat.participant_id not in self._seats:
                self._seats[seat.participant_id] = seat
                self._by_token[seat.token_digest] = seat.participant_id
        if self._seats and self._timer is None:
            self._timer = self._clock.call_later(self._window_s, self._over)

    def is_expected(self, participant_id: str) -> bool:
        """Whether a seat is reserved for that participant."""
        return participant_id in self._seats

    def find(self, token: str) -> Seat | None:
        """The reserved seat of who had that token."""
        return self._seats.get(self._by_token.get(digest(token), ""))

    def taken_by(self, token: str) -> str | None:
        """The id of who had that token, and may be back already."""
        return self._by_token.get(digest(token))

    def called(self, identity: str | None) -> Seat | None:
        """The reserved seat of that identity; guests have none."""
        if not identity:
            return None
        return next((seat for seat in self._seats.values() if seat.grants.identity == identity), None)

    def take(self, participant_id: str) -> None:
        """Is not reserved any more. Idempotent."""
        self._seats.pop(participant_id, None)

    def withdraw(self, is_meant: Callable[[Grants], bool]) -> int:
        """Who had such grants does not come back; how many those are."""
        meant = [seat.participant_id for seat in self._seats.values() if is_meant(seat.grants)]
        for participant_id in meant:
            self.take(participant_id)
        return len(meant)

    def stop(self) -> None:
        """Nobody comes back any more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._seats.clear()
        self._by_token.clear()

    def _over(self) -> None:
        self._timer = None
        self._by_token.clear()
        empty, self._seats = tuple(self._seats.values()), {}
        if empty:
            self._on_free(empty)
