"""What there is to see in a meeting, and who speaks: what layouts are made of, worked out once for all receivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sfu.conference.track import Source, Track


class Scene:
    """Changes by ``update``, ``speaks`` and ``forget`` alone; between them everybody who asks gets the same answer."""

    def __init__(self, tracks: Iterable[Track] = ()) -> None:
        self.tracks: Sequence[Track] = ()
        """Everything that is published, in the order of joining and, of one participant, of ``Source``."""
        self.cameras: Sequence[Track] = ()
        self.screens: Sequence[Track] = ()
        """The newest first."""
        self.dominant: str | None = None
        """Who has the floor."""
        self.recent: tuple[str, ...] = ()
        """Those who had the floor, the latest first, the dominant one included."""
        self.spotlight: tuple[str, ...] = ()
        """Who is in front for everybody who has pinned nobody."""
        self._videos: Counter[str] = Counter()
        self._by_key: dict[tuple[str, Source], Track] = {}
        self._spoke: dict[str, int] = {}
        self._turns = 0
        self._galleries: dict[int, list[Track]] = {}
        self._speakers: list[Track] | None = None
        self._ranks: dict[int, dict[str, int]] = {}
        """By size of a page: places in the order of joining that people have changed."""
        self.update(tracks)

    # changes

    def update(self, tracks: Iterable[Track]) -> None:
        """This is published now."""
        self.tracks = tuple(tracks)
        self.cameras = [track for track in self.tracks if track.source is Source.CAMERA]
        screens = [track for track in self.tracks if track.source is Source.SCREEN]
        self.screens = sorted(screens, key=lambda track: track.number, reverse=True)
        self._videos = Counter(track.participant_id for track in (*self.cameras, *self.screens))
        self._by_key = {(track.participant_id, track.source): track for track in (*self.cameras, *self.screens)}
        self._stale()

    def speaks(self, dominant: str | None, recent: Sequence[str]) -> None:
        """Somebody took the floor."""
        self.dominant, self.recent = dominant, tuple(recent)
        if dominant is not None:
            self._turns += 1
            self._spoke[dominant] = self._turns
        self._stale()

    def forget(self, participant_id: str) -> None:
        """Somebody is gone for good."""
        self._spoke.pop(participant_id, None)
        for ranks in self._ranks.values():
            ranks.pop(participant_id, None)

    # questions

    def videos(self, participant_id: str) -> int:
        """How many videos a participant publishes."""
        return self._videos[participant_id]

    def remote_videos(self, participant_id: str) -> int:
        """How many videos all others publish."""
        return len(self.cameras) + len(self.screens) - self._videos[participant_id]

    def find(self, participant_id: str, source: Source) -> Track | None:
        """A video of a participant, if it is published."""
        return self._by_key.get((participant_id, source))

    def speakers(self) -> Sequence[Track]:
        """All cameras: the dominant speaker's, those of the recent ones, the others in the order of joining."""
        if self._speakers is None:
            recent = [track for who in self.recent if (track := self.find(who, Source.CAMERA)) is not None]
            first = set(recent)
            self._speakers = [*recent, *(track for track in self.cameras if track not in first)]
        return self._speakers

    def gallery(self, size: int) -> Sequence[Track]:
        """All cameras in the order of joining, for pages of ``size``. Where the dominant speaker's is beyond the first
        page it has changed places, for good, with the one on it whose owner spoke longest ago.
        """
        gallery = self._galleries.get(size)
        if gallery is None:
            gallery = self._galleries[size] = self._ordered(size)
        return gallery

    # inner

    def _stale(self) -> None:
        self._galleries.clear()
        self._speakers = None

    def _ordered(self, size: int) -> list[Track]:
        ranks = self._ranks.setdefault(size, {})
        gallery = sorted(self.cameras, key=lambda track: ranks.get(track.participant_id, track.rank))
        place = next((i for i, track in enumerate(gallery) if track.participant_id == self.dominant), 0)
        if size and place >= size:
            other = min(range(size), key=lambda i: (self._spoke.get(gallery[i].participant_id, 0), -i))
            one, two = gallery[place], gallery[other]
            rank = ranks.get(one.participant_id, one.rank)
            ranks[one.participant_id] = ranks.get(two.participant_id, two.rank)
            ranks[two.participant_id] = rank
            gallery[place], gallery[other] = two, one
        return gallery
