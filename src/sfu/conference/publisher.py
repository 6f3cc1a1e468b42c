"""A participant whose client made the offer and only sends (WHIP). Listed like everybody; hears nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from sfu.conference.client_offer import ClientOffer
from sfu.conference.events import Event, LeaveReason
from sfu.conference.grants import GUEST, Grants
from sfu.conference.participant import Participant
from sfu.conference.rights import Rights
from sfu.conference.track import NO_LIMITS, Limits, Source
from sfu.errors import RemoteError
from sfu.media.states import TransportState
from sfu.media.transport import Transport
from sfu.rtp.codecs import Kind
from sfu.sdp.attributes import Direction
from sfu.sdp.description import SessionDescription
from sfu.sdp.negotiate import NegotiatedMedia

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting

_SOURCES = {
    Kind.AUDIO: (Source.MICROPHONE, Source.SCREEN_AUDIO),
    Kind.VIDEO: (Source.CAMERA, Source.SCREEN),
}
"""What the first and the second m-line of a kind are taken for."""


class Publisher(Participant):
    """``answer`` is the SDP to send back. Leaves when it is told to, or when its transport closes (which it does, too,
    when nothing connects to it in time)."""

    def __init__(
        self,
        meeting: Meeting,
        name: str,
        rights: Rights,
        transport: Transport,
        offer: SessionDescription,
        *,
        grants: Grants = GUEST,
        limits: Mapping[Source, Limits] | None = None,
    ) -> None:
        """``limits``: of what it sends, by source."""
        super().__init__(meeting, name, rights, transport, grants=grants)
        self._limits = limits or {}
        self.exchange = ClientOffer(transport, offer, meeting.options.codecs, egress=(), accept_ingress=True)
        sources = _name_sources(self.exchange.session.media)
        if not sources:
            raise RemoteError(
                "unsupported_media", "the offer sends no audio or video", "m-lines with a=sendonly", status=422
            )
        self._sent = [source for source, _ in sources]
        if not rights.publish.intersection(self._sent):
            meeting.permissions.admit(self, self._sent[0])
        self.sources.negotiated(sources)
        self._publish()

    @property
    def is_connected(self) -> bool:
        """Whether its media transport is connected."""
        return self.transport.state is TransportState.CONNECTED

    def permitted(self) -> None:
        """Publishes what it may now, as far as the limits go."""
        with suppress(RemoteError):
            self._publish()
        self.meeting.refresh(self)

    def _publish(self) -> None:
        """All that it sends and may publish; the rest comes in and goes nowhere."""
        for source in self._sent:
            if source in self.rights.publish:
                self.meeting.permissions.admit(self, source)
                is_held = source is Source.MICROPHONE and not self.rights.may_unmute
                muted = is_held or self._is_muted(source)
                self.sources.publish(source, muted=muted, limits=self._limits.get(source, NO_LIMITS))
                producer = self.sources.tracks[source].producer
                if producer is not None:
                    self._limit(source, producer)

    def _is_muted(self, source: Source) -> bool:
        track = self.sources.tracks.get(source)
        return track is not None and track.muted

    def notify(self, event: Event) -> None:
        """Nothing: its client has no way to listen."""

    def _on_transport(self, transport: Transport, state: TransportState, detail: str) -> None:
        super()._on_transport(transport, state, detail)
        if state is TransportState.CLOSED:
            self.meeting.remove(self, LeaveReason.CLOSED)
            return
        self.meeting.updated(self)


def offered_sources(offer: SessionDescription) -> tuple[Source, ...]:
    """What a client wants to publish that offers this, before it is known which of it can be taken."""
    free = {kind.value: list(sources) for kind, sources in _SOURCES.items()}
    sends = (media for media in offer.media if media.direction in {None, Direction.SENDONLY, Direction.SENDRECV})
    return tuple(free[media.kind].pop(0) for media in sends if free.get(media.kind))


def _name_sources(media: tuple[NegotiatedMedia, ...]) -> list[tuple[Source, NegotiatedMedia]]:
    """The m-lines that the client sends on, with the source that each is taken for; a third of a kind is left out."""
    free = {kind: list(sources) for kind, sources in _SOURCES.items()}
    return [(free[line.kind].pop(0), line) for line in media if line.receives and free[line.kind]]
