from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sfu.conference.layout import FIRST_PAGE, Mode, Receiver, View, choose_feeds, choose_followed, feeds_of, keep_places
from sfu.conference.scene import Scene
from sfu.conference.track import Source, Track


def track(who: str, source: Source, *, muted: bool = False) -> Track:
    return Track(who, source, muted)


def cameras(count: int) -> list[Track]:
    """Of people called "0", "1" and so on, who joined in this order."""
    return [Track(str(rank), Source.CAMERA, rank=rank) for rank in range(count)]


def shown(scene: Scene, slots: int, view: View = FIRST_PAGE, who: str = "watcher") -> list[str]:
    """Whose video a receiver gets."""
    [feeds] = choose_feeds(scene, [Receiver(who, 3, slots, view)])
    return [item.participant_id for item in feeds.video]


def test_video_slots_show_screens_and_then_cameras_in_the_order_of_joining() -> None:
    tracks = [
        track("ann", Source.CAMERA),
        track("ann", Source.SCREEN),
        track("bob", Source.CAMERA),
        track("cid", Source.CAMERA),
    ]
    [feeds] = choose_feeds(Scene(tracks), [Receiver("dan", 3, 3)])
    assert feeds.video == (tracks[1], tracks[0], tracks[2])


def test_nobody_gets_his_own_tracks() -> None:
    tracks = [track("ann", Source.CAMERA), track("ann", Source.MICROPHONE), track("bob", Source.CAMERA)]
    [feeds] = choose_feeds(Scene(tracks), [Receiver("ann", 3, 4)])
    assert feeds.video == (tracks[2],)
    assert feeds.audio is None, "whoever speaks"


def test_a_muted_camera_keeps_its_place_in_the_order() -> None:
    tracks = [track("ann", Source.CAMERA, muted=True), track("bob", Source.CAMERA)]
    [feeds] = choose_feeds(Scene(tracks), [Receiver("eve", 3, 1)])
    assert feeds.video == (tracks[0],)


def test_every_receiver_gets_one_result_of_at_most_its_slots() -> None:
    tracks = [track(str(number), Source.CAMERA) for number in range(10)]
    feeds = choose_feeds(Scene(tracks), [Receiver("0", 3, 4), Receiver("x", 3, 0), Receiver("9", 3, 49)])
    assert [len(item.video) for item in feeds] == [4, 0, 9]


SPEAKER = View(Mode.SPEAKER)


def test_pages_of_the_gallery_follow_the_order_of_joining() -> None:
    scene = Scene(cameras(10))
    assert shown(scene, 4) == ["0", "1", "2", "3"]
    assert shown(scene, 4, View(page=1)) == ["4", "5", "6", "7"]
    assert shown(scene, 4, View(page=2)) == ["8", "9"]


def test_a_page_beyond_the_last_is_the_last_and_says_so() -> None:
    [feeds] = choose_feeds(Scene(cameras(10)), [Receiver("x", 3, 4, View(page=9))])
    assert (feeds.page, feeds.pages, len(feeds.video)) == (2, 3, 2)
    [feeds] = choose_feeds(Scene(), [Receiver("x", 3, 4, View(page=9))])
    assert (feeds.page, feeds.pages, feeds.video) == (0, 1, ())


def test_ones_own_video_is_on_no_page() -> None:
    scene = Scene(cameras(9))
    pages = [shown(scene, 4, View(page=page), who="2") for page in range(2)]
    assert pages == [["0", "1", "3", "4"], ["5", "6", "7", "8"]]
    [feeds] = choose_feeds(scene, [Receiver("2", 3, 4)])
    assert feeds.pages == 2


def test_screens_and_pins_are_on_every_page_and_the_newest_screen_is_first() -> None:
    screens = [track("a", Source.SCREEN), track("b", Source.SCREEN)]
    scene = Scene([*screens, *cameras(10)])
    pins = (("7", Source.CAMERA), ("gone", Source.CAMERA), ("a", Source.SCREEN))
    assert shown(scene, 6, View(pins=pins)) == ["b", "a", "7", "0", "1", "2"]
    assert shown(scene, 6, View(page=1, pins=pins)) == ["b", "a", "7", "3", "4", "5"]
    assert shown(scene, 6, View(Mode.SPEAKER, pins=pins)) == ["b", "a", "7", "0", "1", "2"]
    assert shown(scene, 2, View(pins=pins)) == ["b", "a"]
    assert shown(scene, 0, View(pins=pins)) == []


