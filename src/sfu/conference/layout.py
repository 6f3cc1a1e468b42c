"""Who sees and hears whom: pure functions from the tracks of a meeting to the slots of its receivers.

``choose_feeds`` is the policy, and the one function to replace for another: it gets every track and every
receiver of the meeting and says which tracks each one gets. ``keep_places`` is mechanism: it puts chosen
tracks into slots so that whoever stays does not move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sfu.conference.track import Track
from sfu.rtp.codecs import Kind


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who receives: how many slots there are, and whose own tracks are not for him."""

    participant_id: str
    audio_slots: int
    video_slots: int


@dataclass(frozen=True, slots=True)
class Feeds:
    """What a receiver gets, most wanted first, at most as many as there are slots."""

    audio: tuple[Track, ...] = ()
    video: tuple[Track, ...] = ()


ChooseFeeds = Callable[[Sequence[Track], Sequence[Receiver]], list[Feeds]]
"""Tracks come in the order of joining and, within a participant, of ``Source``. One result for each receiver."""


def choose_feeds(tracks: Sequence[Track], receivers: Sequence[Receiver]) -> list[Feeds]:
    """In the order of joining: audio as far as there are slots, those who are not muted first; video the first V.

    A muted camera keeps its slot, so that its tile does not jump; a muted microphone has nothing to say and
    must not keep a fifth speaker silent. Sorted once for the meeting, so that the cost is
    tracks + receivers x slots.
    """
    audio = [track for track in tracks if track.kind is Kind.AUDIO]
    audio.sort(key=lambda track: track.muted)
    video = [track for track in tracks if track.kind is Kind.VIDEO]
    return [
        Feeds(
            audio=_first(audio, receiver.audio_slots, receiver.participant_id),
            video=_first(video, receiver.video_slots, receiver.participant_id),
        )
        for receiver in receivers
    ]


def _first(tracks: Sequence[Track], count: int, without: str) -> tuple[Track, ...]:
    return tuple(islice((track for track in tracks if track.participant_id != without), count))


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
