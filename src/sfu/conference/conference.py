"""All meetings of a process: finds, makes and ends them, within limits.

Long, because whatever is asked of a meeting that may not be at hand is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sfu.clock import Clock
from sfu.conference.admission_stats import AdmissionStats
from sfu.conference.allocation import Allocator
from sfu.conference.chat_history import ChatLog, HistoryKeeper
from sfu.conference.draft import MeetingDraft, NewMeeting, Tokens, check_record, join_expiry
from sfu.conference.events import EndReason
from sfu.conference.homes import Alone, Homes
from sfu.conference.hooks import NO_HOOKS, Hooks
from sfu.conference.layout import ChooseFeeds, choose_feeds
from sfu.conference.ledger import Added, Changed, Ledger, Removed, ledger_of, unavailable
from sfu.conference.meeting import Meeting
from sfu.conference.memory_store import MemoryStore, missing, outdated
from sfu.conference.names import check_title, digest, is_made_id, new_token
from sfu.conference.options import ConferenceOptions
from sfu.conference.orders import NOTHING, Kept
from sfu.conference.records import (
    MeetingFilter,
    MeetingRecord,
    MeetingStatus,
    Once,
    Page,
    ParticipantRecord,
    RecordingRecord,
)
from sfu.conference.returning import Seat, SeatKeeper
from sfu.conference.rights import Rules
from sfu.conference.store import MeetingStore
from sfu.conference.stored import StoredHistory, StoredSeats, forget_chat_orders
from sfu.conference.views import ConferenceStats
from sfu.errors import RemoteError
from sfu.layers import LayerPolicy, StandardPolicy
from sfu.media.engine import Engine


class Conference:
    """The roots of everything the server knows about people. The store says which meetings exist; ``meetings`` are
    those that this process has at hand. ``homes`` is asked before, where several processes share meetings.

    ``history`` keeps what is said in meetings whose rules want that; None: the store does. ``seat_keepers`` keep,
    besides the store, who is in a meeting for when this server is lost; of one participant, what the first of them has
    counts.
    ``choose_feeds`` decides who sees whom in every meeting; see ``layout``. ``layer_policy`` decides in which layers;
    see ``docs/allocation.md``.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        options: ConferenceOptions | None = None,
        *,
        store: MeetingStore | None = None,
        ledger: Ledger | None = None,
        history: HistoryKeeper | None = None,
        seat_keepers: Sequence[SeatKeeper] = (),
        hooks: Hooks = NO_HOOKS,
        homes: Homes | None = None,
        choose_feeds: ChooseFeeds = choose_feeds,
        layer_policy: LayerPolicy | None = None,
    ) -> None:
        self.options = options or ConferenceOptions()
        self._engine = engine
        self.clock = clock
        self.store = store if store is not None else MemoryStore()
        self._ledger = ledger if ledger is not None else ledger_of(self.store)
        self._history = history if history is not None else StoredHistory(self.store, self._ledger, clock)
        self._seat_keepers = (*seat_keepers, StoredSeats(self.store, self._ledger, clock))
        self.admission_stats = AdmissionStats()
        self.hooks = hooks
        """Plugins that are asked before something happens."""
        self._homes: Homes = homes or Alone()
        self._choose_feeds = choose_feeds
        self.allocator = Allocator(
            clock,
            layer_policy or StandardPolicy(),
            adaptive=self.options.adaptive,
            start_bps=self.options.start_bps,
            max_bps=self.options.max_bps,
            max_load=self.options.max_load,
        )
        self._meetings: dict[str, Meeting] = {}
        self._over: set[str] = set()
        """Ended, but perhaps not yet for the store."""
        self._is_closed = False

    @property
    def meetings(self) -> Mapping[str, Meeting]:
        """Meetings at hand, by id."""
        return self._meetings

    def stats(self) -> ConferenceStats:
        """Counts, for metrics."""
        meetings = self._meetings.values()
        return ConferenceStats(
            meetings=len(meetings),
            participants=sum(len(meeting.participants) for meeting in meetings),
            viewers=sum(meeting.viewers for meeting in meetings),
        )

    async def create_meeting(
        self,
        title: str = "",
        *,
        id: str | None = None,  # noqa: A002
        rules: Rules | None = None,
    ) -> Meeting:
        """Makes a meeting for now, called ``id`` if one is given; its ``host_token`` is for who had it made.

        Raises ``RemoteError`` as ``plan``.
        """
        planned = await self.plan(MeetingDraft(title, id, rules))
        await self._homes.take(planned.record.id)
        return self.open(planned)

    async def plan(self, draft: MeetingDraft, tokens: Tokens | None = None, once: Once | None = None) -> NewMeeting:
        """Writes a meeting down, for now or for later; ``open`` has it at hand. ``tokens``: not made here.

        Raises ``RemoteError``: ``bad_request``; ``conflict`` when the id is taken, or when what is asked for excludes
        each other; ``rate_limited`` when there are too many meetings; ``once_taken`` when it was made already.
        """
        tokens = tokens or Tokens.new()
        record = draft.record(self.clock.wall(), self.options, host_token=tokens.host, join_token=tokens.join)
        if record.status is MeetingStatus.ACTIVE:
            self._require_room()
        if once is not None:
            once = replace(once, meeting_id=record.id)
        if not await self._add(record, once, is_named=draft.id is not None):
            if once is not None and await self.store.find_once(once.key_digest) is not None:
                raise RemoteError("once_taken", "the meeting was made already", status=409)
            raise RemoteError("conflict", f"there is a meeting {record.id!r} already", "choose another id", status=409)
        return NewMeeting(record, tokens)

    async def _add(self, record: MeetingRecord, once: Once | None, *, is_named: bool) -> bool:
        may_wait = once is None and not is_named  # what nobody else can have made need not be looked up
        if may_wait and not await self.settle():
            self._ledger.defer(Added(record))
            return True
        try:
            return await self.store.add(record, once) or await self._replace_ended(record, once)
        except RemoteError as error:
            if not may_wait or error.code != "store_unavailable":
                raise
        self._ledger.defer(Added(record))
        return True

    async def _replace_ended(self, record: MeetingRecord, once: Once | None) -> bool:
        """The name of a meeting that has ended is free again."""
        before = await self.store.find(record.id)
        if before is None or before.status is not MeetingStatus.ENDED:
            return False
        await self.store.remove(record.id)
        self._over.discard(record.id)
        return await self.store.add(record, once)

    async def open_here(self, planned: NewMeeting) -> None:
        """Has it at hand, so that who joins it first waits for no store; unless other servers can not be told now,
        when whoever joins it first has it brought. Raises ``RemoteError`` ``rate_limited``.
        """
        try:
            await self._homes.take(planned.record.id)
        except RemoteError:
            return
        self.open(planned)

    def open(self, planned: NewMeeting) -> Meeting:
        """Has it at hand, where this process is its home. Raises ``RemoteError`` ``rate_limited``."""
        self._require_room()
        meeting = self._open(planned.record)
        meeting.host_token, meeting.join_token = planned.tokens.host, planned.tokens.join
        return meeting

    async def meeting(self, meeting_id: str) -> Meeting:
        """The meeting of that id, to be joined. Raises ``RemoteError`` ``meeting_not_found``."""
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            return meeting
        await self._homes.take(meeting_id)
        try:
            return await self._bring(meeting_id)
        finally:
            if meeting_id not in self._meetings:
                self._homes.let_go(meeting_id, is_over=False)

    async def _bring(self, meeting_id: str) -> Meeting:
        """From the store to hand. Raises as ``meeting``."""
        record = await self.record(meeting_id)
        if record.status is MeetingStatus.ENDED:
            raise RemoteError("meeting_not_found", "the meeting has ended", "ask for another", status=404)
        said = await self._history.load(meeting_id) if record.rules.keep_chat else None
        kept = await self.store.recall(meeting_id)
        seats = [seat for keeper in self._seat_keepers for seat in await keeper.seats(meeting_id)]
        self._require_room()
        return self._open(record, said, kept, seats)

    async def meeting_or_new(self, meeting_id: str) -> Meeting:
        """The meeting of that id, made if there is none (development mode): who joins it first is its host."""
        try:
            return await self.meeting(meeting_id)
        except RemoteError as error:
            if error.code != "meeting_not_found" or is_made_id(meeting_id):
                raise
        try:
            meeting = await self.create_meeting(id=meeting_id)
        except RemoteError as error:
            if error.code != "conflict":
                raise
            return await self.meeting(meeting_id)  # somebody was faster
        meeting.first_is_host = True
        return meeting

    def revoke(self, *, identity: str | None = None, token_id: str | None = None) -> int:
        """Who came by that token or as that identity leaves every meeting; how many were in one at hand."""
        self._homes.revoked(identity=identity, token_id=token_id)
        return self.remove_revoked(identity=identity, token_id=token_id)

    def remove_revoked(self, *, identity: str | None = None, token_id: str | None = None) -> int:
        """As ``revoke``, when another process was told."""
        meetings = tuple(self._meetings.values())
        return sum(meeting.admission.revoke(identity=identity, token_id=token_id) for meeting in meetings)

    # what was written down

    async def record(self, meeting_id: str) -> MeetingRecord:
        """What is known of a meeting, ended or not. Raises ``RemoteError`` ``meeting_not_found``."""
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            return meeting.record
        await self.settle()
        record = await self.store.find(meeting_id)
        if record is None:
            raise missing(meeting_id)
        if record.id in self._over and record.status is not MeetingStatus.ENDED:
            return replace(record, status=MeetingStatus.ENDED)
        return record

    async def update(self, meeting_id: str, expected_version: int | None, changes: Mapping[str, Any]) -> MeetingRecord:
        """Changes what was agreed, by the names of the record's fields; a running meeting goes by it at once.

        Raises ``RemoteError``: ``meeting_not_found``, ``precondition_failed``, ``bad_request``, ``conflict``.
        """
        before = await self.record(meeting_id)
        if before.status is MeetingStatus.ENDED:
            raise RemoteError("conflict", "the meeting has ended", "make another", status=409)
        if "title" in changes:
            changes = {**changes, "title": check_title(changes["title"])}
        check_record(replace(before, **changes), self.options)
        if expected_version is None:
            expected_version = before.version  # what was checked is what is changed
        settled = await self.settle()
        meeting = self._meetings.get(meeting_id)
        if meeting is None:
            return await self._update_kept(before, expected_version, changes)
        try:
            if not settled:
                raise unavailable()
            record = await self.store.update(meeting_id, expected_version, changes)
        except RemoteError as error:
            if error.code != "store_unavailable":
                raise
            if expected_version != meeting.record.version:
                raise outdated(expected_version, meeting.record.version) from error
            record = replace(meeting.record, **changes, version=expected_version + 1)
            self._ledger.defer(Changed(record, self.clock.wall()))
        meeting.changed(record)
        return record

    async def _update_kept(self, before: MeetingRecord, version: int, changes: Mapping[str, Any]) -> MeetingRecord:
        """Of a meeting that was not at hand: what follows from other rules is what ``Meeting.changed`` does."""
        record = await self.store.update(before.id, version, changes)
        if before.rules.keep_chat and not record.rules.keep_chat:
            self._history.forget(before.id)
        is_chat_changed = before.rules.chat_settings != record.rules.chat_settings
        if is_chat_changed:
            await forget_chat_orders(self.store, self._ledger, before.id, self.clock.wall())
        meeting = self._meetings.get(before.id)
        if meeting is not None:  # somebody came meanwhile
            meeting.changed(record)
            if is_chat_changed:
                meeting.chat.follow_rules()
        return record

    async def new_join_token(self, meeting_id: str, expires_at: datetime | None = None) -> tuple[MeetingRecord, str]:
        """Another join token in the place of the one before, which is good no longer. Raises as ``update``."""
        token, record = new_token(), await self.record(meeting_id)
        expires_at = expires_at or join_expiry(
            self.clock.wall(), record.scheduled_start, record.duration_s, self.options
        )
        changes = {"join_digest": digest(token), "join_expires_at": expires_at}
        record = await self.update(meeting_id, None, changes)
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            meeting.join_token = token
        return record, token

    async def end_meeting(self, meeting_id: str) -> None:
        """Everybody is told and leaves; nobody comes in any more. Idempotent. Raises ``RemoteError``
        ``meeting_not_found``.
        """
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            meeting.end()
            return
        record = await self.record(meeting_id)
        if record.status is not MeetingStatus.ENDED:
            await self.store.end(meeting_id, self.clock.wall())

    async def delete_meeting(self, meeting_id: str) -> None:
        """Ends it, and forgets that it was. Raises ``RemoteError`` ``meeting_not_found``."""
        is_at_hand = meeting_id in self._meetings
        await self.end_meeting(meeting_id)
        if not await self.settle() and is_at_hand:
            self._ledger.defer(Removed(meeting_id, self.clock.wall()))
            return
        await self.store.remove(meeting_id)

    async def list_meetings(self, wanted: MeetingFilter, cursor: str | None, limit: int) -> Page[MeetingRecord]:
        """Those that were made, the latest ``starts_at`` first."""
        await self.settle()
        return await self.store.list_meetings(wanted, cursor, limit)

    async def counts(self, meeting_ids: Sequence[str]) -> Mapping[str, int | None]:
        """How many participants are in each of these meetings, here or elsewhere; None: that can not be known now."""
        elsewhere = [meeting_id for meeting_id in meeting_ids if meeting_id not in self._meetings]
        there = await self._homes.counts(elsewhere)
        counts: dict[str, int | None] = {one: None if there is None else there[one] for one in elsewhere}
        here = ((one, self._meetings.get(one)) for one in meeting_ids)
        return counts | {one: len(meeting.participants) for one, meeting in here if meeting is not None}

    async def stays(
        self, meeting_id: str, cursor: str | None, limit: int, *, current: bool | None = None
    ) -> Page[ParticipantRecord]:
        """Who is there (``current`` True), was there (False), or both, in the order of joining.

        Raises ``RemoteError`` ``meeting_not_found``.
        """
        await self.record(meeting_id)
        await self.settle()
        return await self.store.participants(meeting_id, cursor, limit, current=current)

    async def recordings(self, meeting_id: str) -> tuple[RecordingRecord, ...]:
        """Those of a meeting, the oldest first."""
        await self.settle()
        return await self.store.recordings(meeting_id)

    async def end_idle(self) -> None:
        """Ends meetings that nobody is in any more and that are at nobody's hand: what a crash left behind, and plans
        that came to nothing. To be called now and then.
        """
        now = self.clock.wall()
        await self.settle()
        idle_since = now - timedelta(seconds=self.options.empty_meeting_s)
        elsewhere = await self._homes.elsewhere()
        await self.store.end_idle(now, idle_since, keep=elsewhere | self._meetings.keys())

    def close(self, reason: EndReason = EndReason.SERVER_STOPPING) -> None:
        """Ends every meeting; nobody comes in any more. Idempotent."""
        self._is_closed = True
        for meeting in tuple(self._meetings.values()):
            meeting.end(reason)

    def _open(
        self,
        record: MeetingRecord,
        said: ChatLog | None = None,
        kept: Kept = NOTHING,
        seats: Sequence[Seat] = (),
    ) -> Meeting:
        meeting = self._meetings.get(record.id)
        if meeting is None:
            meeting = Meeting(
                record,
                self._engine,
                self.clock,
                self.options,
                self.allocator,
                choose_feeds=self._choose_feeds,
                ledger=self._ledger,
                seat_keepers=self._seat_keepers,
                history=self._history,
                hooks=self.hooks,
                admission_stats=self.admission_stats,
                said=said,
                kept=kept,
                on_end=self._on_end,
                on_change=self._homes.changed,
            )
            self._meetings[record.id] = meeting
            meeting.expect(seats)
        return meeting

    def _on_end(self, meeting: Meeting) -> None:
        del self._meetings[meeting.id]
        self._homes.let_go(meeting.id, is_over=meeting.record.status is MeetingStatus.ENDED)
        if meeting.record.status is MeetingStatus.ENDED:
            self._over.add(meeting.id)

    async def settle(self) -> bool:
        """What was noted comes before what is asked for. False while the store is away: the asking fails by itself."""
        over = tuple(self._over)
        settled = await self._ledger.settle()
        if settled:
            self._over.difference_update(over)
        return settled

    def _require_room(self) -> None:
        if self._is_closed:
            raise RemoteError("meeting_not_found", "the server is stopping", status=503)
        if len(self._meetings) >= self.options.max_meetings:
            most = self.options.max_meetings
            raise RemoteError("rate_limited", f"the server has its {most} meetings", "try again later", status=503)
