"""What of one meeting is written down: who came and went, as what, how hosts had it, what they decided, its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.authority import Role
from sfu.conference.events import EndReason
from sfu.conference.ledger import Became, Decided, Ended, Joined, Ledger, Left, Ordered
from sfu.conference.orders import Orders
from sfu.conference.records import MeetingRecord, MeetingStatus, ParticipantRecord
from sfu.conference.standings import Standing

if TYPE_CHECKING:
    from sfu.conference.participant import Participant


class Minutes:
    """Notes in the ledger, which never waits. ``orders``: as hosts had the meeting when it was at hand last."""

    def __init__(self, ledger: Ledger, clock: Clock, meeting_id: str, orders: Orders) -> None:
        self._ledger = ledger
        self._clock = clock
        self._meeting_id = meeting_id
        self._orders = orders
        """What was noted last."""

    def joined(self, participant: Participant, record: MeetingRecord, *, is_back: bool) -> MeetingRecord:
        """Gives the meeting's record, which has begun."""
        now, role = self._clock.wall(), participant.rights.role
        stay = ParticipantRecord(
            session_id=participant.session_id,
            meeting_id=self._meeting_id,
            participant_id=participant.id,
            identity=participant.identity,
            name=participant.name,
            role=role.value,
            is_host=role is Role.HOST,
            joined_at=now,
        )
        self._ledger.note(Joined(stay, is_back))
        if record.started_at is not None:
            return record
        return replace(record, status=MeetingStatus.ACTIVE, started_at=now)

    def left(self, participant: Participant, reason: str) -> None:
        """Its stay is over."""
        self._ledger.note(Left(participant.session_id, self._clock.wall(), reason))

    def became(self, participant: Participant) -> None:
        """Its role is another."""
        role = participant.rights.role
        self._ledger.note(Became(participant.session_id, role.value, role is Role.HOST))

    def ordered(self, orders: Orders) -> None:
        """Hosts have the meeting so, perhaps otherwise than before."""
        if orders != self._orders:
            self._orders = orders
            self._ledger.note(Ordered(self._meeting_id, self._clock.wall(), orders))

    def decided(self, standing: Standing) -> None:
        """A host did, about somebody."""
        self._ledger.note(Decided(self._meeting_id, standing))

    def ended(self, record: MeetingRecord, reason: EndReason, there: Iterable[Participant]) -> MeetingRecord:
        """Gives the record of a meeting that is over. A server that stops ends stays of who is ``there``, not
        meetings: they may be joined again.
        """
        if reason is not EndReason.ENDED:
            for participant in there:
                self.left(participant, reason)
            return record
        now = self._clock.wall()
        self._ledger.note(Ended(self._meeting_id, now))
        return replace(record, status=MeetingStatus.ENDED, ended_at=now, version=record.version + 1)
