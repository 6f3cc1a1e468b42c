"""A participant who joins by our offer: publishes on fixed m-lines, receives on slots, listens to events.

Negotiation: the first offer comes with the join; later ones only when more video slots are wanted or ICE is
to restart. One offer is outstanding at a time; what is wanted meanwhile is merged into the next.

Long, because all that a client asks for by signaling has its method here; what each does is in a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING

from sfu.conference.beat import Beat
from sfu.conference.events import (
    EncodingsChanged,
    Event,
    LeaveReason,
    Listener,
    Muted,
    OfferMade,
    PermissionsChanged,
    Replaced,
    SlotsChanged,
    TransportChanged,
    ViewChanged,
)
from sfu.conference.grants import GUEST, Grants
from sfu.conference.layout import FIRST_PAGE, Feeds, Receiver, View
from sfu.conference.letterbox import Letterbox
from sfu.conference.names import new_participant_id
from sfu.conference.negotiation import Negotiation
from sfu.conference.offering import Asked, Offering
from sfu.conference.participant import Participant
from sfu.conference.reception import Reception, Tile
from sfu.conference.rights import Rights
from sfu.conference.scene import Scene
from sfu.conference.slot import Slot, SlotTable, first_video_slots
from sfu.conference.track import NO_LIMITS, Content, Limits, Source, Track
from sfu.conference.views import EncodingsView, MeetingTitle, OfferView, PermissionsView, Welcome
from sfu.errors import RemoteError
from sfu.media.producer import Producer
from sfu.media.states import TransportState
from sfu.media.transport import Transport
from sfu.rtp.codecs import Kind
from sfu.sdp.negotiate import IngressSection, NegotiatedSession

if TYPE_CHECKING:
    from sfu.conference.meeting import Meeting

INGRESS = {
    Source.MICROPHONE: IngressSection("0", Kind.AUDIO),
    Source.CAMERA: IngressSection("1", Kind.VIDEO, rids=("q", "h", "f")),
    Source.SCREEN: IngressSection("2", Kind.VIDEO, content="slides"),
    Source.SCREEN_AUDIO: IngressSection("3", Kind.AUDIO),
}
"""The m-lines that a client sends on, first in every offer."""
TELL_S, TELL_BURST = 1.0, 3
"""So many messages within that time say whom slots show; then they gather. What the client asked for itself is told at
once.
"""

_SOURCE_OF_MID = {section.mid: source for source, section in INGRESS.items()}


class Attendee(Participant):
    """Lives while its client listens (``attach``) and for the resume window after the client went away."""

    def __init__(
        self,
        meeting: Meeting,
        name: str,
        rights: Rights,
        transport: Transport,
        *,
        grants: Grants = GUEST,
        video: int | None = None,
        former_id: str | None = None,
    ) -> None:
        """``video``: how many videos the client shows; None: it does not say."""
        super().__init__(meeting, name, rights, transport, grants=grants, former_id=former_id)
        self._offerings: dict[Source, Offering] = {}
        options, there = meeting.options, meeting.scene.remote_videos(self.id)
        self.slots = SlotTable(
            transport, new_participant_id(), on_change=self._slots_changed, ear=partial(meeting.voices.hear, self.id)
        )
        self._reception = meeting.allocator.receive(self.id, self.slots, transport, self.notify, grants.max_bps)
        self._view = FIRST_PAGE
        self._dominant: str | None = None
        self._told_view = ViewChanged()
        self._page = self._told_view.page, self._told_view.pages
        self._wanted_video = first_video_slots(options, meeting.permissions.rules.max_video, video, there)
        self._wants_ice_restart = False
        self._local = transport.local
        self._negotiation = Negotiation(options.codecs)
        self._slots_beat = Beat(meeting.clock, lambda: TELL_S, self.tell_slots, burst=TELL_BURST)
        self._listener: Listener | None = None
        self._letterbox = Letterbox(meeting.clock, self._tell)
        self._was_attached = False
        self._add_slots(Kind.AUDIO, options.audio_slots)
        self._add_slots(Kind.VIDEO, self._wanted_video)
        self._negotiation.propose(self._local, (*INGRESS.values(), *self.slots.sections))
        self._depart_later(options.resume_window_s, LeaveReason.TIMEOUT)

    # what its client hears

    @property
    def is_connected(self) -> bool:
        """Whether a signaling socket is attached."""
        return self._listener is not None

    @property
    def offer(self) -> OfferView:
        """The latest offer, answered or not."""
        return OfferView(self._negotiation.version, self._negotiation.sdp)

    @property
    def receiver(self) -> Receiver:
        """What the layout is asked to fill."""
        video = min(self._wanted_video, self.slots.count_open(Kind.VIDEO))
        return Receiver(
            self.id, self.slots.count_open(Kind.AUDIO), video, self._view, self.meeting.gate.denied(self.id)
        )

    @property
    def reception(self) -> Reception:
        """What it receives."""
        return self._reception

    def attach(self, listener: Listener, offer_known: int | None = None) -> Welcome:
        """Sends events to ``listener`` after this; an older one gets ``Replaced``. Gives the whole state as of now, but
        for an offer of the version that is ``offer_known``.
        """
        older, self._listener = self._listener, _unheard  # nothing comes before the welcome
        resumed, self._was_attached = self._was_attached, True
        if self.transport.state is not TransportState.CLOSED:
            self._cancel_departure()
        if older is not None:
            older(Replaced())
        else:
            self.meeting.updated(self)
        self._letterbox.empty()
        self._listener = listener
        has_news = self._negotiation.is_outstanding and self._negotiation.version != offer_known
        return Welcome(
            participant_id=self.id,
            meeting=MeetingTitle(self.meeting.id, self.meeting.title),
            participants=self.meeting.roster.first(self.id),
            total=len(self.meeting.participants),
            slots=self.slots.views(),
            offer=self.offer if has_news else None,
            resumed=resumed,
            transport=self.transport.state.value,
            view=self._told_view,
            permissions=self._permissions(),
            chat=self.meeting.chat.view(),
            moderation=self.meeting.moderation.view(),
            speakers=self.meeting.voices.view(),
            quality=self._reception.qualities,
            encodings=self._encodings(),
        )

    def detach(self, listener: Listener) -> None:
        """That listener is gone. Unless a newer one took over, the resume window begins."""
        if self._listener != listener:  # bound methods are equal, not identical
            return
        self._listener = None
        self._letterbox.empty()
        if self._departure is None:
            self._depart_later(self.meeting.options.resume_window_s, LeaveReason.TIMEOUT)
        self.meeting.updated(self)

    def notify(self, event: Event) -> None:
        """Tells the listener, if there is one; who comes later gets the whole state."""
        if self._listener is not None:
            self._letterbox.put(event)

    def _tell(self, event: Event) -> None:
        if self._listener is not None:
            self._listener(event)

    # what its client asks for

    def answer(self, version: int, sdp: str) -> None:
        """Takes the answer to the offer of that version. Raises ``RemoteError``; the offer then still waits."""
        self._require_transport()
        session = self._negotiation.understand(version, sdp)
        if self.transport.state is TransportState.NEW:
            self.transport.connect(session.remote)
        else:
            self.transport.update_remote(session.remote)
        self._negotiation.settle()
        before = self.sources.feeds()
        self._apply(session)
        if before or self.sources.feeds():
            self.meeting.refresh(self)
        self.meeting.arrange(self)
        self.tell_slots()
        self._negotiate()

    def publish(
        self,
        source: Source,
        *,
        muted: bool = False,
        take_over: bool = False,
        content: Content | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Shows a source to the others. Before the first answer it is remembered. ``take_over``: a screen, in the
        place of the one that has been shared longest where no other may be. ``limits``: of a video that was not shared.
        """
        self._require_transport()
        self.sources.require(source)
        self.meeting.permissions.admit(self, source, take_over=take_over)
        is_held = source is Source.MICROPHONE and not self.rights.may_unmute and not muted
        changed = self.sources.publish(source, muted=muted or is_held, content=content, limits=limits)
        producer = self.sources.tracks[source].producer
        if producer is not None:
            self._limit(source, producer)
        self._changed(changed)
        self._note_unmuted(source, muted=muted or is_held)
        if is_held:
            self.notify(Muted(source.value, None, None))

    def unpublish(self, source: Source) -> None:
        """Shows it no longer."""
        self._changed(self.sources.unpublish(source))

    def mute(self, source: Source, *, muted: bool) -> None:
        """While muted nothing of it reaches anybody; its slots stay. Raises ``RemoteError`` ``forbidden`` when a host
        has muted it for good.
        """
        if source is Source.MICROPHONE and not muted and not self.rights.may_unmute:
            raise RemoteError("forbidden", "a host has muted you", "raise your hand to speak", status=403)
        self._changed(self.sources.mute(source, muted=muted, by=self.id))
        self._note_unmuted(source, muted=muted)

    def request_slots(self, video: int) -> None:
        """Wants ``video`` tiles filled. Slots never become fewer in the SDP; those beyond stay idle."""
        most = self.meeting.options.video_slots_max
        if not 0 <= video <= most:
            raise RemoteError("bad_request", f"video is {video}", f"0 to {most}")
        limit = self.meeting.permissions.rules.max_video
        if video > limit:
            raise RemoteError("limit_reached", f"max_video of the meeting is {limit}", f"0 to {limit}", status=409)
        self._require_transport()
        self._wanted_video = video
        self._arrange()
        self._negotiate()

    def set_layers(self, mid: str, spatial: int, temporal: int) -> None:
        """Caps what a slot gets."""
        self._slot(mid).set_layers(spatial, temporal)
        self.meeting.allocator.touch(self._reception)

    def pause_slot(self, mid: str, *, paused: bool) -> None:
        """Does not want to see a slot for now, or wants to again."""
        self._reception.pause(self._slot(mid).mid, paused=paused)
        self.meeting.allocator.touch(self._reception)

    def show(self, tiles: Mapping[str, Tile], *, hidden: bool, view: View = FIRST_PAGE) -> None:
        """Says what it wants to see, and how it shows its slots, all of them; see ``Reception.show``."""
        for mid in tiles:
            self._slot(mid)
        self._reception.show(tiles, hidden=hidden)
        self.meeting.allocator.touch(self._reception)
        if view != self._view:
            self._view = view
            self._arrange()

    def restart_ice(self) -> None:
        """Wants an offer with new ICE credentials; media goes on over the old ones meanwhile."""
        self._require_transport()
        self._wants_ice_restart = True
        self._negotiate()

    def permitted(self) -> None:
        """See ``Participant``."""
        view = self._permissions()
        self.meeting.seating.changed(self)
        self.notify(PermissionsChanged(*astuple(view)))

    # what the meeting shows it

    def show_feeds(self, feeds: Feeds, scene: Scene) -> None:
        """These feed its slots from now on; its client is told what changed."""
        if self._reception.hear(scene.dominant):
            self.meeting.allocator.touch(self._reception)
        is_new_speaker, self._dominant = scene.dominant != self._dominant, scene.dominant
        if self.slots.assign(feeds):
            self._slots_beat.due()
            if is_new_speaker:
                self.tell_slots()  # who speaks is to be seen now
        self._page = feeds.page, feeds.pages

    def hear(self, audio: tuple[Track, ...] | None) -> None:
        """These feed its audio slots from now on; None: whoever speaks."""
        if self.slots.assign_audio(audio):
            self._slots_beat.due()

    def tell_view(self, scene: Scene) -> None:
        """Tells the client how many videos there are, and which page it sees, if it does not know."""
        hidden = sum(scene.find(*key) is not None for key in self.meeting.gate.denied(self.id))
        view = ViewChanged(scene.remote_videos(self.id) - hidden, *self._page)
        if view != self._told_view:
            self._told_view = view
            self.notify(view)

    # inner

    def tell_slots(self) -> None:
        """Tells the client which slots changed."""
        changes = self.slots.changes()
        if changes:
            self.notify(SlotsChanged(changes))

    def _slots_changed(self) -> None:
        self._slots_beat.due()

    def close(self) -> None:
        """See ``Participant``."""
        self._slots_beat.stop()
        self.meeting.allocator.leave(self._reception)
        self.slots.close()
        super().close()
        self._listener = None
        self._letterbox.empty()

    def _on_transport(self, transport: Transport, state: TransportState, detail: str) -> None:
        super()._on_transport(transport, state, detail)
        self.notify(TransportChanged(state.value, detail))
        if state is TransportState.CLOSED:
            self.meeting.allocator.leave(self._reception)
            self.slots.close()
            self.meeting.updated(self)
            self.meeting.refresh(self)
            self._arrange()
            self._depart_later(self.meeting.options.resume_window_s, LeaveReason.CLOSED)

    def _on_produced(self, source: Source, producer: Producer) -> None:
        if source.kind is not Kind.VIDEO:
            return

        def tell(_: Producer, asked: Asked) -> None:
            self.notify(EncodingsChanged(producer.mid, source.value, *_by_rid(producer, asked)))

        self._offerings[source] = self.meeting.allocator.offer(producer, tell)
        self._limit(source, producer)

    def _permissions(self) -> PermissionsView:
        return self.meeting.permissions.view(self.rights, self.meeting.options.video_slots_max)

    def _encodings(self) -> tuple[EncodingsView, ...]:
        """Of sources that should not send everything."""
        return tuple(
            EncodingsView(offering.producer.mid, source.value, *_by_rid(offering.producer, offering.asked))
            for source, offering in self._offerings.items()
            if not offering.producer.closed and not offering.is_whole
        )

    def _slot(self, mid: str) -> Slot:
        slot = self.slots.find(mid)
        if slot is None:
            mids = ", ".join(place.mid for place in self.slots.places)
            raise RemoteError("bad_request", f"no slot has mid {mid!r}", f"one of {mids}")
        return slot

    def _apply(self, session: NegotiatedSession) -> None:
        self.transport.set_rtp(session.receive, session.send, session.rtcp_reduced_size)
        self.sources.negotiated(
            (_SOURCE_OF_MID[line.mid], line) for line in session.media if line.mid in _SOURCE_OF_MID
        )
        self.slots.negotiated(session.media)

    def _negotiate(self) -> None:
        """Makes the next offer if one is needed and none is outstanding."""
        missing = self._wanted_video - self.slots.count(Kind.VIDEO)
        if self._negotiation.is_outstanding or not (missing > 0 or self._wants_ice_restart):
            return
        if self._wants_ice_restart:
            self._wants_ice_restart = False
            self._local = self.transport.restart_ice()
        self._add_slots(Kind.VIDEO, missing)
        self._negotiation.propose(self._local, (*INGRESS.values(), *self.slots.sections))
        self.notify(OfferMade(self._negotiation.version, self._negotiation.sdp, self.slots.places))

    def _add_slots(self, kind: Kind, count: int) -> None:
        for _ in range(count):
            mid = str(len(INGRESS) + len(self.slots.places))
            # A stream of its own for each slot: tracks of one stream are held in sync by the browser, and
            # slots show unrelated people.
            self.slots.add(self.slots.allocate(kind, mid, stream_id=f"slot-{mid}"))

    def _arrange(self) -> None:
        """Its slots are others, or its wish: it is shown and told that at once."""
        self.meeting.arrange(self)
        self._slots_beat.stop()
        self.tell_slots()
        self.tell_view(self.meeting.scene)

    def _note_unmuted(self, source: Source, *, muted: bool) -> None:
        if source is Source.MICROPHONE and not muted:
            self.rights.muted_by_host = False

    def _changed(self, changed: bool) -> None:
        if changed:
            self.meeting.updated(self)
            self.meeting.refresh(self)

    def _require_transport(self) -> None:
        if self.transport.state is TransportState.CLOSED:
            raise RemoteError("conflict", "the media transport is closed", "join the meeting again", status=409)


def _unheard(_event: Event) -> None:
    """Stands in for a listener that has not got its welcome yet."""


def _by_rid(producer: Producer, asked: Asked) -> tuple[dict[str, bool], dict[str, int]]:
    rids = [item.rid or "" for item in producer.encodings]
    layers = {} if asked.spatial_layers is None else dict.fromkeys(rids, asked.spatial_layers)
    return {rid: bool(asked.active >> index & 1) for index, rid in enumerate(rids)}, layers
