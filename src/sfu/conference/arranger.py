"""When layouts are decided, and for whom: in small meetings with every change; in large ones twice a second, at once
when somebody else takes the floor, and for so many receivers in a turn of the event loop that nobody is held up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain

from sfu.clock import Clock, Timer
from sfu.conference.allocation import Allocator
from sfu.conference.attendee import Attendee
from sfu.conference.beat import Beat
from sfu.conference.layout import ChooseFeeds
from sfu.conference.participant import Participant
from sfu.conference.scene import Scene
from sfu.conference.track import Source, Track
from sfu.conference.viewer import Viewer
from sfu.conference.voices import Voices
from sfu.media.producer import Producer

SMALL = 50
"""Up to so many participants nothing waits: all together are decided for within some milliseconds."""

INTERVAL_S = 0.5
"""Between two decisions in a larger meeting; a beat of a message that everybody may get."""

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
        choose_feeds: ChooseFeeds,
        allocator: Allocator,
        voices: Voices,
        *,
        participants: Mapping[str, Participant],
        viewers: Mapping[str, Viewer],
    ) -> None:
        self.scene = Scene()
        self._clock = clock
        self._choose_feeds = choose_feeds
        self._allocator = allocator
        self._voices = voices
        self._participants = participants
        self._viewers = viewers
        self._tracks: dict[str, list[Track]] = {}
        """By participant, in the order of joining; empty for who publishes nothing."""
        self._is_stale = False
        self._beat = Beat(clock, self._interval_s, self._begin)
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
        if participant.id in self._tracks:
            self._tracks[participant.id] = participant.sources.feeds()
            self._is_stale = True
            self._beat.due()

    def left(self, participant_id: str) -> None:
        """Is in ``participants`` no longer."""
        self.scene.forget(participant_id)
        if self._tracks.pop(participant_id, ()):
            self._is_stale = True
            self._beat.due()

    def arrange(self, receiver: Attendee | Viewer) -> None:
        """Its slots are others, or it wants to see others: decides for this one at once."""
        self._arrange([receiver])

    def stop(self) -> None:
        """Nobody is there. Idempotent; what happens afterwards starts it anew."""
        self._beat.stop()
        self._floor.stop()
        if self._turn_timer is not None:
            self._turn_timer.cancel()
            self._turn_timer = None
        self._waiting.clear()
        self._enqueued.clear()
        self._warm.clear()

    # inner

    def _interval_s(self) -> float:
        return 0.0 if len(self._participants) <= SMALL else INTERVAL_S

    def _take_floor(self) -> None:
        if self._voices.dominant == self.scene.dominant:
            return
        self.scene.speaks(self._voices.dominant, self._voices.recent)
        self._beat.now()

    def _begin(self) -> None:
        """Decides for everybody, now or in the turns to come. Who waits already keeps his place."""
        self._refresh()
        for receiver in chain(self._participants.values(), self._viewers.values()):
            if isinstance(receiver, Attendee | Viewer) and receiver.id not in self._enqueued:
                self._enqueued.add(receiver.id)
                self._waiting.append(receiver)
        self._keep_warm()
        if len(self._participants) <= SMALL:
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
        for attendee, chosen in zip(attendees, feeds, strict=True):
            attendee.show_feeds(chosen, self.scene)
        for viewer in receivers:
            if isinstance(viewer, Viewer) and self._viewers.get(viewer.token) is viewer:
                viewer.follow(self.scene.tracks)

    def _keep_warm(self) -> None:
        cameras = (self.scene.find(who, Source.CAMERA) for who in self.scene.recent[:WARM])
        warm = {track.producer for track in cameras if track is not None and track.producer is not None}
        for producer in self._warm ^ warm:
            self._allocator.keep_warm(producer, warm=producer in warm)
        self._warm = warm
