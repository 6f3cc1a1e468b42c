"""Somebody in a meeting, as far as the others are concerned: a name, a transport and what it publishes.

``Attendee`` (joins by our offer, has slots and a signaling socket) and ``Publisher`` (its client offered, it
only sends) are the two kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sfu.clock import Timer
from sfu.conference.authority import Caller
from sfu.conference.events import Event, LeaveReason, Unpublished
from sfu.conference.grants import GUEST, Grants
from sfu.conference.names import new_participant_id, new_session_id, new_token
from sfu.conference.reception import Reception
from sfu.conference.rights import Rights, Withdrawal
from sfu.conference.sources import Sources
from sfu.conference.track import Source
from sfu.conference.views import ParticipantView, timestamp
from sfu.media.producer import Producer
from sfu.media.states import TransportState
from sfu.media.transport import Transport
from sfu.rtp.codecs import Kind

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting


class Participant(ABC):
    """``token`` proves to the server that a request comes from this participant's client.

    Leaves its meeting once, by ``Meeting.remove``; after that nothing calls it any more.
    """

    def __init__(
        self,
        meeting: Meeting,
        name: str,
        rights: Rights,
        transport: Transport,
        *,
        grants: Grants = GUEST,
        former_id: str | None = None,
    ) -> None:
        """``former_id``: what it was called, of somebody who is back."""
        self.meeting = meeting
        self.id = former_id or new_participant_id()
        self.session_id = new_session_id()
        """This stay, in the records."""
        self.token = new_token()
        self.name = name
        self.grants = grants
        self.identity = grants.identity or ""
        """Who it is, for who gave it a token; "": a guest."""
        self.rights = rights
        self.rank = meeting.next_rank()
        """In the order of joining."""
        now = meeting.clock.wall()
        self.joined_at = timestamp(now)
        self.transport = transport
        self.sources = Sources(
            self.id,
            name,
            self.rank,
            transport,
            on_produced=self._on_produced,
            on_track=partial(meeting.voices.track_changed, self.id),
            chronicle=meeting.chronicle,
        )
        self._departure: Timer | None = None
        self._last_call: Timer | None = None
        self.leaves_at: datetime | None = None
        """When its time is over."""
        if grants.session_s is not None:
            self.leaves_at = now + timedelta(seconds=grants.session_s)
            self._last_call = meeting.clock.call_later(grants.session_s, self._expire)
        transport.on_state = self._on_transport

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Whether its client is there now."""

    @property
    def caller(self) -> Caller:
        """Itself, as somebody who wants something done."""
        return Caller(self.rights.role, self.id)

    def view(self) -> ParticipantView:
        """What the others are told."""
        rights = self.rights
        return ParticipantView(
            self.id,
            self.name,
            self.joined_at,
            self.is_connected,
            rights.role.value,
            rights.hand,
            self.sources.views(),
        )

    def tell(self, kind: str, **data: Any) -> None:
        """Those outside, that something happened to it."""
        person = {"participant_id": self.id, "session_id": self.session_id}
        self.meeting.chronicle.tell(kind, **person, name=self.name, identity=self.identity, **data)

    @property
    def reception(self) -> Reception | None:
        """What it receives; None for who only sends."""
        return None

    @abstractmethod
    def notify(self, event: Event) -> None:
        """Tells its client, where that has a way to listen."""

    @abstractmethod
    def permitted(self) -> None:
        """It may publish something else than before."""

    def withdraw(self, sources: Iterable[Source], reason: Withdrawal, *, by: str | None) -> None:
        """The server takes these away, as far as they are published: its client is told, and nobody sees them."""
        for source in sources:
            if self.sources.unpublish(source, reason.value):
                self.notify(Unpublished(source.value, reason.value, by))
                self.meeting.updated(self)
                self.meeting.refresh(self)

    def leave(self) -> None:
        """Leaves because it wants to. Idempotent."""
        self.meeting.remove(self, LeaveReason.LEFT)

    def close(self) -> None:
        """Lets go of its media. For ``Meeting.remove`` alone, which also tells the others."""
        self._cancel_departure()
        if self._last_call is not None:
            self._last_call.cancel()
        self.transport.on_state = None
        self.sources.close()
        self.transport.close()

    def _on_produced(self, source: Source, producer: Producer) -> None:
        """A source has a producer from now on. Its client cannot be told which encodings are wanted."""
        if source.kind is Kind.VIDEO:
            self.meeting.allocator.offer(producer, None)
            self._limit(source, producer)

    def _limit(self, source: Source, producer: Producer) -> None:
        """What plugins say of a video that is published counts for its producer."""
        track = self.sources.tracks.get(source)
        if track is not None and source.kind is Kind.VIDEO:
            self.meeting.allocator.limit(producer, track.limits)

    def _on_transport(self, _transport: Transport, state: TransportState, _detail: str) -> None:
        """The transport's state changed; the text says why."""
        if state is TransportState.CLOSED:
            self.sources.close()

    def _expire(self) -> None:
        self.meeting.remove(self, LeaveReason.EXPIRED)

    def _depart_later(self, delay_s: float, reason: LeaveReason) -> None:
        """Leaves after ``delay_s``; a departure that is planned already is replaced."""
        self._cancel_departure()
        self._departure = self.meeting.clock.call_later(delay_s, lambda: self.meeting.remove(self, reason))

    def _cancel_departure(self) -> None:
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
