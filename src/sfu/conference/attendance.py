"""Who is in a meeting from now on, and who no longer: what each part of the meeting does then, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sfu.conference.admission import LEADERS
from sfu.conference.arranger import Arranger
from sfu.conference.attendee import Attendee
from sfu.conference.beat import Pace
from sfu.conference.events import LeaveReason, Removed
from sfu.conference.members import Members
from sfu.conference.minutes import Minutes
from sfu.conference.participant import Participant
from sfu.conference.returning import Seat
from sfu.conference.upkeep import Upkeep
from sfu.conference.viewer import Viewer

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting


class Attendance:
    """Of one meeting; it alone changes ``members``. ``on_change`` is told as that of ``Meeting``."""

    def __init__(
        self,
        meeting: Meeting,
        members: Members,
        *,
        pace: Pace,
        arranger: Arranger,
        upkeep: Upkeep,
        minutes: Minutes,
        on_change: Callable[[str, str], None],
    ) -> None:
        self._meeting = meeting
        self._members = members
        self._pace = pace
        self._arranger = arranger
        self._upkeep = upkeep
        self._minutes = minutes
        self._on_change = on_change

    # who comes

    def enter(self, participant: Participant, *, is_back: bool = False) -> None:
        """Is in it from now on; ``is_back``: as who was in it before, under the same id."""
        meeting = self._meeting
        meeting.admission.stats.admitted += 1
        self._members.add(participant)
        self._pace.came()
        if isinstance(participant, Attendee):
            meeting.gate.entered(participant.id)
        self._arranger.entered(participant)
        meeting.voices.counted()
        meeting.roster.joined(participant)
        self._on_change(meeting.id, participant.id)
        meeting.record = self._minutes.joined(participant, meeting.record, is_back=is_back)
        participant.sources.announce()
        meeting.seating.changed(participant, is_back=is_back)
        if participant.rights.role in LEADERS:
            meeting.admission.review()

    def enter_viewer(self, viewer: Viewer) -> None:
        """Receives from now on."""
        self._members.add_viewer(viewer)
        self._meeting.gate.entered(viewer.id)
        self._arranger.arrange(viewer)

    # who goes

    def leave(self, participant: Participant, reason: LeaveReason, *, is_back: bool = False) -> None:
        """Its stay is over; ``is_back``: its next one, under the same id, begins now. Idempotent."""
        meeting = self._meeting
        if not self._members.take_out(participant):
            return
        participant.notify(Removed(reason))
        participant.close()
        self._minutes.left(participant, reason)
        if not is_back:
            meeting.roster.left(participant.id, reason)
        self._on_change(meeting.id, participant.id)
        for viewer in self._members.viewers_of(participant.id):
            self.leave_viewer(viewer)
        meeting.gate.left(participant.id)
        self._arranger.left(participant.id)
        meeting.voices.counted()
        meeting.chat.left(participant.id)
        meeting.reactions.left(participant.id)
        if not is_back:
            meeting.seating.left(participant)
            meeting.moderation.left(participant)
            self.emptied()

    def leave_viewer(self, viewer: Viewer) -> None:
        """Receives no longer. Idempotent."""
        if not self._members.take_out_viewer(viewer):
            return
        self._meeting.gate.left(viewer.id)
        viewer.close()
        self.emptied()

    def leave_all(self) -> None:
        """The meeting is over: nobody is there to be told that the others left."""
        for member in self._members.take_out_all():
            member.close()
        self._quieten()
        self._meeting.gate.stop()

    def not_back(self, seats: Sequence[Seat]) -> None:
        """These were kept for who was in it before, and are free again."""
        self._meeting.moderation.lost(seats)
        if not self._members.participants:
            self._meeting.moderation.stop()
        self._meeting.admission.review()

    # when nobody is there

    def emptied(self) -> None:
        """Somebody left, or did not come after all: perhaps nobody is there."""
        if not self._members.participants:
            self._quieten()
        if not self._members.participants and not self._members.viewers and not self._meeting.is_over:
            self._meeting.gate.stop()
            self._upkeep.close_router()
            self._upkeep.emptied()

    def _quieten(self) -> None:
        """Nobody is there to be told anything."""
        meeting = self._meeting
        if not len(meeting.returning):
            meeting.moderation.stop()
        for part in (meeting.roster, self._arranger, meeting.voices, meeting.chat, meeting.reactions):
            part.stop()
