"""A meeting: its parts, and what those outside and those in it ask of it as a whole. What each part does is in a module
of its own: how somebody comes in is in ``arrivals``, what happens then and when they go in ``attendance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sfu.clock import Clock
from sfu.conference.admission import Admission
from sfu.conference.admission_stats import AdmissionStats
from sfu.conference.allocation import Allocator
from sfu.conference.arranger import Arranger
from sfu.conference.arrivals import Arrivals
from sfu.conference.attendance import Attendance
from sfu.conference.attendee import Attendee
from sfu.conference.beat import Pace
from sfu.conference.chat import Chat
from sfu.conference.chat_history import ChatLog, HistoryKeeper
from sfu.conference.events import (
    DenyReason,
    EndReason,
    Event,
    LeaveReason,
    MeetingEnded,
)
from sfu.conference.gate import Gate
from sfu.conference.happenings import Chronicle
from sfu.conference.hooks import NO_HOOKS, Hooks
from sfu.conference.layout import ChooseFeeds
from sfu.conference.ledger import Happened, Ledger
from sfu.conference.members import Members
from sfu.conference.minutes import Minutes
from sfu.conference.moderation import Moderation
from sfu.conference.options import ConferenceOptions
from sfu.conference.orders import NOTHING, Kept, Orders
from sfu.conference.participant import Participant
from sfu.conference.places import Places
from sfu.conference.publisher import Publisher
from sfu.conference.reactions import Reactions
from sfu.conference.records import MeetingRecord
from sfu.conference.returning import Returning, Seat, Seating, SeatKeeper
from sfu.conference.rights import Permissions
from sfu.conference.roster import Roster
from sfu.conference.scene import Scene
from sfu.conference.standings import Standings
from sfu.conference.timeline import Timeline
from sfu.conference.upkeep import Upkeep
from sfu.conference.viewer import Viewer
from sfu.conference.views import ParticipantView, QualityTimeline, timestamp
from sfu.conference.voices import Voices
from sfu.errors import RemoteError
from sfu.media.engine import Engine


class Meeting:
    """Everything in it happens on the control plane's thread, synchronously; nothing waits.

    Its router exists while somebody is in it, so an empty meeting costs the data plane nothing. After being
    empty for ``ConferenceOptions.empty_meeting_s`` it ends by itself, or, before its planned end, is let go until
    somebody comes again. ``on_end`` is called once. Who comes and goes is noted in the ledger.
    """

    def __init__(
        self,
        record: MeetingRecord,
        engine: Engine,
        clock: Clock,
        options: ConferenceOptions,
        allocator: Allocator,
        *,
        choose_feeds: ChooseFeeds,
        ledger: Ledger,
        on_end: Callable[[Meeting], None],
        seat_keepers: Sequence[SeatKeeper] = (),
        on_change: Callable[[str, str], None] | None = None,
        history: HistoryKeeper | None = None,
        hooks: Hooks = NO_HOOKS,
        admission_stats: AdmissionStats | None = None,
        said: ChatLog | None = None,
        kept: Kept = NOTHING,
    ) -> None:
        """``on_change`` is told of each change of a participant, by the ids of both."""
        self.id = record.id
        self.record = record
        """As it was written down last; ``Conference.update`` puts a newer one here."""
        self.title = record.title
        self.created_at = timestamp(record.created_at)
        self.clock = clock
        self.options = options
        self.allocator = allocator
        self.hooks = hooks
        self._minutes = Minutes(ledger, clock, self.id, kept.orders)
        self._on_end = on_end
        self.chronicle = Chronicle(self.id, clock, options.events, lambda happening: ledger.note(Happened(happening)))
        """What happens in it, for those outside who are told."""
        self._on_change = on_change or (lambda _meeting_id, _participant_id: None)
        self._members = Members()
        self._participants = self._members.participants
        self.gate = Gate(clock, hooks, record=lambda: self.record, person=self._members.person)
        self.voices = Voices(
            clock, options.audio_slots, participants=self._participants, tell=self.tell, gate=self.gate
        )
        pace = Pace(clock, self._participants)
        self.roster = Roster(clock, pace, self._participants, self.tell)
        self.permissions = Permissions(record.rules, record.host_digest, self._participants)
        self.chat = Chat(
            clock,
            self._participants,
            mode=record.rules.chat,
            direct=record.rules.direct_messages,
            meeting_id=self.id,
            keeper=history if record.rules.keep_chat else None,
            restored=said,
            chronicle=self.chronicle,
            on_settled=self.ordered,
        )
        self._history = history
        self.standings = Standings(kept.standings, self._minutes.decided)
        """What hosts decided about people."""
        self.host_token: str | None = None
        """What makes who joins with it a host; known where the meeting was made."""
        self.join_token: str | None = None
        """Of the join link; known where the meeting was made."""
        self.first_is_host = False
        self._arranger = Arranger(
            clock,
            pace,
            choose_feeds,
            allocator,
            self.voices,
            participants=self._participants,
            viewers=self._members.viewers,
            gate=self.gate,
        )
        self.moderation = Moderation(
            self._participants,
            self.permissions,
            tell=self.tell,
            show=self._arranger.spotlight,
            chronicle=self.chronicle,
            on_order=self.ordered,
        )
        self.reactions = Reactions(clock, self._participants, self.tell)
        self.seating = Seating(clock, self.id, self._participants, seat_keepers)
        self._upkeep = Upkeep(
            engine, clock, options.empty_meeting_s, on_router=self.voices.use, on_time=self._empty_for_long
        )
        self._attendance = Attendance(
            self,
            self._members,
            pace=pace,
            arranger=self._arranger,
            upkeep=self._upkeep,
            minutes=self._minutes,
            on_change=self._on_change,
        )
        self.returning = Returning(clock, options.resume_window_s, on_free=self._attendance.not_back)
        """Seats of those who were in it when its server was lost; ``Arrivals.come_back`` gives one back."""
        places = Places(
            self._members,
            self.returning,
            options.duplicates,
            most=lambda: min(options.max_participants, self.record.max_participants),
            take_out=lambda double: self._attendance.leave(double, LeaveReason.REPLACED),
        )
        self.admission = Admission(self, options.waiting, stats=admission_stats or AdmissionStats())
        """The door."""
        self.arrivals = Arrivals(self, places, self._upkeep, self._attendance)
        """What is behind the door."""
        self.join = self.arrivals.join
        """How most come in."""
        self.is_over = False
        self._last_rank = 0
        self._restore(kept.orders)
        self._upkeep.emptied()

    # who is in it

    @property
    def participants(self) -> Mapping[str, Participant]:
        """Participants by id, in the order of joining."""
        return self._participants

    @property
    def viewers(self) -> int:
        """How many receive without being participants."""
        return len(self._members.viewers)

    @property
    def scene(self) -> Scene:
        """What there is to see in it, as layouts were decided last."""
        return self._arranger.scene

    def is_in(self, identity: str | None) -> bool:
        """Whether that identity is; a guest's never is."""
        return self.participant_called(identity) is not None

    def participant_called(self, identity: str | None) -> Participant | None:
        """Who is in by that identity."""
        return self._members.called(identity)

    def participant_of(self, token: str) -> Participant | None:
        """Whose token this is."""
        holder = self._members.holder(token)
        return holder if isinstance(holder, Participant) else None

    def participant_views(self) -> tuple[ParticipantView, ...]:
        """Everybody, in the order of joining."""
        return tuple(participant.view() for participant in self._participants.values())

    def quality(self, participant_id: str, last_s: int) -> QualityTimeline:
        """What a participant received in the last seconds, and why no more. Raises ``participant_not_found``."""
        participant = self._participants.get(participant_id)
        if participant is None:
            raise RemoteError("participant_not_found", f"no participant {participant_id[:64]!r} is here", status=404)
        reception = participant.reception
        timeline = reception.timeline if reception else Timeline(participant.transport)
        return timeline.view(participant_id, self.clock.wall(), reception.slots.video if reception else (), last_s)

    def attendee(self, token: str) -> Attendee:
        """Whose signaling token this is. Raises ``RemoteError`` ``unauthorized``."""
        holder = self._members.holder(token)
        if not isinstance(holder, Attendee):
            raise RemoteError("unauthorized", "the token is unknown or expired", "join the meeting again", status=401)
        return holder

    def client_offer_holder(self, token: str) -> Publisher | Viewer:
        """Whose secret this is, of those who came by an offer of their own. Raises ``participant_not_found``."""
        holder = self._members.holder(token)
        if not isinstance(holder, Publisher | Viewer):
            raise RemoteError("participant_not_found", "there is no such session", status=404)
        return holder

    # coming and going

    def expect(self, seats: Sequence[Seat]) -> None:
        """Of a meeting that was opened just now: who was in it before may come back. Where nobody may, what was said
        for those who were there holds no longer.
        """
        self.returning.expect(seats)
        if not seats:
            self.moderation.stop()

    def remove(self, participant: Participant, reason: LeaveReason) -> None:
        """Ends a participant's stay: its media stops, the others are told. Idempotent."""
        self._attendance.leave(participant, reason)
        self.admission.review()

    def remove_viewer(self, viewer: Viewer) -> None:
        """Ends a viewer's stay. Idempotent."""
        self._attendance.leave_viewer(viewer)

    def end(self, reason: EndReason = EndReason.ENDED) -> None:
        """Everybody is told and leaves. Idempotent."""
        if self.is_over:
            return
        self.is_over = True
        self.seating.stop()
        for participant in self._participants.values():
            participant.sources.tell_ended()
        self.admission.close(DenyReason.ENDED if reason is EndReason.ENDED else DenyReason.SERVER_STOPPING)
        self.chronicle.end()
        self.record = self._minutes.ended(self.record, reason, self._participants.values())
        self.tell(MeetingEnded(reason))
        self._attendance.leave_all()
        self.returning.stop()
        self._upkeep.stop()
        self._on_end(self)

    def changed(self, record: MeetingRecord) -> None:
        """Something else was agreed; what is older than what is known already is passed over."""
        if record.version > self.record.version:
            before, self.record = self.record, record
            self.title = record.title
            self.permissions.rules = record.rules
            if before.join_digest != record.join_digest:
                self.admission.revoke(link=before.join_digest)
            self.admission.review()
            self.chat.agreed(record.rules.chat, direct=record.rules.direct_messages)
            self.chat.keep(self._history if record.rules.keep_chat else None)

    # called by those in it

    def updated(self, participant: Participant) -> None:
        """A participant's view changed."""
        if participant.id in self._participants:
            self.roster.updated(participant)
            self.seating.changed(participant)
            self._on_change(self.id, participant.id)

    def became(self, participant: Participant, *, is_lasting: bool) -> None:
        """A participant has another role; ``is_lasting``: its identity, whenever it comes."""
        if self._participants.get(participant.id) is participant:
            self._minutes.became(participant)
            if is_lasting and participant.identity:
                self.standings.appoint(participant.identity, participant.rights.role, self.clock.wall())
        self.updated(participant)

    def ordered(self) -> None:
        """Hosts have the meeting otherwise than before, perhaps."""
        if not self.is_over:
            may_unmute, spotlight = self.permissions.may_unmute, self.moderation.view().spotlight
            self._minutes.ordered(Orders(self.admission.is_locked, may_unmute, spotlight, *self.chat.ordered))

    def refresh(self, participant: Participant) -> None:
        """A participant's tracks changed: lays out anew for everybody, and tells whose slots changed."""
        self._arranger.changed(participant)

    def arrange(self, attendee: Attendee) -> None:
        """An attendee's slots changed, or what it wants to see: lays out anew for this one."""
        self._arranger.arrange(attendee)

    def reconsider(self, participant_id: str) -> None:
        """Plugins are asked once more who may receive what somebody publishes, and what it may receive."""
        self.gate.reconsider(participant_id)

    def next_rank(self) -> int:
        """For who comes now: higher than anybody's."""
        self._last_rank += 1
        return self._last_rank

    # inner

    def tell(self, event: Event) -> None:
        """Everybody in it."""
        for participant in tuple(self._participants.values()):
            participant.notify(event)

    def _restore(self, orders: Orders) -> None:
        """As hosts had it when it was at hand last."""
        self.admission.is_locked = orders.locked
        self.chat.restore(orders.chat, orders.direct)
        self.moderation.restore(orders)

    def require_running(self) -> None:
        """Raises ``RemoteError`` ``meeting_not_found`` when it is over."""
        if self.is_over:
            raise RemoteError("meeting_not_found", "the meeting has ended", status=404)

    def _empty_for_long(self) -> None:
        if len(self.admission.room):
            self._upkeep.emptied()  # somebody waits, for a bounded time, for whoever opens it
            return
        planned_end = self.record.planned_end
        is_early = planned_end is not None and self.clock.wall() < planned_end
        self.end(EndReason.LET_GO if is_early else EndReason.ENDED)
