"""Layer selection at work: what the shard is told and what clients hear, in virtual time over a recording shard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.attendee import Client
from tests.support.camera_room import RATES, Room, qualities
from tests.support.floor import speak

from sfu.conference import Source, Tile
from sfu.conference.allocation import BATCH
from sfu.conference.arranger import WARM
from sfu.conference.events import EncodingsChanged
from sfu.conference.reception import ANSWER_S, LONGEST_OUTDATED_S
from sfu.conference.track import Limits
from sfu.errors import RemoteError
from sfu.layers import Allocation, StandardPolicy
from sfu.layers.economy import OFF_AFTER_S
from sfu.layers.model import NO_LIMIT


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


@pytest.fixture
def pair(room: Room) -> tuple[Room, Client, Client]:
    """Ann has her camera on, Bob looks."""
    ann, bob = room.join("Ann", publishes=Source.CAMERA), room.join("Bob")
    room.advance(2)
    return room, ann, bob


def test_a_network_that_carries_all_gets_all(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    assert room.limits(bob) == (2, 2)
    assert qualities(bob)[-1] == ("7", "full", "none")


def test_before_the_first_estimate_a_little_is_sent_and_much_desired(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    bob = room.join("Bob", network_bps=None)
    room.advance(2)
    assert room.limits(bob) == (0, 2)
    [*_, (transport, desired)] = room.shard.told("set_desired_bitrate")
    assert transport == bob.attendee.transport.id
    assert desired > 1_500_000
    assert (bob.attendee.transport.id, 30_000, 300_000, 20_000_000) in map(tuple, room.shard.told("set_bandwidth"))


def test_a_lone_picture_whose_rate_nobody_knows_yet_is_sent_at_once(room: Room) -> None:
    room.join("Ann", publishes=Source.SCREEN)
    bob = room.join("Bob", network_bps=None)
    room.clock.advance(0.0)
    assert bob.attendee.slots.find("7").consumer is not None
    assert room.limits(bob) is not None


def test_who_never_says_how_it_arrives_gets_everything_after_a_while(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    bob = room.join("Bob", network_bps=None)
    bob.attendee.transport.srtp_profile = "AEAD_AES_128_GCM"
    room.advance(ANSWER_S - 0.5)
    assert room.limits(bob) == (0, 2)
    room.advance(2)
    assert room.limits(bob) == (2, 2)


def test_the_shard_knows_whose_picture_to_shed_first(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    room.join("Cem", publishes=Source.SCREEN)
    bob = room.join("Bob")
    room.advance(1)
    bob.attendee.show({"7": Tile(1280, 720), "8": Tile(0, 0)}, hidden=False)
    room.clock.advance(0.0)
    told = {args[0]: args[1] for args in room.shard.told("set_priority")}
    camera, screen = (told[bob.attendee.slots.find(mid).consumer.id] for mid in ("8", "7"))
    assert 0 < camera < screen <= 255


def test_an_estimate_that_falls_takes_layers_at_once_and_the_client_hears_why(
    pair: tuple[Room, Client, Client],
) -> None:
    room, _, bob = pair
    room.estimate(bob, 700_000, congested=True)
    assert room.limits(bob) == (1, 2)
    assert qualities(bob)[-1] == ("7", "reduced", "network")


def test_audio_alone_when_nothing_else_fits_and_video_back_when_it_does(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    room.estimate(bob, 50_000, congested=True)
    assert room.limits(bob) is None
    assert qualities(bob)[-1] == ("7", "paused", "network")
    room.advance(3)
    room.estimate(bob, 400_000)
    assert room.limits(bob) == (0, 0)
    assert qualities(bob)[-1] == ("7", "reduced", "network")


def test_a_small_tile_gets_a_small_picture(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    bob.attendee.show({"7": Tile(320, 180)}, hidden=False)
    room.clock.advance(0.0)
    assert room.limits(bob) == (0, 2)
    assert qualities(bob)[-1] == ("7", "full", "tile_size")


def test_a_slot_that_is_not_in_the_layout_is_off_the_screen(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    bob.attendee.show({}, hidden=False)
    room.clock.advance(0.0)
    assert room.limits(bob) == (0, 2)


def test_a_hidden_tab_gets_no_video_and_all_of_it_when_it_comes_back(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    bob.attendee.show({"7": Tile(1280, 720)}, hidden=True)
    room.clock.advance(0.0)
    assert room.limits(bob) is None
    assert qualities(bob)[-1] == ("7", "paused", "user")
    bob.attendee.show({"7": Tile(1280, 720)}, hidden=False)
    room.clock.advance(0.0)
    assert room.limits(bob) == (2, 2)


def test_a_slot_can_be_paused_and_capped_by_its_client(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    bob.attendee.set_layers("7", 1, 255)
    assert room.limits(bob) == (1, 2), "a cap does not wait"
    room.clock.advance(0.0)
    assert qualities(bob)[-1] == ("7", "reduced", "user")
    bob.attendee.pause_slot("7", paused=True)
    room.clock.advance(0.0)
    assert room.limits(bob) is None
    bob.attendee.pause_slot("7", paused=False)
    room.clock.advance(0.0)
    assert room.limits(bob) == (1, 2)


def test_a_layout_of_unknown_slots_is_refused(pair: tuple[Room, Client, Client]) -> None:
    _, _, bob = pair
    with pytest.raises(RemoteError, match="no slot has mid '99'"):
        bob.attendee.show({"99": Tile(1, 1)}, hidden=False)


def test_whom_one_pins_gets_the_larger_part(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    room.join("Cem", publishes=Source.CAMERA)
    bob = room.join("Bob")
    room.advance(2)
    room.estimate(bob, 1_300_000)
    bob.attendee.show({"7": Tile(1280, 720), "8": Tile(1280, 720, pinned=True)}, hidden=False)
    room.clock.advance(0.0)
    pinned, other = room.limits(bob, "8"), room.limits(bob, "7")
    assert pinned is not None
    assert other is not None
    assert pinned > other


def test_a_muted_source_takes_no_bandwidth_from_the_others(room: Room) -> None:
    ann = room.join("Ann", publishes=Source.CAMERA)
    room.join("Cem", publishes=Source.CAMERA)
    bob = room.join("Bob")
    room.advance(2)
    room.estimate(bob, 2_000_000)
    assert room.limits(bob, "8") != (2, 2)
    ann.attendee.mute(Source.CAMERA, muted=True)
    room.advance(4)
    assert room.limits(bob, "8") == (2, 2)


def test_what_the_shard_shed_is_given_again(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    consumer = bob.attendee.slots.find("7").consumer
    told = len(room.shard.told("set_layers"))
    room.world.events(("consumer_shed", consumer.id, 0, 0))
    room.advance(1)
    assert room.shard.told("set_layers")[told:] == [[consumer.id, 2, 2]]
    room.advance(2)
    assert len(room.shard.told("set_layers")) == told + 1


def test_encodings_that_nobody_wants_are_switched_off_and_on_again_at_once(pair: tuple[Room, Client, Client]) -> None:
    room, ann, bob = pair
    bob.attendee.show({"7": Tile(320, 180)}, hidden=False)
    room.advance(OFF_AFTER_S - 0.5)
    assert all(event.active["f"] for event in ann.heard(EncodingsChanged))
    room.advance(2)
    told = ann.heard(EncodingsChanged)[-1]
    assert (told.mid, told.source, told.active) == ("1", "camera", {"q": True, "h": False, "f": False})
    [camera] = [producer for producer in room.producers() if len(producer.encodings) == 3 and producer.consumers]
    room.sent[camera.id] = [True, False, False]
    room.advance(5)
    bob.attendee.show({"7": Tile(1280, 720)}, hidden=False)
    room.clock.advance(0.0)
    assert ann.heard(EncodingsChanged)[-1].active == {"q": True, "h": False, "f": True}
    assert room.limits(bob) == (2, 2), "at the rate that it had"


@pytest.fixture
def scalable(make_room: Callable[..., Room]) -> tuple[Room, Client, Client]:
    """Ann sends a screen as one stream of three spatial layers, and Bob can see it."""
    room = make_room()
    ann, bob = room.join("Ann", publishes=Source.SCREEN), room.join("Bob")
    [stream] = [producer for producer in room.producers() if len(producer.encodings) == 1 and producer.consumers]
    room.layers[stream.id] = 3
    room.advance(2)
    return room, ann, bob


def test_spatial_layers_that_nobody_wants_are_switched_off_and_on_again_at_once(
    scalable: tuple[Room, Client, Client],
) -> None:
    room, ann, bob = scalable
    [stream] = room.layers
    bob.attendee.set_layers("7", 1, NO_LIMIT)
    room.advance(OFF_AFTER_S - 0.5)
    assert ann.heard(EncodingsChanged) == []
    room.advance(2)
    told = ann.heard(EncodingsChanged)[-1]
    assert (told.source, told.active, told.spatial_layers) == ("screen", {"": True}, {"": 2})
    room.layers[stream] = 2
    room.advance(10)
    [view] = ann.attendee.attach(ann.events.append).encodings
    assert (view.active, view.spatial_layers) == ({"": True}, {"": 2})
    bob.attendee.set_layers("7", NO_LIMIT, NO_LIMIT)
    room.clock.advance(0.0)
    told = ann.heard(EncodingsChanged)[-1]
    assert (told.active, told.spatial_layers) == ({"": True}, {})
    assert room.limits(bob) == (2, 0), "it was still on offer"


def test_a_new_socket_hears_what_to_send_and_what_it_gets(pair: tuple[Room, Client, Client]) -> None:
    room, ann, bob = pair
    bob.attendee.show({"7": Tile(320, 180)}, hidden=False)
    room.advance(OFF_AFTER_S + 2)
    [view] = [view for view in ann.attendee.attach(ann.events.append).encodings if view.source == "camera"]
    assert view.active == {"q": True, "h": False, "f": False}
    [quality] = bob.attendee.attach(bob.events.append).quality
    assert (quality.mid, quality.state, quality.reason) == ("7", "full", "tile_size")


def test_the_smallest_encoding_of_who_spoke_last_is_sent_though_nobody_watches(
    pair: tuple[Room, Client, Client],
) -> None:
    room, ann, bob = pair
    bob.attendee.request_slots(0)
    speak(room.meeting, ann.id)
    room.advance(OFF_AFTER_S + 2)
    assert ann.heard(EncodingsChanged)[-1].active == {"q": True, "h": False, "f": False}
    speak(room.meeting, *(str(number) for number in range(WARM)), ann.id)
    room.advance(OFF_AFTER_S + 2)
    assert ann.heard(EncodingsChanged)[-1].active == {"q": False, "h": False, "f": False}
    speak(room.meeting, "0", ann.id)
    room.advance(1)
    assert ann.heard(EncodingsChanged)[-1].active == {"q": False, "h": False, "f": False}, "0 has it already"
    speak(room.meeting, "1", "0", ann.id)
    assert ann.heard(EncodingsChanged)[-1].active == {"q": True, "h": False, "f": False}, "at once"


def test_an_encoding_that_its_publisher_cannot_send_is_not_waited_for(pair: tuple[Room, Client, Client]) -> None:
    room, ann, bob = pair
    [camera] = [producer for producer in room.producers() if len(producer.encodings) == 3 and producer.consumers]
    room.sent[camera.id] = [True, True, False]
    room.advance(2)
    assert room.limits(bob) == (1, 2)
    assert qualities(bob)[-1] == ("7", "reduced", "publisher")
    room.advance(OFF_AFTER_S + 10)
    assert ann.heard(EncodingsChanged) == [], "h has a consumer, f may come whenever it can"
    room.sent[camera.id] = [True, True, True]
    room.world.events(("encoding_active", camera.id, 2, True))
    room.advance(1.2)
    assert room.limits(bob) == (2, 2)


def test_a_policy_of_ones_own_decides(make_room: Callable[..., Room]) -> None:
    class Nothing:
        def select(self, now, estimate_bps, audio_bps, demands, subscriber):
            from sfu.layers.model import PAUSED_BY_USER

            return Allocation((PAUSED_BY_USER,) * len(demands), 0, 0)

    room = make_room(layer_policy=Nothing())
    room.join("Ann", publishes=Source.CAMERA)
    bob = room.join("Bob")
    room.advance(1)
    assert room.limits(bob) is None


@pytest.mark.parametrize("settled", [False, True])
def test_a_policy_is_asked_each_second_unless_it_says_that_time_changes_nothing(
    make_room: Callable[..., Room], settled: bool
) -> None:
    asked: list[str] = []

    class Curious(StandardPolicy):
        def select(self, now, estimate_bps, audio_bps, demands, subscriber):
            asked.append(subscriber.id)
            allocation = super().select(now, estimate_bps, audio_bps, demands, subscriber)
            subscriber.is_settled = settled
            return allocation

    room = make_room(layer_policy=Curious())
    room.join("Ann", publishes=Source.CAMERA)
    bob = room.join("Bob")
    bob.attendee.transport.srtp_profile = "AEAD_AES_128_GCM"
    room.advance(10)
    asked.clear()
    room.advance(5)
    assert asked.count(bob.id) == (0 if settled else 5)
    room.estimate(bob, 500_000)
    assert bob.id in asked


def test_of_who_receives_no_picture_a_policy_is_not_asked_each_second(make_room: Callable[..., Room]) -> None:
    asked: list[str] = []

    class Curious(StandardPolicy):
        def select(self, now, estimate_bps, audio_bps, demands, subscriber):
            asked.append(subscriber.id)
            return super().select(now, estimate_bps, audio_bps, demands, subscriber)

    room = make_room(layer_policy=Curious())
    bob = room.join("Bob")
    bob.attendee.transport.srtp_profile = "AEAD_AES_128_GCM"
    room.advance(3)
    asked.clear()
    room.advance(5)
    assert asked == []
    room.join("Ann", publishes=Source.CAMERA)
    room.advance(2)
    assert bob.id in asked


def test_a_policy_that_fails_for_one_does_not_stop_the_others(make_room: Callable[..., Room]) -> None:
    from sfu.layers import StandardPolicy

    class Moody(StandardPolicy):
        def select(self, now, estimate_bps, audio_bps, demands, subscriber):
            if estimate_bps == 13:
                raise RuntimeError("unlucky")
            return super().select(now, estimate_bps, audio_bps, demands, subscriber)

    room = make_room(layer_policy=Moody())
    room.join("Ann", publishes=Source.CAMERA)
    bob, cem = room.join("Bob"), room.join("Cem")
    room.advance(2)
    room.estimate(bob, 13)
    room.estimate(cem, 700_000)
    assert room.limits(cem) == (1, 2)


def test_a_turn_decides_for_a_bounded_number_of_receivers(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    watchers = [room.join(f"W{number}") for number in range(BATCH + 10)]
    room.advance(2)
    room.world.events(*(("bandwidth", w.attendee.transport.id, 700_000, False, "growth") for w in watchers))
    allocator = room.conference.allocator
    allocator._turn_timer.cancel()
    allocator._turn()
    assert sum(room.limits(watcher) == (1, 2) for watcher in watchers) == BATCH
    room.clock.advance(0.0)
    assert all(room.limits(watcher) == (1, 2) for watcher in watchers)


def test_whose_network_got_worse_goes_first(room: Room) -> None:
    room.join("Ann", publishes=Source.CAMERA)
    watchers = [room.join(f"W{number}") for number in range(BATCH + 10)]
    room.advance(2)
    room.world.events(
        *(("bandwidth", w.attendee.transport.id, 9_000_000, False, "growth") for w in watchers[:-1]),
        ("bandwidth", watchers[-1].attendee.transport.id, 700_000, True, "delay"),
    )
    allocator = room.conference.allocator
    allocator._turn_timer.cancel()
    allocator._turn()
    assert room.limits(watchers[-1]) == (1, 2)
    room.clock.advance(0.0)


def test_the_timeline_says_second_by_second_what_was_sent_and_why(pair: tuple[Room, Client, Client]) -> None:
    room, ann, bob = pair
    transport = bob.attendee.transport
    consumer = bob.attendee.slots.find("7").consumer
    room.shard.consumers[consumer.id] = {"bitrate_bps": 600_000}
    room.shard.transports[transport.id] = {"estimate_bps": 700_000}
    room.estimate(bob, 700_000)
    room.advance(2)
    room.shard.transports[transport.id] = {"estimate_bps": 30_000}
    room.estimate(bob, 30_000, congested=True)
    room.advance(3)
    quality = room.meeting.quality(bob.id, 5)
    assert quality.seconds == 5
    assert quality.estimate_kbps[0] == 700
    assert quality.estimate_kbps[-3:] == [30, 30, 30]
    slot = next(slot for slot in quality.slots if slot.mid == "7")
    assert (slot.participant_id, slot.source) == (ann.id, "camera")
    assert slot.layers[0] == "1.2"
    assert slot.layers[-3:] == ["paused"] * 3
    assert slot.sent_kbps == [600] * 5
    assert slot.reason == ["network"] * 5
    idle = next(slot for slot in quality.slots if slot.mid == "8")
    assert idle.layers == [None] * 5
    with pytest.raises(RemoteError) as caught:
        room.meeting.quality("p_nobody", 4)
    assert caught.value.code == "participant_not_found"


def test_the_states_of_all_receivers_are_counted(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    cem = room.join("Cem")
    room.advance(1)
    room.estimate(bob, 50_000)
    room.estimate(cem, 700_000)
    stats = room.conference.allocator.stats()
    assert dict(stats.states) == {"paused": 1, "reduced": 1}
    assert sorted(stats.estimates_bps) == [50_000, 700_000, 20_000_000]


@pytest.mark.parametrize(("loss", "queue_us", "expected"), [(0.2, 0, (0, 0)), (0.4, 0, None), (0.0, 200_000, None)])
def test_a_picture_is_paused_for_harm_that_is_seen(
    pair: tuple[Room, Client, Client], loss: float, queue_us: int, expected: tuple[int, int] | None
) -> None:
    room, _, bob = pair
    transport = bob.attendee.transport
    transport.srtp_profile = "AEAD_AES_128_GCM"
    room.shard.transports[transport.id] = {"loss": loss, "queue_us": queue_us}
    room.advance(7)
    room.estimate(bob, 40_000, congested=True)
    assert room.limits(bob) == expected


def test_support_ends_when_the_network_turns_out_to_suffer(pair: tuple[Room, Client, Client]) -> None:
    room, _, bob = pair
    transport = bob.attendee.transport
    transport.srtp_profile = "AEAD_AES_128_GCM"
    room.shard.transports[transport.id] = {"loss": 0.0, "queue_us": 0}
    room.advance(7)
    room.estimate(bob, 40_000, congested=True)
    assert room.limits(bob) == (0, 0)
    room.shard.transports[transport.id] = {"loss": 0.0, "queue_us": 300_000}
    room.advance(2)
    assert room.limits(bob) is None


def test_a_rate_that_moves_is_no_matter_for_who_has_the_network_for_it(make_room: Callable[..., Room]) -> None:
    asked: list[str] = []

    class Curious(StandardPolicy):
        def select(self, now, estimate_bps, audio_bps, demands, subscriber):
            asked.append(subscriber.id)
            return super().select(now, estimate_bps, audio_bps, demands, subscriber)

    room = make_room(layer_policy=Curious())
    room.join("Ann", publishes=Source.CAMERA)
    rich = [room.join(f"Bo {number}") for number in range(3)]
    tight = room.join("Cem", network_bps=int(RATES[-1] * 1.2))
    for client in (*rich, tight):
        client.attendee.transport.srtp_profile = "AEAD_AES_128_GCM"
    room.advance(10)
    asked.clear()

    room.factor = 1.4
    room.advance(2)
    assert tight.id in asked
    assert not {client.id for client in rich} & set(asked)

    # Who has it no longer is decided by what pictures cost now.
    room.estimate(rich[0], int(RATES[-1] * 1.1))
    assert room.limits(rich[0]) != (2, 2)
    room.advance(LONGEST_OUTDATED_S + 1)
    assert set(asked) >= {client.id for client in rich}, "all are looked at in the end"


@pytest.mark.parametrize(
    ("limits", "top"),
    [
        (Limits(max_encodings=2), 1),
        (Limits(max_encodings=1), 0),
        (Limits(max_encodings=9), 2),
        (Limits(max_height=360), 1),
        (Limits(max_height=700), 1),
        (Limits(max_height=720), 2),
        (Limits(max_height=90), 0),
        (Limits(max_encodings=3, max_height=200), 0),
    ],
)
def test_of_a_limited_video_no_more_reaches_anybody_and_the_rest_is_switched_off(
    room: Room, limits: Limits, top: int
) -> None:
    ann, bob = room.join("Ann"), room.join("Bob")
    ann.attendee.publish(Source.CAMERA, limits=limits)
    room.advance(OFF_AFTER_S + 3)
    consumer = bob.attendee.slots.find("7").consumer
    told = [args[1] for args in room.shard.told("set_layers") if args[0] == consumer.id]
    assert told[-1] == top
    if limits.max_encodings is not None:
        assert max(told) <= limits.max_encodings - 1, "not even at first"
    assert ann.heard(EncodingsChanged)[-1].active == {"q": True, "h": top == 1, "f": top == 2}
    bob.attendee.show({"7": Tile(1920, 1080)}, hidden=False)
    room.advance(2)
    assert room.limits(bob)[0] == top
    ann.attendee.unpublish(Source.CAMERA)
    ann.attendee.publish(Source.CAMERA)
    room.advance(2)
    assert room.limits(bob)[0] == 2, "whoever publishes anew is asked anew"


def test_of_a_limited_scalable_video_so_many_layers_reach_anybody(make_room: Callable[..., Room]) -> None:
    room = make_room()
    ann, bob = room.join("Ann"), room.join("Bob")
    ann.attendee.publish(Source.SCREEN, limits=Limits(max_encodings=2))
    [stream] = [producer for producer in room.producers() if len(producer.encodings) == 1 and producer.consumers]
    room.layers[stream.id] = 3
    room.advance(3)
    assert room.limits(bob)[0] == 1
