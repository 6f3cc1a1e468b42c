from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sfu.conference.layout import Receiver, choose_feeds, choose_followed, feeds_of, keep_places
from sfu.conference.track import Source, Track


def track(who: str, source: Source, *, muted: bool = False) -> Track:
    return Track(who, source, muted)


def test_video_slots_show_cameras_and_screens_in_the_order_of_joining() -> None:
    tracks = [
        track("ann", Source.CAMERA),
        track("ann", Source.SCREEN),
        track("bob", Source.CAMERA),
        track("cid", Source.CAMERA),
    ]
    [feeds] = choose_feeds(tracks, [Receiver("dan", 3, 3)])
    assert feeds.video == tuple(tracks[:3])


def test_nobody_gets_his_own_tracks() -> None:
    tracks = [track("ann", Source.CAMERA), track("ann", Source.MICROPHONE), track("bob", Source.CAMERA)]
    [feeds] = choose_feeds(tracks, [Receiver("ann", 3, 4)])
    assert feeds.video == (tracks[2],)
    assert feeds.audio == ()


def test_a_muted_microphone_gives_way_when_there_are_more_than_slots() -> None:
    quiet = track("ann", Source.MICROPHONE, muted=True)
    loud = [track(who, Source.MICROPHONE) for who in ("bob", "cid", "dan")]
    [feeds] = choose_feeds([quiet, *loud], [Receiver("eve", 3, 0)])
    assert feeds.audio == tuple(loud)
    [feeds] = choose_feeds([quiet, *loud], [Receiver("eve", 4, 0)])
    assert feeds.audio == (*loud, quiet)


def test_a_muted_camera_keeps_its_place_in_the_order() -> None:
    tracks = [track("ann", Source.CAMERA, muted=True), track("bob", Source.CAMERA)]
    [feeds] = choose_feeds(tracks, [Receiver("eve", 3, 1)])
    assert feeds.video == (tracks[0],)


def test_every_receiver_gets_one_result_of_at_most_its_slots() -> None:
    tracks = [track(str(number), Source.CAMERA) for number in range(10)]
    feeds = choose_feeds(tracks, [Receiver("0", 3, 4), Receiver("x", 3, 0), Receiver("9", 3, 49)])
    assert [len(item.video) for item in feeds] == [4, 0, 9]


def test_a_follower_stays_with_whom_it_follows_and_then_takes_the_first() -> None:
    tracks = [track("ann", Source.CAMERA), track("bob", Source.CAMERA)]
    assert choose_followed(tracks, None) == "ann"
    assert choose_followed(tracks, "bob") == "bob"
    assert choose_followed(tracks[:1], "bob") == "ann"
    assert choose_followed([], "bob") is None


def test_a_follower_sees_the_camera_before_the_screen_and_hears_the_microphone() -> None:
    tracks = [track("ann", source) for source in Source]
    feeds = feeds_of(tracks, "ann")
    assert [item.source for item in (*feeds.audio, *feeds.video)] == [Source.MICROPHONE, Source.CAMERA]
    assert feeds_of(tracks[2:], "ann").video == (tracks[2],)
    assert feeds_of(tracks, None).video == ()


items = st.lists(st.integers(0, 12), unique=True, max_size=12).map(lambda numbers: [POOL[number] for number in numbers])
POOL = [track(str(number), Source.CAMERA) for number in range(13)]


@given(before=items, holes=st.sets(st.integers(0, 11)), chosen=items, size=st.integers(0, 12))
def test_who_is_chosen_again_keeps_his_place_and_the_others_fill_the_gaps(
    before: list[Track], holes: set[int], chosen: list[Track], size: int
) -> None:
    places = [None if index in holes else item for index, item in enumerate([*before, *[None] * 12][:size])]
    result = keep_places(places, chosen)
    wanted = chosen[:size]
    assert len(result) == len(places)
    placed = [item for item in result if item is not None]
    assert sorted(map(id, placed)) == sorted(map(id, wanted))
    for old, new in zip(places, result, strict=True):
        if old in wanted:
            assert new is old
    newcomers = [item for item in result if item is not None and item not in places]
    assert newcomers == [item for item in wanted if item not in places]
