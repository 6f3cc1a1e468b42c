"""Who sees and hears whom: pure functions from what there is in a meeting to the slots of its receivers.

``choose_feeds`` is the policy, and the one function to replace for another: it gets the scene (every track, who speaks)
and receivers with what each wants to see, and says which tracks each one gets. ``keep_places`` is mechanism: it puts
chosen tracks into slots so that whoever stays does not move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeVar

from sfu.conference.scene import Scene
from sfu.conference.track import Source, Track
from sfu.rtp.codecs import Kind

MAX_PINS = 9


class Mode(StrEnum):
    """How somebody looks at a meeting; the values are words of the signaling protocol."""

    GALLERY = "gallery"
    SPEAKER = "speaker"


@dataclass(frozen=True, slots=True)
class View:
    """What somebody wants to see: which page of the gallery, or who speaks; and, whatever else, who is pinned."""

    mode: Mode = Mode.GALLERY
    page: int = 0
    pins: tuple[tuple[str, Source], ...] = ()


FIRST_PAGE = View()
"""For who has not said anything."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who receives: how many slots there are, whose own tracks are not for him, and what he wants to see."""

    participant_id: str
    audio_slots: int
    video_slots: int
    view: View = FIRST_PAGE
    denied: frozenset[tuple[str, Source]] = frozenset()
    """Whose sources it must not get; ``Arranger`` sees to that, whatever the policy says."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """What a receiver gets, most wanted first, at most as many as there are slots; and which page of how many it is.
    ``audio`` None: whoever speaks, decided by the data plane in the moment in which somebody begins.
    """

    audio: tuple[Track, ...] | None = None
    video: tuple[Track, ...] = ()
    page: int = 0
    pages: int = 1


ChooseFeeds = Callable[[Scene, Sequence[Receiver]], list[Feeds]]
"""One result for each receiver. Called for some receivers of a meeting at a time."""


def choose_feeds(scene: Scene, receivers: Sequence[Receiver]) -> list[Feeds]:
    """Audio: whoever speaks. Video: screens, then who is pinned or, where nobody is, in the spotlight, then a page of
    the gallery or those who spoke last; nobody's own.

    A muted camera keeps its slot, so that its tile does not jump. What many receivers see alike is worked out once.
    """
    alike: dict[tuple[View, int], Feeds] = {}
    feeds = []
    for receiver in receivers:
        own = receiver.participant_id if scene.videos(receiver.participant_id) else None
        key = receiver.view, receiver.video_slots
        is_alike = own is None and not receiver.denied
        video = alike.get(key) if is_alike else None
        if video is None:
            video = _video(scene, *key, own, receiver.denied)
        if is_alike:
            alike[key] = video
        feeds.append(video)
    return feeds


def _video(scene: Scene, view: View, slots: int, own: str | None, denied: frozenset[tuple[str, Source]]) -> Feeds:
    pins = view.pins or ((who, Source.CAMERA) for who in scene.spotlight)
    pinned = (scene.find(*pin) for pin in pins)
    wanted = dict.fromkeys(track for track in (*scene.screens, *pinned) if track is not None)
    open_ones = (track for track in wanted if (track.participant_id, track.source) not in denied)
    fixed = tuple(islice((track for track in open_ones if track.participant_id != own), slots))
    size = slots - len(fixed)
    if not size:
        return Feeds(video=fixed)
    order = scene.speakers() if view.mode is Mode.SPEAKER else scene.gallery(size)
    cameras = _without(order, fixed, own, denied)
    if view.mode is Mode.SPEAKER:
        return Feeds(video=(*fixed, *cameras[:size]))
    pages = max(1, -(-len(cameras) // size))
    page = min(view.page, pages - 1)
    return Feeds(video=(*fixed, *cameras[page * size : (page + 1) * size]), page=page, pages=pages)


def _without(
    cameras: Sequence[Track], fixed: Sequence[Track], own: str | None, denied: frozenset[tuple[str, Source]]
) -> Sequence[Track]:
    if own is None and not fixed and not denied:
        return cameras
    left = (track for track in cameras if (track.participant_id, track.source) not in denied) if denied else cameras
    return [track for track in left if track.participant_id != own and track not in fixed]


def choose_followed(tracks: Sequence[Track], followed: str | None) -> str | None:
    """The participant that a receiver of a single feed follows: who it follows already, while he publishes; else
    the first who does.
    """
    publishing = [track.participant_id for track in tracks]
    if followed in publishing:
        return followed
    return publishing[0] if publishing else None


def feeds_of(tracks: Sequence[Track], participant_id: str | None) -> Feeds:
    """One audio and one video track of a participant; the microphone before screen audio, camera before screen."""
    own = [track for track in tracks if track.participant_id == participant_id]
    audio = [track for track in own if track.kind is Kind.AUDIO]
    video = [track for track in own if track.kind is Kind.VIDEO]
    return Feeds(tuple(audio[:1]), tuple(video[:1]))


Item = TypeVar("Item")


def keep_places(places: Sequence[Item | None], chosen: Sequence[Item]) -> list[Item | None]:
    """New contents of ``places``: who is chosen and has a place keeps it, the others take free ones in order.

    At most ``len(places)`` of ``chosen`` are placed. Identity counts, not equality.
    """
    chosen = chosen[: len(places)]
    wanted = {id(item) for item in chosen}
    result = [item if item is not None and id(item) in wanted else None for item in places]
    placed = {id(item) for item in result if item is not None}
    newcomers = iter([item for item in chosen if id(item) not in placed])
    return [item if item is not None else next(newcomers, None) for item in result]
