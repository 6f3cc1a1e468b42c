"""Somebody who only receives one participant at a time (WHEP): no participant, nobody is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sfu.clock import Timer
from sfu.conference.client_offer import ClientOffer
from sfu.conference.grants import GUEST, Grants
from sfu.conference.layout import choose_followed, feeds_of
from sfu.conference.names import new_participant_id, new_token
from sfu.conference.slot import SlotTable
from sfu.conference.track import Track
from sfu.errors import RemoteError
from sfu.media.states import TransportState
from sfu.media.transport import Transport
from sfu.rtp.codecs import Kind
from sfu.sdp.description import SessionDescription

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting

_STREAM_ID = "whep"
"""Audio and video are of one stream, so that the player keeps them in sync."""


class Viewer:
    """``target``: whom it sees; None: whoever publishes first, and who comes next when he leaves.

    A viewer of one participant leaves with him. Leaves once, by ``Meeting.remove_viewer``.
    """

    def __init__(
        self,
        meeting: Meeting,
        transport: Transport,
        offer: SessionDescription,
        target: str | None,
        *,
        grants: Grants = GUEST,
    ) -> None:
        self.meeting = meeting
        self.grants = grants
        self.id = new_participant_id()
        self.token = new_token()
        self.transport = transport
        self.target = target
        self._followed: str | None = None
        self.slots = SlotTable(transport, self.id, on_change=lambda: None)
        templates = [self.slots.allocate(kind, "", stream_id=_STREAM_ID) for kind in (Kind.AUDIO, Kind.VIDEO)]
        self.exchange = ClientOffer(transport, offer, meeting.options.codecs, egress=templates, accept_ingress=False)
        sent = [line for line in self.exchange.session.media if line.sends]
        if not sent:
            raise RemoteError(
                "unsupported_media", "the offer receives no audio or video", "m-lines with a=recvonly", status=422
            )
        by_kind = {template.kind: template for template in templates}
        for line in sent:
            self.slots.add(replace(by_kind[line.kind], mid=line.mid))
        self.slots.negotiated(sent)
        self.reception = meeting.allocator.receive(
            self.id, self.slots, transport, tell=lambda _: None, max_bps=grants.max_bps
        )
        self._last_call: Timer | None = None
        if grants.session_s is not None:
            self._last_call = meeting.clock.call_later(grants.session_s, self.leave)
        transport.on_state = self._on_transport

    def follow(self, tracks: Sequence[Track]) -> None:
        """The tracks of the meeting changed."""
        self._followed = self.target or choose_followed(tracks, self._followed)
        self.slots.assign(feeds_of(tracks, self._followed))

    def leave(self) -> None:
        """Goes away. Idempotent."""
        self.meeting.remove_viewer(self)

    def close(self) -> None:
        """Lets go of its media. For ``Meeting.remove_viewer`` alone."""
        if self._last_call is not None:
            self._last_call.cancel()
        self.transport.on_state = None
        self.meeting.allocator.leave(self.reception)
        self.slots.close()
        self.transport.close()

    def _on_transport(self, _: Transport, state: TransportState, _detail: str) -> None:
        if state is TransportState.CLOSED:
            self.leave()
