"""When layouts are decided, and for whom: in small calm meetings with every change; else twice a second, at once when
somebody else takes the floor, and for so many receivers in a turn of the event loop that nobody is held up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from sfu.clock import Clock, Timer
from sfu.conference.allocation import Allocator
from sfu.conference.attendee import Attendee
from sfu.conference.beat import Beat, Pace
from sfu.conference.gate import Gate, Key
from sfu.conference.layout import ChooseFeeds, Feeds
from sfu.conference.participant import Participant
from sfu.conference.scene import Scene
from sfu.conference.track import Source, Track
from sfu.conference.viewer import Viewer
from sfu.conference.voices import Voices
from sfu.media.producer import Producer
from sfu.rtp.codecs import Kind

INTERVAL_S = 0.5
"""Between two decisions where not everything is decided at once; a beat of a message that everybody may get."""

SOUNDS_S = 5.0
"""The same where nothing but sounds came or went, and the data plane chooses who is heard: nobody is going to see
anybody else, unless a policy looks at who has a microphone. A thousand who come with one would make it twice a second.
"""

COUNT_S, BUSY_COUNT_S = 0.5, 1.0
"""Between two messages of how many videos there are; the second where layouts wait, too."""

HOLD_S = 1.0
"""How long who took the floor has it on the screen at least: shorter, and nobody sees who it was."""

BATCH = 50
"""Receivers in a turn of the event loop: some 5 ms when everybody's slots change."""

WARM = 5
"""So many of the last dominant speakers are kept ready: their smallest encoding is sent, whoever watches."""


