"""All meetings of a process: finds, makes and ends them, within limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfu.clock import Clock
from sfu.conference.allocation import Allocator
from sfu.conference.events import EndReason
from sfu.conference.layout import ChooseFeeds, choose_feeds
from sfu.conference.meeting import Meeting
from sfu.conference.names import check_meeting_id, check_title, digest, new_meeting_id, new_token
from sfu.conference.options import ConferenceOptions
from sfu.conference.rights import Rules
from sfu.conference.store import MeetingRecord, MeetingStore, MemoryStore
from sfu.errors import RemoteError
from sfu.layers import LayerPolicy, StandardPolicy
from sfu.media.engine import Engine


@dataclass(frozen=True, slots=True)
class ConferenceStats:
    """How much is going on."""

    meetings: int
    participants: int
    viewers: int


class Conference:
    """The roots of everything the server knows about people. The store says which meetings exist; ``meetings`` are
    those that this process has at hand.

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
        choose_feeds: ChooseFeeds = choose_feeds,
        layer_policy: LayerPolicy | None = None,
    ) -> None:
        self.options = options or ConferenceOptions()
        self._engine = engine
        self._clock = clock
        self._store = store if store is not None else MemoryStore()
        self._choose_feeds = choose_feeds
        self.allocator = Allocator(
            clock,
            layer_policy or StandardPolicy(),
            adaptive=self.options.adaptive,
            start_bps=self.options.start_bps,
            max_bps=self.options.max_bps,
        )
        self._meetings: dict[str, Meeting] = {}
        self._ended: set[str] = set()
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
        """Makes a meeting, called ``id`` if one is given; its ``host_token`` is for who had it made.

        Raises ``RemoteError``: ``bad_request``, ``conflict`` when the id is taken, ``rate_limited`` when there
        are too many meetings.
        """
        title = check_title(title)
        meeting_id = check_meeting_id(id) if id is not None else new_meeting_id()
        self._require_room()
        await self._forget_ended()
        token = new_token()
        record = MeetingRecord(meeting_id, title, self._clock.wall(), rules or self.options.rules, digest(token))
        if not await self._store.add(record):
            raise RemoteError("conflict", f"there is a meeting {meeting_id!r} already", "choose another id", status=409)
        meeting = self._open(record)
        meeting.host_token = token
        return meeting

    async def meeting(self, meeting_id: str) -> Meeting:
        """The meeting of that id. Raises ``RemoteError`` ``meeting_not_found``."""
        meeting = self._meetings.get(meeting_id)
        if meeting is not None:
            return meeting
        await self._forget_ended()
        record = await self._store.find(meeting_id)
        if record is None:
            raise RemoteError(
                "meeting_not_found", f"there is no meeting {meeting_id[:64]!r}", "check the link", status=404
            )
        self._require_room()
        return self._open(record)

    async def meeting_or_new(self, meeting_id: str) -> Meeting:
        """The meeting of that id, made if there is none (development mode): who joins it first is its host."""
        try:
            return await self.meeting(meeting_id)
        except RemoteError as error:
            if error.code != "meeting_not_found":
                raise
        try:
            meeting = await self.create_meeting(id=meeting_id)
        except RemoteError as error:
            if error.code != "conflict":
                raise
            return await self.meeting(meeting_id)  # somebody was faster
        meeting.first_is_host = True
        return meeting

    def close(self, reason: EndReason = EndReason.SERVER_STOPPING) -> None:
        """Ends every meeting; nobody comes in any more. Idempotent."""
        self._is_closed = True
        for meeting in tuple(self._meetings.values()):
            meeting.end(reason)

    def _open(self, record: MeetingRecord) -> Meeting:
        meeting = self._meetings.get(record.id)
        if meeting is None:
            meeting = Meeting(
                record,
                self._engine,
                self._clock,
                self.options,
                self.allocator,
                choose_feeds=self._choose_feeds,
                on_end=self._on_end,
            )
            self._meetings[record.id] = meeting
        return meeting

    def _on_end(self, meeting: Meeting) -> None:
        del self._meetings[meeting.id]
        if not self._is_closed:
            self._ended.add(meeting.id)

    async def _forget_ended(self) -> None:
        """Removes the records of meetings that ended. Ending is synchronous and the store is not, so it is done
        before the store is looked at again; nobody can see the difference.
        """
        while self._ended:
            await self._store.remove(self._ended.pop())

    def _require_room(self) -> None:
        if self._is_closed:
            raise RemoteError("meeting_not_found", "the server is stopping", status=503)
        if len(self._meetings) >= self.options.max_meetings:
            most = self.options.max_meetings
            raise RemoteError("rate_limited", f"the server has its {most} meetings", "try again later", status=503)
