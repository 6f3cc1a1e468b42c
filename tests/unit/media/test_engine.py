from __future__ import annotations

import pytest

from sfu.errors import EngineError, StateError
from sfu.ids import MAX_HANDLE, HandleSequence
from sfu.media.resync import parse_address
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, Kind, PayloadType, RtpMap

VP8 = CodecId(CodecName.VP8)
H264 = CodecId(CodecName.H264, 1)


def transport_stats(**changes):
    usual = {
        "state": "connected",
        "remote": "192.0.2.7:50000",
        "consent_age_us": 0,
        "estimate_bps": None,
        "feedback": None,
    }
    return {**usual, **changes}


def test_routers_spread_over_shards_by_transports(two_shards):
    engine = two_shards.engine
    first, second = engine.create_router(), engine.create_router()
    assert {first.link.index, second.link.index} == {0, 1}
    first.create_transport()
    assert engine.create_router().link.index == second.link.index


def test_each_shard_listens_on_the_next_port(two_shards):
    assert two_shards.engine.local_addresses == (("192.0.2.1", 40_000), ("192.0.2.1", 40_001))


def test_a_failed_shard_closes_its_meetings_and_tells_the_owner_the_others_go_on(two_shards):
    engine, failures, closed = two_shards.engine, [], []
    engine.on_failure = failures.append
    first, second = engine.create_router(), engine.create_router()
    transport, other = first.create_transport(), second.create_transport()
    transport.on_state = lambda _transport, state, detail: closed.append((state.value, detail))
    two_shards.events(("shard_failed", "index out of bounds"), shard=first.link.index)
    assert [type(error) for error in failures] == [EngineError]
    assert closed == [("closed", "shard failed: index out of bounds")]
    assert (first.closed, second.closed, other.state.value) == (True, False, "new")
    assert engine.create_router().link is second.link
    with pytest.raises(EngineError, match="index out of bounds"):
        first.create_transport()
    assert [shard.failed for shard in engine.stats().shards].count("") == 1


def test_without_any_shard_left_there_are_no_routers(world):
    world.events(("shard_failed", "x"))
    with pytest.raises(EngineError, match="every shard has failed"):
        world.engine.create_router()


def test_one_callback_that_raises_does_not_stop_the_events_of_others(world, caplog):
    router = world.engine.create_router()
    bad, good = router.create_transport(), router.create_transport()

    def broken(*_arguments) -> None:
        raise RuntimeError("a bug in a plugin")

    bad.on_state = broken
    world.events(("consent_expired", bad.id), ("consent_expired", good.id))
    assert good.state == "closed"
    assert world.engine.stats().failures["callback"] == 1
    assert "a bug in a plugin" in caplog.text


def test_events_for_what_is_closed_by_now_are_dropped(world):
    transport = world.engine.create_router().create_transport()
    producer = transport.produce(Kind.AUDIO, "0", (EncodingParameters(),))
    consumer = transport.consume(Kind.AUDIO, "4", 1, None, "c")
    transport.close()
    world.events(
        ("dtls", transport.id, b"x"),
        ("ice_selected", transport.id, ("192.0.2.7", 1), 0, False),
        ("consent_expired", transport.id),
        ("encoding_started", producer.id, 0, 5, ("opus", 0)),
        ("consumer_layers", consumer.id, producer.id, 0, 0),
        ("consumer_codec_unsupported", consumer.id, producer.id, ("opus", 0)),
    )
    assert world.engine.stats().failures == {}


def test_a_command_that_failed_is_counted_and_logged(world, caplog):
    world.events(("command_failed", "add_producer", 3, "unknown transport"))
    assert world.engine.stats().failures["command"] == 1
    assert "add_producer" in caplog.text


def test_more_events_than_one_round_takes_wait_for_the_next(world):
    transport = world.engine.create_router().create_transport()
    world.shard.events = [("ice_selected", transport.id, ("192.0.2.7", port), 0, False) for port in range(1, 20_001)]
    world.engine.handle_events(world.now)
    assert len(world.shard.events) > 0
    world.settle()
    assert transport.remote_address == ("192.0.2.7", 20_000)