class Arranger:
    """Of one meeting. ``participants`` and ``viewers`` are the meeting's own."""

    def __init__(
        self,
        clock: Clock,
        pace: Pace,
        choose_feeds: ChooseFeeds,
        allocator: Allocator,
        voices: Voices,
        *,
        participants: Mapping[str, Participant],
        viewers: Mapping[str, Viewer],
        gate: Gate,
    ) -> None:
        self._gate = gate
        if gate.is_active:
            gate.shows = self
            voices.on_places = self._hear_anew
        self.scene = Scene()
        self._clock = clock
        self._pace = pace
        self._choose_feeds = choose_feeds
        self._allocator = allocator
        self._voices = voices
        self._participants = participants
        self._viewers = viewers
        self._tracks: dict[str, list[Track]] = {}
        """By participant, in the order of joining; empty for who publishes nothing."""
        self._seen: dict[str, tuple[object, ...]] = {}
        """What layouts know of videos, by participant."""
        self._is_stale = False
        self._sounds_changed = False
        self._hears = False
        """Whether the policy chooses who is heard."""
        self._beat = Beat(clock, lambda: 0.0 if pace.is_calm else INTERVAL_S, self._begin)
        self._sounds_beat = Beat(clock, lambda: 0.0 if pace.is_calm else SOUNDS_S, self._begin)
        self._count_beat = Beat(clock, lambda: COUNT_S if pace.is_calm else BUSY_COUNT_S, self._tell_counts)
        self._floor = Beat(clock, lambda: HOLD_S, self._take_floor)
        self._waiting: deque[Attendee | Viewer] = deque()
        self._enqueued: set[str] = set()
        self._turn_timer: Timer | None = None
        self._warm: set[Producer] = set()
        voices.on_dominant = self._floor.due

    # what happens

    def entered(self, participant: Participant) -> None:
        """Is in ``participants`` from now on."""
        self._tracks[participant.id] = []

    def changed(self, participant: Participant) -> None:
        """Its tracks did: everybody may see somebody else."""
        if participant.id not in self._tracks:
            return
        feeds = participant.sources.feeds()
        if self._gate.is_active:
            feeds = [track for track in feeds if self._gate.clears(participant.id, track.source)]
        self._tracks[participant.id] = feeds
        videos = [track for track in feeds if track.kind is Kind.VIDEO]
        seen = tuple((track, track.producer, track.muted, track.content) for track in videos)
        before, self._seen[participant.id] = self._seen.get(participant.id, ()), seen
        self._differs(is_seen=seen != before)

    def left(self, participant_id: str) -> None:
        """Is in ``participants`` no longer."""
        self.scene.forget(participant_id)
        seen = self._seen.pop(participant_id, ())
        if self._tracks.pop(participant_id, ()):
            self._differs(is_seen=bool(seen))

    def spotlight(self, participant_ids: Sequence[str]) -> None:
        """These are in front for everybody from now on: seen at once."""
        self.scene.spotlight = tuple(participant_ids)
        self._beat.now()

    def arrange(self, receiver: Attendee | Viewer) -> None:
        """Its slots are others, or it wants to see others: decides for this one at once."""
        self._arrange([receiver])
        self._count_beat.due()

    def stop(self) -> None:
        """Nobody is there. Idempotent; what happens afterwards starts it anew."""
        for beat in (self._beat, self._sounds_beat, self._count_beat, self._floor):
            beat.stop()
        if self._turn_timer is not None:
            self._turn_timer.cancel()
            self._turn_timer = None
        self._waiting.clear()
        self._enqueued.clear()
        self._warm.clear()

    # what plugins decide: see ``Shows``

    def heard_otherwise(self, subscribers: Iterable[str]) -> None:
        """At once, so that nobody is heard who must not be."""
        for subscriber in subscribers:
            attendee = self._participants.get(subscriber)
            if isinstance(attendee, Attendee) and not self._gate.is_new(subscriber):
                if self._hears:
                    self._arrange([attendee])
                else:
                    attendee.hear(self._heard(attendee))

    def cleared(self, keys: Iterable[Key]) -> None:
        """They come on the stage and into layouts."""
        publishers: dict[str, Participant] = {}
        for publisher, source in keys:
            participant = self._participants.get(publisher)
            if participant is not None:
                publishers[publisher] = participant
                self._voices.track_changed(publisher, source, participant.sources.tracks.get(source))
        for participant in publishers.values():
            self.changed(participant)

    def welcomed(self, subscribers: Iterable[str]) -> None:
        """They are shown what there is."""
        viewers = {viewer.id: viewer for viewer in self._viewers.values()}
        for subscriber in subscribers:
            receiver = self._participants.get(subscriber) or viewers.get(subscriber)
            if isinstance(receiver, Attendee | Viewer):
                self.arrange(receiver)

    def seen_otherwise(self) -> None:
        """Everybody is looked at."""
        self._beat.now()

    def _hear_anew(self) -> None:
        """Who must not hear everybody does not follow the stage by itself."""
        self.heard_otherwise(tuple(self._gate.restricted))

    def _heard(self, attendee: Attendee) -> tuple[Track, ...] | None:
        deafened = self._gate.deafened(attendee.id)
        return self._voices.heard_but(attendee.id, deafened) if deafened else None

    def _kept(self, attendee: Attendee, feeds: Feeds) -> Feeds:
        """Without what it must not get, whatever the policy chose."""
        gate, audio = self._gate, feeds.audio
        if gate.is_new(attendee.id):
            return replace(feeds, audio=(), video=())
        if attendee.id not in gate.restricted:
            return feeds
        audio = self._heard(attendee) if audio is None else tuple(gate.shown(attendee.id, audio))
        return replace(feeds, audio=audio, video=tuple(gate.shown(attendee.id, feeds.video)))

    # inner

    def _differs(self, *, is_seen: bool) -> None:
        """Something is published that was not, or no longer, or in another way."""
        if is_seen or self._hears or self._viewers:
            self._is_stale = True
            self._beat.due()
        else:
            self._sounds_changed = True
            self._sounds_beat.due()

    def _take_floor(self) -> None:
        if self._voices.dominant == self.scene.dominant:
            return
        self.scene.speaks(self._voices.dominant, self._voices.recent)
        self._beat.now()

    def _begin(self) -> None:
        """Decides for everybody, now or in the turns to come. Who waits already keeps his place."""
        self._is_stale |= self._sounds_changed
        self._sounds_changed = False
        self._sounds_beat.stop()
        self._refresh()
        self._count_beat.due()
        for receiver in chain(self._participants.values(), self._viewers.values()):
            if isinstance(receiver, Attendee | Viewer) and receiver.id not in self._enqueued:
                self._enqueued.add(receiver.id)
                self._waiting.append(receiver)
        self._keep_warm()
        if self._pace.is_small:
            self._turn(len(self._waiting))
        elif self._turn_timer is None:
            self._turn()

    def _turn(self, count: int = BATCH) -> None:
        self._turn_timer = None
        receivers = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._enqueued.difference_update(receiver.id for receiver in receivers)
        if self._waiting:
            self._turn_timer = self._clock.call_later(0.0, self._turn)
        self._arrange(receivers)

    def _refresh(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self.scene.update(chain.from_iterable(self._tracks.values()))

    def _arrange(self, receivers: Sequence[Attendee | Viewer]) -> None:
        self._refresh()
        attendees = [one for one in receivers if self._participants.get(one.id) is one and isinstance(one, Attendee)]
        feeds = self._choose_feeds(self.scene, [attendee.receiver for attendee in attendees])
        self._hears = self._hears or any(chosen.audio is not None for chosen in feeds)
        if self._gate.is_active:
            feeds = [self._kept(attendee, chosen) for attendee, chosen in zip(attendees, feeds, strict=True)]
        for attendee, chosen in zip(attendees, feeds, strict=True):
            attendee.show_feeds(chosen, self.scene)
        for viewer in receivers:
            if isinstance(viewer, Viewer) and self._viewers.get(viewer.token) is viewer:
                viewer.follow(self._gate.shown(viewer.id, self.scene.tracks))

    def _tell_counts(self) -> None:
        for participant in tuple(self._participants.values()):
            if isinstance(participant, Attendee):
                participant.tell_view(self.scene)

    def _keep_warm(self) -> None:
        cameras = (self.scene.find(who, Source.CAMERA) for who in self.scene.recent[:WARM])
        warm = {track.producer for track in cameras if track is not None and track.producer is not None}
        for producer in self._warm ^ warm:
            self._allocator.keep_warm(producer, warm=producer in warm)
        self._warm = warm
