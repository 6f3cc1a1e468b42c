"""The native interface refuses what makes no sense at once, in words; the shard refuses the rest by an event."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sfu._native import SimShard

RTP_MAP = ([(96, ("vp8", 0), 90_000, 97)], [(1, "mid")])

REFUSED: list[tuple[Callable[[SimShard], None], str]] = [
    (lambda s: s.add_router(0), "router is 0"),
    (lambda s: s.add_transport(0, 1, "u", "p"), "transport is 0"),
    (lambda s: s.add_transport(1, 1, "u" * 257, "p"), "ufrag has 257 bytes"),
    (lambda s: s.restart_ice(1, "u", "p" * 257), "pwd has 257 bytes"),
    (lambda s: s.set_srtp_keys(1, "NULL", b"", b"", b"", b""), 'SRTP profile is "NULL", accepted are AEAD_AES_128_GCM'),
    (lambda s: s.set_srtp_keys(1, "AEAD_AES_128_GCM", b"k" * 16, b"s" * 14, b"k" * 16, b"s" * 12), "send_salt has 14"),
    (
        lambda s: s.set_srtp_keys(1, "AEAD_AES_256_GCM", b"k" * 32, b"s" * 12, b"k" * 16, b"s" * 12),
        "receive_key has 16",
    ),
    (lambda s: s.send_dtls(1, bytes(2_049)), "datagram has 2049 bytes"),
    (lambda s: s.set_rtp(1, ([(128, ("vp8", 0), 90_000, None)], []), ([], []), True), "payload type is 128"),
    (lambda s: s.set_rtp(1, ([(96, ("vp8", 0), 90_000, 200)], []), ([], []), True), "payload type is 200"),
    (lambda s: s.set_rtp(1, ([(96, ("vp8", 0), 0, None)], []), ([], []), True), "clock rate is 0"),
    (
        lambda s: s.set_rtp(1, ([(96, ("h265", 0), 90_000, None)], []), ([], []), True),
        'codec is "h265", accepted are opus',
    ),
    (lambda s: s.set_rtp(1, ([], [(0, "mid")]), ([], []), True), "extension id is 0"),
    (lambda s: s.set_rtp(1, ([], [(1, "smell")]), ([], []), True), 'extension is "smell", accepted are mid'),
    (lambda s: s.set_rtp(1, ([RTP_MAP[0][0]] * 129, []), ([], []), True), "more payload types"),
    (lambda s: s.add_producer(1, 1, "smell", "0", [(None, None, None)]), 'kind is "smell", accepted are audio, video'),
    (lambda s: s.add_producer(1, 1, "video", "0", []), "0 encodings"),
    (lambda s: s.add_producer(1, 1, "video", "0", [(None, None, None)] * 5), "5 encodings"),
    (lambda s: s.add_producer(1, 1, "video", "m" * 257, [(None, None, None)]), "mid has 257"),
    (lambda s: s.add_producer(1, 1, "video", "0", [("r" * 257, None, None)]), "rid has 257"),
    (lambda s: s.add_consumer(0, 1, "video", "0", 1, None, "c"), "consumer is 0"),
    (lambda s: s.add_consumer(1, 1, "video", "0", 1, None, "c" * 257), "cname has 257"),
    (lambda s: s.switch_consumer(1, 0), "producer is 0"),
]


@pytest.mark.parametrize(("command", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_senseless_command_is_refused_in_words(command: Callable[[SimShard], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        command(SimShard())


OUT_OF_RANGE: list[Callable[[SimShard], None]] = [
    lambda s: s.add_router(-1),
    lambda s: s.add_router(2**32),
    lambda s: s.set_layers(1, 256, 0),
    lambda s: s.add_consumer(1, 1, "video", "0", 2**32, None, "c"),
    lambda s: s.set_rtp(1, ([(96, ("vp8", 256), 90_000, None)], []), ([], []), True),
]


@pytest.mark.parametrize("command", OUT_OF_RANGE)
def test_numbers_that_do_not_fit_are_refused(command: Callable[[SimShard], None]) -> None:
    with pytest.raises(OverflowError):
        command(SimShard())


def test_commands_wait_for_the_next_input() -> None:
    shard = SimShard()
    assert shard.poll_timeout() != 0
    shard.add_router(1)
    assert shard.poll_timeout() == 0
    assert shard.snapshot()["routers"] == []
    assert shard.handle_timeout(1_000) == []
    assert shard.snapshot()["routers"] == [1]


def test_an_unknown_id_is_told_by_an_event() -> None:
    shard = SimShard()
    shard.remove_router(7)
    shard.switch_consumer(5, None)
    shard.handle_timeout(0)
    events = shard.poll_events()
    assert [(event[0], event[2]) for event in events] == [("command_failed", 7), ("command_failed", 5)]
    assert all(isinstance(word, str) for event in events for word in (event[1], event[3]))
    assert shard.poll_events() == []


def test_events_come_in_portions_of_the_wanted_size() -> None:
    shard = SimShard()
    for router in range(1, 8):
        shard.remove_router(router)
    shard.handle_timeout(0)
    assert [len(shard.poll_events(3)) for _ in range(4)] == [3, 3, 1, 0]


def test_a_snapshot_has_every_counter_by_name() -> None:
    snapshot = SimShard().snapshot()
    objects = {"transports", "producers", "consumers"}
    assert set(snapshot) == {"now_us", "counters", "drops", "routers", "stages", "consent_ages_us"} | objects
    assert all(len(snapshot[name]) == 0 and dict(snapshot[name]) == {} for name in objects)
    assert snapshot["counters"]["rx_packets"] == 0
    assert snapshot["drops"]["srtp_replayed"] == 0


def test_a_transport_has_its_statistics_under_its_id() -> None:
    shard = SimShard()
    shard.add_router(1)
    shard.add_transport(42, 1, "ufrag", "p" * 24)
    shard.set_rtp(42, RTP_MAP, RTP_MAP, True)
    shard.add_producer(8, 42, "video", "0", [("q", None, None), ("h", None, None)])
    shard.add_consumer(9, 42, "video", "1", 1234, 5678, "cname")
    shard.handle_timeout(5)
    assert shard.poll_events() == []
    snapshot = shard.snapshot()
    assert snapshot["now_us"] == 5
    assert snapshot["transports"][42]["router"] == 1
    assert [encoding["rid"] for encoding in snapshot["producers"][8]["encodings"]] == ["q", "h"]
    assert snapshot["consumers"][9]["ssrc"] == 1234
    assert snapshot["consumers"].get(10) is None
    assert [(id_, stats["ssrc"]) for id_, stats in snapshot["consumers"].items()] == [(9, 1234)]
    with pytest.raises(KeyError):
        snapshot["transports"][43]


def test_time_never_runs_backwards_and_long_datagrams_are_not_for_us() -> None:
    shard = SimShard()
    shard.handle_timeout(1_000)
    shard.handle(10, [(("127.0.0.1", 5), bytes(3_000))])
    assert shard.snapshot()["now_us"] == 1_000
    assert shard.snapshot()["counters"]["rx_packets"] == 0


@pytest.mark.parametrize("address", ["localhost", "", "1.2.3", "::g"])
def test_names_are_not_addresses(address: str) -> None:
    with pytest.raises(ValueError, match="accepted is an IPv4 or IPv6 address"):
        SimShard().handle(0, [((address, 1), b"")])