def test_lost_events_are_made_up_for_from_a_later_snapshot(connected):
    world, transport, _ = connected
    transport.set_rtp(RtpMap(), RtpMap((PayloadType(96, VP8, 90_000),)), True)
    producer = transport.produce(Kind.VIDEO, "1", (EncodingParameters(rid="q"), EncodingParameters(rid="h")))
    other = transport.produce(Kind.VIDEO, "2", (EncodingParameters(),))
    consumer = transport.consume(Kind.VIDEO, "4", 1, 2, "c")
    unable = transport.consume(Kind.VIDEO, "5", 3, 4, "c")
    gone = transport.router.create_transport()
    consumer.switch(producer)
    unable.switch(other)
    shard = world.shard
    shard.now_us = 5_000_000
    world.events(("overflow", 17))
    shard.transports = {
        transport.id: transport_stats(remote="[2001:db8::9]:4711"),
        gone.id: transport_stats(state="expired", remote=None, consent_age_us=None),
    }
    encoding = {"codec": "vp8", "codec_variant": 0, "ssrc": 9, "active": True}
    silent = {"codec": None, "codec_variant": None, "ssrc": None, "active": False}
    shard.producers = {
        producer.id: {"encodings": [encoding, silent]},
        other.id: {"encodings": [{"codec": "h264", "codec_variant": 1, "ssrc": 10, "active": True}]},
    }
    shard.consumers = {
        consumer.id: {"producer": producer.id, "spatial_layer": 1, "temporal_layer": 2},
        unable.id: {"producer": other.id, "spatial_layer": None, "temporal_layer": None},
    }
    world.advance(1.1)
    assert producer.codec is None, "that snapshot was published before the loss"
    shard.now_us = 6_000_000
    world.advance(1.1)
    assert transport.remote_address == ("2001:db8::9", 4711)
    assert gone.state == "closed"
    assert (producer.codec, other.codec) == (VP8, H264)
    assert consumer.current_layers == (1, 2)
    assert unable.unsupported_codec == H264


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.1:5", ("192.0.2.1", 5)), ("[2001:db8::1]:5000", ("2001:db8::1", 5000)), (None, None)],
)
def test_addresses_of_snapshots_are_read(text, address):
    assert parse_address(text) == address


def test_stats_add_up_over_shards(two_shards):
    engine = two_shards.engine
    transport = engine.create_router().create_transport()
    engine.create_router()
    transport.produce(Kind.AUDIO, "0", (EncodingParameters(),))
    transport.consume(Kind.AUDIO, "4", 1, None, "c")
    stats = engine.stats()
    assert (stats.routers, stats.producers, stats.consumers) == (2, 1, 1)
    assert stats.transports == {"new": 1}
    assert stats.counters == {"rx_packets": 21}
    assert stats.drops == {"unknown_ssrc": 2}


def test_close_stops_every_shard_once_after_everything_on_it(two_shards):
    engine = two_shards.engine
    transport = engine.create_router().create_transport()
    engine.close()
    engine.close()
    assert transport.close_reason == "engine closed"
    assert [shard.closed for shard in two_shards.shards] == [1, 1]
    with pytest.raises(EngineError, match="closed"):
        engine.create_router()


def test_an_idle_engine_wakes_nobody(world):
    assert world.engine.poll_timeout() is None
    world.engine.create_router().create_transport().close()
    world.advance(5)
    assert world.engine.poll_timeout() is None


def test_a_closed_router_refuses_transports(world):
    router = world.engine.create_router()
    router.close()
    router.close()
    with pytest.raises(StateError):
        router.create_transport()
    assert world.shard.told("remove_router") == [[router.id]]


def test_handles_end_with_an_error_not_with_a_repeat():
    handles = HandleSequence()
    assert [handles.allocate(), handles.allocate()] == [1, 2]
    handles._last = MAX_HANDLE
    with pytest.raises(OverflowError):
        handles.allocate()
