from __future__ import annotations

import pytest

from sfu.errors import StateError
from sfu.media.consumer import BEST_LAYER
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, Kind

VP8 = CodecId(CodecName.VP8)
AV1 = CodecId(CodecName.AV1)


@pytest.fixture
def scene(connected):
    """Two producers of video on one transport, a consumer on another, which is connected."""
    world, receiver, _ = connected
    sender = receiver.router.create_transport()
    one = sender.produce(Kind.VIDEO, "1", (EncodingParameters(rid="q", ssrc=11, rtx_ssrc=12),))
    two = sender.produce(Kind.VIDEO, "2", (EncodingParameters(),))
    consumer = receiver.consume(Kind.VIDEO, "4", 21, 22, "cname")
    return world, one, two, consumer


def test_they_are_made_in_the_words_of_the_shard(scene):
    world, one, _, consumer = scene
    assert world.shard.told("add_producer")[0] == [one.id, one.transport.id, "video", "1", [("q", 11, 12)]]
    assert world.shard.told("add_consumer") == [[consumer.id, consumer.transport.id, "video", "4", 21, 22, "cname"]]


def test_a_switch_is_told_once_and_news_of_the_old_source_is_dropped(scene):
    world, one, two, consumer = scene
    seen = []
    consumer.on_layers = lambda _consumer, layers: seen.append(tuple(layers))
    consumer.switch(one)
    consumer.switch(one)
    world.events(("consumer_layers", consumer.id, one.id, 0, 1))
    consumer.switch(two)
    assert consumer.current_layers is None
    world.events(("consumer_layers", consumer.id, one.id, 0, 2), ("consumer_layers", consumer.id, two.id, 1, 0))
    world.events(("consumer_layers", consumer.id, two.id, 1, 0))
    assert seen == [(0, 1), (1, 0)]
    assert world.shard.told("switch_consumer") == [[consumer.id, one.id], [consumer.id, two.id]]
    assert (one.consumers, two.consumers) == (set(), {consumer})


def test_a_switch_before_the_transport_can_send_is_told_when_it_can(world, make_client):
    transport = world.engine.create_router().create_transport()
    one, two = (transport.produce(Kind.VIDEO, mid, (EncodingParameters(),)) for mid in "12")
    consumer, idle = (transport.consume(Kind.VIDEO, mid, 20 + int(mid), None, "c") for mid in "45")
    idle.switch(one)
    consumer.switch(one)
    consumer.switch(two)
    one.close()
    client = make_client(world)
    transport.connect(client.parameters())
    world.settle()
    world.select(transport)
    assert world.shard.told("switch_consumer") == []
    client.start()
    client.pump(transport)
    assert world.shard.told("switch_consumer") == [[consumer.id, two.id]]


def test_switching_across_routers_kinds_or_to_the_dead_is_a_mistake(scene):
    world, one, two, consumer = scene
    elsewhere = world.engine.create_router().create_transport().produce(Kind.VIDEO, "1", (EncodingParameters(),))
    voice = one.transport.produce(Kind.AUDIO, "0", (EncodingParameters(),))
    two.close()
    for producer in (elsewhere, voice, two):
        with pytest.raises(StateError):
            consumer.switch(producer)
    assert consumer.producer is None
    assert world.shard.told("switch_consumer") == []


def test_a_codec_that_the_remote_cannot_decode_is_told_until_it_changes(scene):
    world, one, _, consumer = scene
    seen = []
    consumer.on_codec_unsupported = lambda _consumer, codec: seen.append(codec)
    consumer.switch(one)
    event = ("consumer_codec_unsupported", consumer.id, one.id, ("av1", 0))
    world.events(event, event)
    assert (seen, consumer.unsupported_codec) == ([AV1], AV1)
    world.events(("consumer_layers", consumer.id, one.id, 0, 0))
    assert consumer.unsupported_codec is None


def test_a_producers_codec_is_told_when_it_starts_and_when_it_changes(scene):
    world, one, _, _ = scene
    seen = []
    one.on_codec = lambda _producer, codec: seen.append(codec)
    world.events(("encoding_started", one.id, 0, 11, ("vp8", 0)), ("encoding_started", one.id, 0, 11, ("vp8", 0)))
    world.events(("encoding_started", one.id, 0, 11, ("av1", 0)))
    assert seen == [VP8, AV1]


def test_closing_a_producer_leaves_its_consumers_fed_by_nothing(scene):
    world, one, _, consumer = scene
    closed = []
    one.on_close = closed.append
    consumer.switch(one)
    one.close()
    one.close()
    assert consumer.producer is None
    assert closed == [one]
    assert world.shard.told("switch_consumer")[-1] == [consumer.id, None]
    assert world.shard.told("remove_producer") == [[one.id]]


def test_closing_a_consumer_frees_its_producer(scene):
    world, one, _, consumer = scene
    consumer.switch(one)
    consumer.close()
    consumer.close()
    consumer.switch(one)
    consumer.pause()
    consumer.set_layers(0, 0)
    assert one.consumers == set()
    assert world.shard.commands[-1] == ("remove_consumer", consumer.id)


