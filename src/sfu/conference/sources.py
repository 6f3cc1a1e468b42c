"""What one transport sends: a producer for each m-line that its client sends on, a track for each source that
it has published. The producer exists as soon as the m-line is negotiated, so publishing, muting and
unpublishing only change who is shown and pause or resume it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sfu.conference.happenings import Chronicle
from sfu.conference.track import NO_LIMITS, Content, Limits, Source, Track
from sfu.conference.views import HintedSourceView, SourceView
from sfu.errors import RemoteError
from sfu.media.producer import Producer
from sfu.media.transport import Transport
from sfu.sdp.negotiate import NegotiatedMedia


class Sources:
    """Producers and tracks of one participant, by source. ``on_produced`` is told of each new producer, ``on_track`` of
    what a source's track is now: another one, none, or the same with another producer or muted; ``chronicle`` of what
    those outside are told.
    """

    def __init__(
        self,
        participant_id: str,
        name: str,
        rank: int,
        transport: Transport,
        *,
        on_produced: Callable[[Source, Producer], None],
        on_track: Callable[[Source, Track | None], None],
        chronicle: Chronicle,
    ) -> None:
        self._chronicle = chronicle
        self._is_announced = False
        self._participant_id = participant_id
        self._name = name
        self._rank = rank
        self._transport = transport
        self._on_produced = on_produced
        self._on_track = on_track
        self._producers: dict[Source, Producer] = {}
        self._tracks: dict[Source, Track] = {}
        self._is_negotiated = False

    @property
    def tracks(self) -> Mapping[Source, Track]:
        """What is published."""
        return self._tracks

    def feeds(self) -> list[Track]:
        """Tracks that others can be fed from, in the order of ``Source``."""
        tracks = (self._tracks.get(source) for source in Source)
        return [track for track in tracks if track is not None and track.producer is not None]

    def views(self) -> dict[str, SourceView]:
        """What is published, as others are told."""
        return {source.value: _view(self._tracks[source]) for source in Source if source in self._tracks}

    def negotiated(self, media: Iterable[tuple[Source, NegotiatedMedia]]) -> None:
        """Creates producers for the m-lines that the client sends on and closes those of the others."""
        self._is_negotiated = True
        for source, line in media:
            producer = self._producers.get(source)
            if not line.receives:
                self._drop(source)
            elif producer is None or producer.encodings != line.encodings:
                self._drop(source)
                producer = self._producers[source] = self._transport.produce(line.kind, line.mid, line.encodings)
                self._on_produced(source, producer)
            self._apply(source)

    def require(self, source: Source) -> None:
        """Raises ``RemoteError`` when the client does not send it."""
        if self._is_negotiated and source not in self._producers:
            raise RemoteError(
                "conflict",
                f"the m-line of {source} was not answered sendonly or sendrecv",
                "answer the offer again with that direction, then publish",
                status=409,
            )

    def publish(
        self, source: Source, *, muted: bool, content: Content | None = None, limits: Limits = NO_LIMITS
    ) -> bool:
        """Shows a source. True when that changed anything. Raises ``RemoteError`` when its m-line was refused.

        ``limits`` are those of a source that was not shown before; what is shown keeps its own.
        """
        self.require(source)
        if (track := self._tracks.get(source)) is not None:
            hint_changed = track.content is not content
            track.content = content
            return self.mute(source, muted=muted, by=self._participant_id) or hint_changed
        self._tracks[source] = Track(
            self._participant_id, source, muted, name=self._name, rank=self._rank, content=content, limits=limits
        )
        self._tell_published(self._tracks[source])
        self._apply(source)
        return True

    def unpublish(self, source: Source, reason: str = "unpublished") -> bool:
        """Shows a source no longer. True when it was shown. ``reason``: for those outside."""
        shown = self._tracks.pop(source, None) is not None
        if shown:
            self._tell_ended(source, reason)
        self._apply(source)
        return shown

    def mute(self, source: Source, *, muted: bool, by: str | None = None) -> bool:
        """Mutes or unmutes. True when that changed anything. ``by``: the participant who does it. Raises
        ``RemoteError`` when it is not published.
        """
        track = self._tracks.get(source)
        if track is None:
            raise RemoteError("conflict", f"{source} is not published", "publish it first", status=409)
        changed = track.muted != muted
        track.muted = muted
        if changed:
            self._tell("track.muted" if muted else "track.unmuted", source, by=by)
        self._apply(source)
        return changed

    def close(self) -> None:
        """Nothing is published and nothing received any more. Idempotent."""
        self.tell_ended()
        self._tracks.clear()
        for source in Source:
            self._drop(source)

    def announce(self) -> None:
        """Those outside know of the participant, and are told of its tracks from now on."""
        self._is_announced = True
        for track in self._tracks.values():
            self._tell_published(track)

    def _tell_published(self, track: Track) -> None:
        self._tell("track.published", track.source, muted=track.muted)
        if track.source is Source.SCREEN:
            self._tell_of_screen("started")

    def tell_ended(self) -> None:
        """Those outside are told that all tracks ended."""
        for source in self._tracks:
            self._tell_ended(source, "closed")

    def _tell_ended(self, source: Source, reason: str) -> None:
        self._tell("track.ended", source, reason=reason)
        if source is Source.SCREEN:
            self._tell_of_screen("stopped", reason=reason)

    def _tell(self, kind: str, source: Source, **data: bool | str | None) -> None:
        if self._is_announced:
            self._chronicle.tell(kind, participant_id=self._participant_id, source=source.value, **data)

    def _tell_of_screen(self, what: str, **data: str) -> None:
        if self._is_announced:
            self._chronicle.tell(f"screen_share.{what}", participant_id=self._participant_id, **data)

    def _drop(self, source: Source) -> None:
        producer = self._producers.pop(source, None)
        if producer is not None:
            self._on_track(source, None)
            producer.close()

    def _apply(self, source: Source) -> None:
        """Makes producer and track agree."""
        track, producer = self._tracks.get(source), self._producers.get(source)
        if track is not None:
            track.producer = producer
        if producer is not None and (track is None or track.muted):
            producer.pause()
        elif producer is not None:
            producer.resume()
        self._on_track(source, track)


def _view(track: Track) -> HintedSourceView | SourceView:
    return SourceView(track.muted) if track.content is None else HintedSourceView(track.muted, track.content.value)