def test_a_dominant_speaker_beyond_the_first_page_changes_places_with_who_spoke_longest_ago() -> None:
    scene = Scene(cameras(10))
    for who in ("0", "1", "3"):
        scene.speaks(who, (who,))
        assert shown(scene, 4) == ["0", "1", "2", "3"]
    scene.speaks("8", ("8", "3", "1", "0"))
    assert shown(scene, 4) == ["0", "1", "8", "3"], "2 has never spoken"
    assert shown(scene, 4, View(page=2)) == ["2", "9"]
    scene.speaks("9", ("9", "8", "3", "1", "0"))
    assert shown(scene, 4) == ["9", "1", "8", "3"]
    assert shown(scene, 9) == ["0", "1", "2", "3", "4", "5", "6", "9", "8"], "larger pages have an order of their own"
    scene.speaks("1", ("1", "9"))
    assert shown(scene, 4) == ["9", "1", "8", "3"]


def test_places_that_were_changed_stay_until_somebody_leaves() -> None:
    everybody = cameras(6)
    scene = Scene(everybody)
    scene.speaks("5", ("5",))
    assert shown(scene, 3) == ["0", "1", "5"]
    scene.update(everybody[:5])
    assert shown(scene, 3) == ["0", "1", "3"]
    scene.update(everybody)
    assert shown(scene, 3) == ["0", "1", "5"], "a camera that was off for a moment is back in its place"
    scene.update(everybody[:5])
    scene.forget("5")
    scene.speaks("0", ("0",))
    assert shown(scene, 9) == ["0", "1", "2", "3", "4"]


def test_who_speaks_without_a_camera_moves_nobody() -> None:
    scene = Scene([*cameras(6), track("voice", Source.MICROPHONE)])
    scene.speaks("voice", ("voice",))
    assert shown(scene, 3) == ["0", "1", "2"]
    assert shown(scene, 3, SPEAKER) == ["0", "1", "2"]


def test_the_speaker_view_has_who_speaks_then_who_spoke_then_the_others() -> None:
    scene = Scene(cameras(6))
    assert shown(scene, 3, SPEAKER) == ["0", "1", "2"]
    scene.speaks("4", ("4", "2", "5"))
    assert shown(scene, 4, SPEAKER) == ["4", "2", "5", "0"]
    assert shown(scene, 4, SPEAKER, who="4") == ["2", "5", "0", "1"], "for oneself it is who spoke before"
    [feeds] = choose_feeds(scene, [Receiver("x", 3, 2, View(Mode.SPEAKER, page=1))])
    assert (feeds.page, feeds.pages) == (0, 1)


tracks_of_meetings = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from([Source.CAMERA, Source.SCREEN, Source.MICROPHONE])), unique=True
).map(lambda keys: [Track(str(who), source, rank=who) for who, source in sorted(keys)])
views = st.builds(
    View,
    st.sampled_from(Mode),
    st.integers(0, 6),
    st.lists(
        st.tuples(st.integers(0, 15).map(str), st.sampled_from([Source.CAMERA, Source.SCREEN])), unique=True, max_size=4
    ).map(tuple),
)


@given(
    tracks=tracks_of_meetings,
    spoke=st.lists(st.integers(0, 15).map(str), max_size=6),
    receivers=st.lists(
        st.builds(Receiver, st.integers(0, 15).map(str), st.just(3), st.integers(0, 9), views), max_size=5
    ),
)
def test_whatever_is_wished_nobody_gets_his_own_or_a_video_twice_or_less_than_there_is(
    tracks: list[Track], spoke: list[str], receivers: list[Receiver]
) -> None:
    scene = Scene(tracks)
    for who in spoke:
        scene.speaks(who, (who,))
    together = choose_feeds(scene, receivers)
    for receiver, feeds in zip(receivers, together, strict=True):
        assert choose_feeds(scene, [receiver]) == [feeds]
        assert len(set(feeds.video)) == len(feeds.video) <= receiver.video_slots
        assert all(item.participant_id != receiver.participant_id for item in feeds.video)
        assert all(item.source is not Source.MICROPHONE for item in feeds.video)
        others = scene.remote_videos(receiver.participant_id)
        if feeds.pages == 1:
            assert len(feeds.video) == min(others, receiver.video_slots)
        every = [
            choose_feeds(scene, [replace(receiver, view=replace(receiver.view, page=page))])[0].video
            for page in range(feeds.pages)
        ]
        seen = {item for page in every for item in page}
        assert (
            receiver.view.mode is Mode.SPEAKER or receiver.video_slots == 0 or feeds.pages == 1 or len(seen) == others
        )


def test_a_follower_stays_with_whom_it_follows_and_then_takes_the_first() -> None:
    tracks = [track("ann", Source.CAMERA), track("bob", Source.CAMERA)]
    assert choose_followed(tracks, None) == "ann"
    assert choose_followed(tracks, "bob") == "bob"
    assert choose_followed(tracks[:1], "bob") == "ann"
    assert choose_followed([], "bob") is None


def test_a_follower_sees_the_camera_before_the_screen_and_hears_the_microphone() -> None:
    tracks = [track("ann", source) for source in Source]
    feeds = feeds_of(tracks, "ann")
    assert [item.source for item in (*(feeds.audio or ()), *feeds.video)] == [Source.MICROPHONE, Source.CAMERA]
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