def test_pause_layers_and_keyframes_are_told_when_they_change_something(scene):
    world, one, _, consumer = scene
    consumer.request_keyframe()
    consumer.switch(one)
    world.shard.commands.clear()
    for _ in range(2):
        one.pause()
        consumer.pause()
        consumer.set_layers(1, 2)
    consumer.set_layers()
    one.resume()
    consumer.resume()
    consumer.request_keyframe()
    assert world.shard.commands == [
        ("pause_producer", one.id, True),
        ("pause_consumer", consumer.id, True),
        ("set_layers", consumer.id, 1, 2),
        ("set_layers", consumer.id, BEST_LAYER, BEST_LAYER),
        ("pause_producer", one.id, False),
        ("pause_consumer", consumer.id, False),
        ("request_keyframe", one.id),
    ]


def test_a_producer_has_one_to_four_encodings(scene):
    _, one, _, _ = scene
    for count in (0, 5):
        with pytest.raises(StateError, match="1 to 4 encodings"):
            one.transport.produce(Kind.VIDEO, "9", (EncodingParameters(),) * count)


def test_stats_are_those_of_the_latest_review(scene):
    world, one, _, consumer = scene
    assert (one.stats(), consumer.stats(), one.transport.stats()) == ({}, {}, {})
    world.shard.transports = {one.transport.id: {"rx_packets": 3}}
    world.shard.producers = {one.id: {"paused": False}}
    world.shard.consumers = {consumer.id: {"packets": 5}}
    world.advance(1.1)
    assert one.transport.stats()["rx_packets"] == 3
    assert one.stats() == {"paused": False}
    assert consumer.stats()["packets"] == 5


@pytest.fixture
def voices(connected):
    """A router with a stage, a microphone on it, and an audio consumer that can be fed."""
    world, receiver, _ = connected
    receiver.router.set_stage(3, forward_silence=False)
    microphone = receiver.router.create_transport().produce(Kind.AUDIO, "0", (EncodingParameters(),))
    return world, receiver.router, microphone, receiver.consume(Kind.AUDIO, "4", 21, None, "cname")


def test_a_stage_is_made_once_and_keeps_its_size(voices):
    world, router, _, _ = voices
    router.set_stage(3, forward_silence=False)
    router.set_stage(3, forward_silence=True)
    assert world.shard.told("set_stage") == [[router.id, 3, False], [router.id, 3, True]]
    with pytest.raises(StateError):
        router.set_stage(4, forward_silence=True)


def test_a_consumer_follows_the_stage_until_it_is_switched(voices):
    world, _, microphone, consumer = voices
    consumer.follow_stage(1)
    consumer.follow_stage(1)
    consumer.follow_stage(2)
    consumer.switch(microphone)
    consumer.follow_stage(0)
    told = [c for c in world.shard.commands if c[0] in ("stage_consumer", "switch_consumer")]
    assert told == [
        ("stage_consumer", consumer.id, 1),
        ("switch_consumer", consumer.id, None),
        ("stage_consumer", consumer.id, 2),
        ("switch_consumer", consumer.id, microphone.id),
        ("switch_consumer", consumer.id, None),
        ("stage_consumer", consumer.id, 0),
    ]
    assert (consumer.producer, consumer.position) == (None, 0)


def test_a_position_that_was_chosen_before_the_transport_can_send_is_told_when_it_can(world, make_client):
    router = world.engine.create_router()
    router.set_stage(3, forward_silence=False)
    transport = router.create_transport()
    consumer = transport.consume(Kind.AUDIO, "4", 21, None, "c")
    consumer.follow_stage(2)
    client = make_client(world)
    transport.connect(client.parameters())
    world.settle()
    world.select(transport)
    assert world.shard.told("stage_consumer") == []
    client.start()
    client.pump(transport)
    assert world.shard.told("stage_consumer") == [[consumer.id, 2]]


def test_a_producer_is_staged_once_and_says_what_is_told_of_it(voices):
    world, router, microphone, _ = voices
    microphone.stage()
    microphone.stage()
    microphone.stage(always=True)
    microphone.unstage()
    microphone.close()
    microphone.stage()
    told = world.shard.told("stage_producer")
    assert told == [[microphone.id, True, False], [microphone.id, True, True], [microphone.id, False, False]]
    router.set_speakers(microphone.id, [microphone.id])
    assert world.shard.told("set_speakers") == [[router.id, microphone.id, [microphone.id]]]


def test_who_stands_on_the_stage_and_what_is_heard_are_told_to_the_router(voices):
    world, router, microphone, _ = voices
    seen, heard = [], []
    router.on_stage = lambda it: seen.append(it.positions)
    router.on_levels = heard.append
    place = [None, microphone.id, None, None]
    world.events(("stage_changed", router.id, place), ("stage_changed", router.id, place), ("stage_changed", 99, place))
    world.events(("levels", router.id, b"x" * 9), ("levels", 99, b"y"))
    assert (seen, heard) == ([tuple(place)], [b"x" * 9])


def test_after_lost_events_the_snapshot_says_who_stands_on_the_stage(voices):
    world, router, microphone, _ = voices
    seen = []
    router.on_stage = lambda it: seen.append(it.positions)
    world.events(("overflow", 3))
    world.shard.now_us += 1
    world.shard.stages = {router.id: [microphone.id, None, None, None], 99: []}
    world.advance(2)
    assert seen == [(microphone.id, None, None, None)]
