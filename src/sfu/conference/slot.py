"""The m-lines that somebody receives on, and what feeds each. A slot's consumer lives as long as its
transport; what changes is the track behind it (``consumer.switch``), so the client never renegotiates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum

from sfu.conference.layout import Feeds, keep_places
from sfu.conference.options import ConferenceOptions
from sfu.conference.track import Track
from sfu.conference.views import SlotPlace, SlotView
from sfu.layers import Choice, Priority
from sfu.media.consumer import BEST_LAYER, Consumer, Layers
from sfu.media.transport import Transport
from sfu.rtp.codecs import CodecId, Kind
from sfu.sdp.negotiate import EgressSection, NegotiatedMedia

SLOT_STEP = 4
"""So many video slots come at a time where a client asks for more as people come (src/sfu/web/sdk/slots.js)."""

_UNKNOWN = object()

Ear = Callable[[int], Track | None]
"""What is heard at a position of the stage."""

SHED_ORDER = {priority: 32 * (1 + priority) for priority in Priority}
"""Classes as the shard's priorities, 0..255: far apart, so that there is room between them."""


def first_video_slots(options: ConferenceOptions, limit: int, shown: int | None, there: int) -> int:
    """How many video slots a first offer has. ``limit``: the meeting's; ``shown``: how many videos the client shows,
    None where it does not say; ``there``: how many there are.

    As many as it shows, but where fewer are there only as many as there is something for, in steps: an m-line costs a
    browser some milliseconds and 3 kB of SDP, and most meetings stay small. Who comes into a meeting that runs gets all
    its slots with the first offer; who was there before asks for more as cameras come.
    """
    if shown is None:
        return min(options.video_slots_initial, limit)
    useful = -(-there // SLOT_STEP) * SLOT_STEP
    return min(shown, options.video_slots_max, limit, max(options.video_slots_initial, useful))


class SlotState(StrEnum):
    """What a slot shows; the values are words of the signaling protocol."""

    ACTIVE = "active"
    IDLE = "idle"
    MUTED = "muted"
    UNSUPPORTED_CODEC = "unsupported_codec"


class Slot:
    """One m-line. It can be fed from the moment its client has answered the offer that has it.

    ``ear`` says what is heard at a position of the stage, for slots that follow it.
    """

    def __init__(self, section: EgressSection, ear: Ear) -> None:
        self.section = section
        self.consumer: Consumer | None = None
        self.position: int | None = None
        """Of the stage, while it follows that: whoever stands there feeds it."""
        self._ear = ear
        self._track: Track | None = None
        self.limit = Layers(BEST_LAYER, BEST_LAYER)
        """What its client wants at most."""
        self._priority: Priority | None = None
        self.choice: Choice | None = None
        """What the layer policy gives it; None while it has not been asked."""

    @property
    def mid(self) -> str:
        """Its m-line."""
        return self.section.mid

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return self.section.kind

    @property
    def track(self) -> Track | None:
        """What feeds it."""
        return self._track if self.position is None else self._ear(self.position)

    @property
    def state(self) -> SlotState:
        """What it shows now."""
        if self.track is None:
            return SlotState.IDLE
        if self.track.muted:
            return SlotState.MUTED
        return SlotState.ACTIVE if self._unsupported is None else SlotState.UNSUPPORTED_CODEC

    @property
    def is_fed(self) -> bool:
        """Whether there is a source behind it. One that has just gone away is not, though its track still stands here
        until the layout is decided anew.
        """
        return self.consumer is not None and self.consumer.producer is not None

    @property
    def _unsupported(self) -> CodecId | None:
        return self.consumer.unsupported_codec if self.consumer is not None else None

    @property
    def shown(self) -> tuple[Track | None, bool, CodecId | None]:
        """What ``view`` is made of: equal values, equal views. Cheap, because one mute asks it of every slot of a
        meeting.
        """
        return self.track, self.track is not None and self.track.muted, self._unsupported

    def view(self) -> SlotView:
        """What its client is told of it."""
        track, state = self.track, self.state
        codec = self._unsupported if state is SlotState.UNSUPPORTED_CODEC else None
        return SlotView(
            mid=self.mid,
            kind=self.kind.value,
            participant_id=track.participant_id if track else None,
            name=track.name if track else None,
            source=track.source.value if track else None,
            state=state.value,
            codec=codec.name.value if codec else None,
        )

    def open(self, consumer: Consumer) -> None:
        """The client takes this m-line: from now on it can be fed."""
        self.consumer = consumer
        self._apply()

    def close(self) -> None:
        """Nothing feeds it any more. Idempotent."""
        consumer, self.consumer = self.consumer, None
        self._track = self.position = None
        if consumer is not None:
            consumer.close()

    def feed(self, track: Track | None) -> None:
        """Feeds it from ``track``; the switch takes effect at that track's next keyframe."""
        before, self._track, self.position = self._track, track, None
        if self.consumer is not None:
            if _most_encodings(before) != _most_encodings(track):
                self._apply()
            self.consumer.switch(track.producer if track else None)

    def is_fed_by(self, track: Track | None) -> bool:
        """Whether ``feed`` would change nothing."""
        if self.position is not None or track is not self._track or self.consumer is None:
            return False
        return self.consumer.producer is (track.producer if track is not None else None)

    def follow(self, position: int) -> None:
        """Feeds it from whoever stands at that position of the stage."""
        self._track, self.position = None, position
        if self.consumer is not None:
            self.consumer.follow_stage(position)

    def set_layers(self, spatial: int, temporal: int) -> None:
        """Highest layers that its client wants, whatever feeds it."""
        self.limit = Layers(spatial, temporal)
        self._apply()

    def give(self, choice: Choice | None) -> None:
        """What it gets from now on; None: whatever its client wants."""
        self.choice = choice
        self._apply()

    def prioritize(self, priority: Priority) -> None:
        """How late it gives way when the shard itself has to shed."""
        if self.consumer is not None and priority is not self._priority:
            self._priority = priority
            self.consumer.set_priority(SHED_ORDER[priority])

    def _apply(self) -> None:
        if self.consumer is None:
            return
        choice, limit = self.choice, self.limit
        if choice is not None and choice.paused:
            self.consumer.pause()
            return
        if choice is not None:
            limit = Layers(min(limit.spatial, choice.spatial), min(limit.temporal, choice.temporal))
        most = _most_encodings(self._track)
        if most is not None:
            limit = Layers(min(limit.spatial, most - 1), limit.temporal)
        self.consumer.set_layers(*limit)
        self.consumer.resume()


def _most_encodings(track: Track | None) -> int | None:
    return None if track is None else track.limits.max_encodings


def _heard(audio: tuple[Track, ...] | None) -> object:
    """Equal values, equal work."""
    return None if audio is None else tuple((track, track.producer, track.muted) for track in audio)


class SlotTable:
    """All slots of one transport. ``on_change`` is called when the data plane reports a change of a slot's state,
    ``on_feeds`` when other tracks feed the slots, or the same in another state, ``on_flow`` when other layers come.
    """

    def __init__(
        self, transport: Transport, cname: str, on_change: Callable[[], None], *, ear: Ear = lambda _: None
    ) -> None:
        self._transport = transport
        self._cname = cname
        self._on_change = on_change
        self._ear = ear
        self.on_feeds: Callable[[], None] | None = None
        self.on_flow: Callable[[], None] | None = None
        self._withheld: set[str] = set()
        """Mids whose codec the client had not negotiated when last heard of."""
        self._slots: list[Slot] = []
        self._opened: dict[Kind, list[Slot]] = {}
        self._told: dict[str, tuple[Track | None, bool, CodecId | None]] = {}
        self._following: set[str] = set()
        """Those whose changes are gathered by ``Voices``."""
        self._fed: tuple[object, ...] = ()
        self._heard: object = _UNKNOWN

    def allocate(self, kind: Kind, mid: str, *, stream_id: str) -> EgressSection:
        """An m-line with SSRCs of its own; ``add`` makes a slot of it."""
        ssrc, rtx_ssrc = self._transport.allocate_egress(kind)
        return EgressSection(mid, kind, ssrc, rtx_ssrc, self._cname, stream_id, f"{stream_id}-{kind.value}")

    def add(self, section: EgressSection) -> None:
        """A new slot, last in order."""
        slot = Slot(section, self._ear)
        self._slots.append(slot)
        self._told[slot.mid] = slot.shown

    @property
    def sections(self) -> tuple[EgressSection, ...]:
        """All m-lines, in order."""
        return tuple(slot.section for slot in self._slots)

    @property
    def places(self) -> tuple[SlotPlace, ...]:
        """All slots as places in the offer."""
        return tuple(SlotPlace(slot.mid, slot.kind.value) for slot in self._slots)

    @property
    def video(self) -> Iterator[Slot]:
        """Those for video, in order."""
        return (slot for slot in self._slots if slot.kind is Kind.VIDEO)

    @property
    def audible(self) -> int:
        """How many are fed by a source that is not muted."""
        return sum(slot.track is not None and not slot.track.muted for slot in self._slots if slot.kind is Kind.AUDIO)

    def find(self, mid: str) -> Slot | None:
        """The slot of that m-line."""
        return next((slot for slot in self._slots if slot.mid == mid), None)

    def count(self, kind: Kind) -> int:
        """How many slots of a kind there are."""
        return sum(slot.kind is kind for slot in self._slots)

    def count_open(self, kind: Kind) -> int:
        """How many slots of a kind can be fed."""
        return len(self._open(kind))

    def negotiated(self, media: Iterable[NegotiatedMedia]) -> None:
        """Opens the slots that the client takes and closes those that it refuses."""
        self._fed, self._heard = (), _UNKNOWN
        self._opened.clear()
        for line in media:
            slot = self.find(line.mid)
            if slot is None:
                continue
            if not line.sends:
                slot.close()
            elif slot.consumer is None:
                slot.open(self._consume(slot))

    def assign(self, feeds: Feeds) -> bool:
        """Feeds the open slots; a track that stays keeps its slot. True when that changed anything."""
        tracks = (*(feeds.audio or ()), *feeds.video)
        states = ((track.producer, track.muted) for track in tracks)
        fed = (feeds.audio, feeds.video, *states)
        if fed == self._fed:
            return False
        self._fed, self._heard = fed, _heard(feeds.audio)
        self._assign_audio(feeds.audio)
        self._assign(Kind.VIDEO, feeds.video)
        if self.on_feeds is not None:
            self.on_feeds()
        return True

    def assign_audio(self, audio: tuple[Track, ...] | None) -> bool:
        """As ``assign``; videos stay as they are."""
        heard = _heard(audio)
        if heard == self._heard:
            return False
        self._fed, self._heard = (), heard
        self._assign_audio(audio)
        if self.on_feeds is not None:
            self.on_feeds()
        return True

    def views(self) -> tuple[SlotView, ...]:
        """Every slot, as told to the client from now on."""
        self._told = {slot.mid: slot.shown for slot in self._slots}
        self._note_following()
        return tuple(slot.view() for slot in self._slots)

    def changes(self) -> tuple[SlotView, ...]:
        """Slots that are not as the client was told last. Those that have followed the stage for a while are left to
        ``heard_anew``.
        """
        steady = self._following
        self._note_following()
        steady = steady & self._following
        return tuple(slot.view() for slot in self._told_anew(slot for slot in self._slots if slot.mid not in steady))

    def heard_anew(self) -> list[Slot]:
        """Slots that follow the stage and are not as the client was told last; it is told from now on."""
        return self._told_anew(slot for slot in self._slots if slot.mid in self._following)

    def _note_following(self) -> None:
        self._following = {slot.mid for slot in self._slots if slot.position is not None}

    def _told_anew(self, slots: Iterable[Slot]) -> list[Slot]:
        changed = [slot for slot in slots if self._told.get(slot.mid) != slot.shown]
        self._told.update((slot.mid, slot.shown) for slot in changed)
        return changed

    def close(self) -> None:
        """Nothing feeds any of them any more. Idempotent."""
        self._fed, self._heard = (), _UNKNOWN
        self._opened.clear()
        for slot in self._slots:
            slot.close()

    def _open(self, kind: Kind) -> list[Slot]:
        opened = self._opened.get(kind)
        if opened is None:
            opened = [slot for slot in self._slots if slot.kind is kind and slot.consumer is not None]
            self._opened[kind] = opened
        return opened

    def _assign_audio(self, audio: tuple[Track, ...] | None) -> None:
        if audio is None:
            self._follow()
        else:
            self._assign(Kind.AUDIO, audio)

    def _follow(self) -> None:
        for position, slot in enumerate(slot for slot in self._slots if slot.kind is Kind.AUDIO):
            if slot.consumer is not None and slot.position != position:
                slot.follow(position)

    def _assign(self, kind: Kind, tracks: Sequence[Track]) -> None:
        slots = self._open(kind)
        for slot, track in zip(slots, keep_places([slot.track for slot in slots], tracks), strict=True):
            if not slot.is_fed_by(track):
                slot.feed(track)

    def _consume(self, slot: Slot) -> Consumer:
        section = slot.section
        consumer = self._transport.consume(section.kind, section.mid, section.ssrc, section.rtx_ssrc, section.cname)

        consumer.on_codec_unsupported = lambda _consumer, _codec: self._unsupported(slot)
        consumer.on_layers = lambda _consumer, _layers: self._flows(slot)
        return consumer

    def _unsupported(self, slot: Slot) -> None:
        self._withheld.add(slot.mid)
        self._state_changed()

    def _flows(self, slot: Slot) -> None:
        """Layers change many times in the life of a slot; what it shows changes when it was held back before."""
        if slot.mid in self._withheld:
            self._withheld.discard(slot.mid)
            self._state_changed()
        elif self.on_flow is not None:
            self.on_flow()

    def _state_changed(self) -> None:
        self._on_change()
        if self.on_feeds is not None:
            self.on_feeds()
