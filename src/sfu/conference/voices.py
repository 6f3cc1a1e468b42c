"""Who is heard in a meeting, and who has the floor.

The data plane gives the positions of the router's stage to whoever speaks, on energy and at once. This side finds out
who really has something to say (``sfu.speaker``), confirms it, and tells people who is behind their audio slots.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from struct import iter_unpack
from typing import TYPE_CHECKING

from sfu.clock import Clock
from sfu.conference.beat import Beat
from sfu.conference.events import SlotsChanged, SpeakersChanged
from sfu.conference.gate import Gate
from sfu.conference.track import Source, Track
from sfu.conference.views import SpeakersView
from sfu.ids import ProducerId
from sfu.media.producer import Producer
from sfu.media.router import Router
from sfu.rtp.codecs import Kind
from sfu.speaker import SpeakerDetector

if TYPE_CHECKING:
    from sfu.conference.participant import Participant

INTERVAL_S = 0.3
"""Between two messages of a kind; nobody reads faster."""

MAX_AUDIBLE = 5
"""So many are told of as speaking at the same time."""

MAX_CONFIRMED = 16
"""So many the data plane is told of: as many as a stage can have positions."""


class Voices:
    """Of one meeting. People are named by their participant ids; ``participants`` is the meeting's own, ``tell``
    reaches everybody.

    ``on_dominant`` is called after somebody else has the floor than before: never for one who goes on speaking.
    """

    def __init__(
        self,
        clock: Clock,
        slots: int,
        *,
        participants: Mapping[str, Participant],
        tell: Callable[[SpeakersChanged], None],
        gate: Gate,
    ) -> None:
        self.on_dominant: Callable[[], None] | None = None
        self.on_places: Callable[[], None] | None = None
        """Others stand on the stage than before."""
        self._gate = gate
        self._slots = slots
        self._participants = participants
        self._tell = tell
        self._detector: SpeakerDetector[str] = SpeakerDetector()
        self._router: Router | None = None
        self._staged: dict[tuple[str, Source], Producer] = {}
        self._tracks: dict[ProducerId, Track] = {}
        self._places: tuple[Track | None, ...] = ()
        """Who stands where on the stage; the reserve is the last."""
        self._muted: tuple[bool, ...] = ()
        """Of each place."""
        self._own: dict[str, int] = {}
        """The first place of each who stands there."""
        self._sounding = 0
        """Places in front with somebody who is not muted, as told to those who measure networks."""
        self._dominant: str | None = None
        self._audible: tuple[str, ...] = ()
        self._confirmed: tuple[ProducerId | None, frozenset[ProducerId]] = (None, frozenset())
        self._told = SpeakersView()
        self._slots_beat = Beat(clock, lambda: INTERVAL_S, self._tell_slots)
        self._speakers_beat = Beat(clock, lambda: INTERVAL_S, self._tell_speakers)

    # questions

    @property
    def dominant(self) -> str | None:
        """Who has the floor, also while nobody speaks; None until somebody spoke."""
        return self._dominant

    @property
    def recent(self) -> tuple[str, ...]:
        """The last ten that had the floor, the latest first: the dominant one is at its head."""
        return self._detector.recent

    @property
    def audible(self) -> tuple[str, ...]:
        """Who speaks at the moment; who goes on speaking keeps the place in the order."""
        return self._audible

    def view(self) -> SpeakersView:
        """What everybody is told of it."""
        return SpeakersView(self._dominant, self.recent, self._audible)

    def hear(self, participant_id: str, position: int) -> Track | None:
        """What somebody hears at a position: who stands there; at the first position where he stands himself, the
        reserve. As the data plane has it (``source_of`` in crates/core/src/shard/stage.rs).
        """
        if position >= len(self._places) - 1:
            return None
        track = self._places[position]
        if track is None or track.participant_id != participant_id:
            return track
        reserve = self._places[-1]
        is_first = self._own.get(participant_id) == position
        return reserve if is_first and reserve is not None and reserve.participant_id != participant_id else None

    def heard_but(self, participant_id: str, denied: Collection[tuple[str, Source]]) -> tuple[Track, ...]:
        """For who must not hear some, and so can not follow the stage: who stands there besides them and himself."""
        others = (track for track in self._places if track is not None and track.participant_id != participant_id)
        heard = dict.fromkeys(track for track in others if (track.participant_id, track.source) not in denied)
        return tuple(heard)[: self._slots]

    # what happens

    def use(self, router: Router) -> None:
        """The meeting's media goes over this router from now on."""
        self._router = router
        self._confirmed = (None, frozenset())
        self._place()
        router.on_stage = self._on_stage
        router.on_levels = self._on_levels
        self.counted()

    def counted(self) -> None:
        """Others came or went. As many as have a place on the stage are heard in silence, too."""
        if self._router is not None:
            few = len(self._participants) <= self._slots + 1
            self._router.set_stage(self._slots, forward_silence=few)

    def track_changed(self, participant_id: str, source: Source, track: Track | None) -> None:
        """A participant publishes this source, with or without a producer, or does so no longer; or mutes it."""
        if source.kind is not Kind.AUDIO:
            return
        key = participant_id, source
        is_open = track is not None and self._gate.clears(participant_id, source)
        producer = track.producer if track is not None and is_open else None
        before = self._staged.pop(key, None)
        if before is not None and before is not producer:
            before.unstage()
            del self._tracks[before.id]
        if producer is not None and track is not None:
            self._staged[key], self._tracks[producer.id] = producer, track
            producer.stage(always=source is Source.SCREEN_AUDIO)
        elif source is Source.MICROPHONE and before is not None:
            self._detector.remove(participant_id)
            self._decided()
        self._place()

    def stop(self) -> None:
        """Nobody is there. Idempotent; what happens afterwards starts it anew."""
        self._slots_beat.stop()
        self._speakers_beat.stop()

    # inner

    def _on_stage(self, _router: Router) -> None:
        self._place()

    def _place(self) -> None:
        """Somebody stands elsewhere, or is somebody else, or is muted."""
        positions = self._router.positions if self._router is not None else ()
        before = self._places, self._muted
        self._places = tuple(None if producer is None else self._tracks.get(producer) for producer in positions)
        self._muted = tuple(track is not None and track.muted for track in self._places)
        if (self._places, self._muted) == before:
            return  # somebody who stands nowhere, as most of those who come
        self._own.clear()
        for place, track in enumerate(self._places):
            if track is not None:
                self._own.setdefault(track.participant_id, place)
        self._slots_beat.due()
        if self.on_places is not None:
            self.on_places()

    def _on_levels(self, levels: bytes) -> None:
        heard: dict[str, bytes] = {}
        for producer, block in iter_unpack("<I5s", levels):
            track = self._tracks.get(producer)
            if track is not None and track.source is Source.MICROPHONE:
                heard[track.participant_id] = block
        dominant, speaking = self._detector.update(heard), self._detector.audible
        if dominant != self._dominant or speaking or self._audible:
            self._decided()

    def _decided(self) -> None:
        before, self._dominant = self._dominant, self._detector.dominant
        speaking = self._detector.audible
        self._confirm(speaking)
        goes_on = [who for who in self._audible if who in speaking]
        begins = (who for who in speaking if who not in goes_on)
        self._audible = (*goes_on, *begins)[:MAX_AUDIBLE]
        if self.view() != self._told:
            self._speakers_beat.due()
        if self._dominant != before and self.on_dominant is not None:
            self.on_dominant()

    def _confirm(self, speaking: Iterable[str]) -> None:
        # Those who have a place first: they would lose it.
        ordered = sorted(speaking, key=lambda who: who not in self._own)
        microphones = ((who, Source.MICROPHONE) for who in ordered)
        audible = [self._staged[key].id for key in microphones if key in self._staged][:MAX_CONFIRMED]
        floor = self._staged.get((self._dominant, Source.MICROPHONE)) if self._dominant is not None else None
        confirmed = (floor.id if floor is not None else None, frozenset(audible))
        if confirmed != self._confirmed and self._router is not None:
            self._confirmed = confirmed
            self._router.set_speakers(confirmed[0], audible)

    def _tell_speakers(self) -> None:
        view = self.view()
        if view != self._told:
            self._told = view
            self._tell(SpeakersChanged(view.dominant, view.recent, view.audible))

    def _tell_slots(self) -> None:
        """One message for all whose slots changed alike, which is everybody but those who stand on the stage."""
        sounding = sum(track is not None and not track.muted for track in self._places[:-1])
        is_louder, self._sounding = sounding != self._sounding, sounding
        alike: dict[object, tuple[SlotsChanged, list[Participant]]] = {}
        for participant in tuple(self._participants.values()):
            if participant.reception is None:
                continue
            slots = participant.reception.slots
            changed = slots.heard_anew()
            if changed:
                key = tuple((slot.mid, slot.shown) for slot in changed)
                if key not in alike:
                    alike[key] = SlotsChanged(tuple(slot.view() for slot in changed)), []
                alike[key][1].append(participant)
            if is_louder and slots.on_feeds is not None:
                slots.on_feeds()
        for event, people in alike.values():
            for participant in people:
                participant.notify(event)
