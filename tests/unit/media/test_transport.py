"""A transport's life: the handshake in virtual time with a real DTLS session at the far end."""

from __future__ import annotations

import random

import pytest

from sfu.dtls.session import DtlsConnected
from sfu.errors import RemoteError, StateError
from sfu.media.transport import HANDSHAKE_TIMEOUT_S, Transport
from sfu.rtp.codecs import CodecId, CodecName, EncodingParameters, ExtensionKind, Kind, PayloadType, RtpMap


def fresh(world) -> tuple[Transport, list[tuple[str, str]]]:
    transport = world.engine.create_router().create_transport()
    seen: list[tuple[str, str]] = []
    transport.on_state = lambda _transport, state, detail: seen.append((state.value, detail))
    return transport, seen


def test_a_new_transport_answers_checks_before_the_remote_is_known(world):
    transport, _ = fresh(world)
    (command,) = world.shard.told("add_transport")
    assert command == [transport.id, transport.router.id, transport.local.ufrag, transport.local.pwd]
    assert transport.local.candidates == ("1 1 udp 2130706431 192.0.2.1 40000 typ host",)
    assert transport.local.fingerprints == (world.certificate.fingerprint(),)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_handshake_gives_the_same_keys_to_shard_and_client(world, make_client, version, role):
    transport, seen = fresh(world)
    client = make_client(world, role=role, version=version)
    client.start()
    transport.connect(client.parameters())
    world.settle()
    world.select(transport)
    client.pump(transport)
    assert [state for state, _ in seen] == ["connecting", "connected"]
    (event,) = [event for event in client.events if isinstance(event, DtlsConnected)]
    (keys,) = world.shard.told("set_srtp_keys")
    assert keys == [
        transport.id,
        event.profile.value,
        event.keys.receive_key,
        event.keys.receive_salt,
        event.keys.send_key,
        event.keys.send_salt,
    ]
    assert transport.dtls_version == f"DTLS {version}" == event.version


def test_keys_reach_the_shard_before_the_datagram_that_ends_the_handshake(connected):
    world, _, _ = connected
    names = [name for name, *_ in world.shard.commands]
    assert names.index("set_srtp_keys") < len(names) - 1 - names[::-1].index("send_dtls")


def test_datagrams_that_come_before_the_remote_description_are_used(world, make_client):
    transport, _ = fresh(world)
    client = make_client(world)
    world.select(transport)
    client.start()
    client.pump(transport)
    assert transport.state == "new"
    assert world.shard.told("send_dtls") == []
    transport.connect(client.parameters())
    world.settle()
    client.pump(transport)
    assert transport.state == "connected"


def test_the_client_of_a_handshake_waits_for_an_address(world, make_client):
    transport, _ = fresh(world)
    client = make_client(world, role="server")
    client.start()
    transport.connect(client.parameters())
    world.advance(2)
    assert world.shard.told("send_dtls") == []
    world.select(transport)
    assert world.shard.told("send_dtls")


@pytest.mark.parametrize("seed", range(8))
def test_a_handshake_survives_the_loss_of_every_third_datagram(world, make_client, seed):
    draw = random.Random(seed)
    transport, _ = fresh(world)
    client = make_client(world)
    transport.connect(client.parameters())
    world.settle()
    world.select(transport)
    client.start()
    client.advance(transport, 25, lose=lambda: draw.random() < 0.33)
    assert transport.state == "connected", transport.close_reason


def test_a_fingerprint_that_does_not_match_closes_the_transport_and_says_so(world, make_client):
    transport, seen = fresh(world)
    client = make_client(world)
    transport.connect(client.parameters(fingerprint=world.certificate.fingerprint()))
    world.settle()
    world.select(transport)
    client.start()
    client.pump(transport)
    assert transport.state == "closed"
    assert "fingerprint mismatch" in transport.close_reason
    assert seen[-1] == ("closed", transport.close_reason)
    assert world.shard.told("set_srtp_keys") == []
    assert world.engine.stats().failures["dtls"] == 1


def test_a_transport_that_nobody_reaches_closes_after_30_s(world, make_client):
    transport, seen = fresh(world)
    transport.connect(make_client(world).parameters())
    world.advance(HANDSHAKE_TIMEOUT_S - 0.1)
    assert transport.state == "connecting"
    world.advance(0.2)
    assert seen[-1] == ("closed", "no ICE connectivity check arrived within 30 s")


def test_a_handshake_that_does_not_finish_closes_after_30_s(world, make_client):
    transport, seen = fresh(world)
    transport.connect(make_client(world).parameters())
    world.settle()
    world.select(transport)
    world.advance(HANDSHAKE_TIMEOUT_S + 0.1)
    assert seen[-1][1] == "the DTLS handshake did not finish within 30 s"
    assert world.engine.poll_timeout() is None or world.engine.poll_timeout() > world.now


def test_a_connected_transport_outlives_the_handshake_timeout(connected):
    world, transport, _ = connected
    world.advance(2 * HANDSHAKE_TIMEOUT_S)
    assert transport.state == "connected"


def test_the_end_of_consent_closes_the_transport_without_a_goodbye(connected):
    world, transport, _ = connected
    sent = len(world.shard.told("send_dtls"))
    world.events(("consent_expired", transport.id))
    assert transport.state == "closed"
    assert "consent" in transport.close_reason
    assert len(world.shard.told("send_dtls")) == sent
    assert world.shard.told("remove_transport") == [[transport.id]]


def test_the_remote_can_say_goodbye(connected):
    _world, transport, client = connected
    client.dtls.close()
    client.pump(transport)
    assert (transport.state, transport.close_reason) == ("closed", "closed by the remote side")


def test_closing_says_goodbye_to_the_remote_first(connected):
    world, transport, _ = connected
    world.shard.commands.clear()
    transport.close("enough")
    names = [name for name, *_ in world.shard.commands]
    assert names == ["send_dtls", "remove_transport"]


def test_silence_shows_as_disconnected_and_passes(connected):
    world, transport, _ = connected
    seen = []
    transport.on_state = lambda _transport, state, _detail: seen.append(state.value)
    world.shard.transports = {transport.id: {"consent_age_us": 13_000_000}}
    world.advance(1.1)
    world.shard.transports = {transport.id: {"consent_age_us": 200_000}}
    world.advance(1.1)
    assert seen == ["disconnected", "connected"]


def test_a_client_that_moves_is_followed(connected):
    world, transport, _ = connected
    world.select(transport, ("198.51.100.9", 4711))
    assert transport.remote_address == ("198.51.100.9", 4711)
    assert transport.state == "connected"


def test_an_ice_restart_gives_new_credentials_and_keeps_the_association(connected):
    world, transport, client = connected
    before = transport.local
    after = transport.restart_ice()
    assert (after.ufrag, after.pwd) != (before.ufrag, before.pwd)
    assert world.shard.told("restart_ice") == [[transport.id, after.ufrag, after.pwd]]
    transport.update_remote(client.parameters())
    world.select(transport, ("198.51.100.9", 4711), restarted=True)
    assert transport.state == "connected"
    with pytest.raises(RemoteError) as caught:
        transport.update_remote(client.parameters(fingerprint=world.certificate.fingerprint()))
    assert caught.value.code == "unsupported_media"


def test_a_flood_of_dtls_datagrams_costs_no_more_than_its_limit(connected):
    world, transport, _ = connected
    world.events(*(("dtls", transport.id, b"\x16" + bytes(50)) for _ in range(1000)))
    assert transport.debug_state()["dtls_datagrams_dropped"] >= 790
    assert transport.state == "connected"


def test_close_closes_what_hangs_from_it_once(connected):
    world, transport, _ = connected
    other = transport.router.create_transport()
    producer = transport.produce(Kind.VIDEO, "1", (EncodingParameters(rid="q"), EncodingParameters(rid="h")))
    consumer = transport.consume(Kind.VIDEO, "4", 1, 2, "c")
    watcher = other.consume(Kind.VIDEO, "4", 3, 4, "c")
    watcher.switch(producer)
    seen = []
    transport.on_state = lambda _transport, state, detail: seen.append((state.value, detail))
    transport.close("done")
    transport.close("again")
    assert seen == [("closed", "done")]
    assert (producer.closed, consumer.closed, watcher.closed) == (True, True, False)
    assert watcher.producer is None
    assert world.shard.told("remove_transport") == [[transport.id]]
    assert world.shard.told("remove_producer") == []
    assert list(transport.router.transports.values()) == [other]


def test_closing_from_the_state_callback_is_harmless(world):
    transport, _ = fresh(world)
    seen = []

    def close_again(closing: Transport, state, detail: str) -> None:
        seen.append(state.value)
        closing.close("again")

    transport.on_state = close_again
    transport.close("first")
    assert (seen, transport.close_reason) == (["closed"], "first")


def test_a_closed_transport_refuses_work(world):
    transport, _ = fresh(world)
    transport.close("over")
    for call in (
        transport.restart_ice,
        lambda: transport.produce(Kind.AUDIO, "0", (EncodingParameters(),)),
        lambda: transport.consume(Kind.AUDIO, "0", 1, None, "c"),
        lambda: transport.set_rtp(RtpMap(), RtpMap(), True),
    ):
        with pytest.raises(StateError, match="closed: over"):
            call()


def test_connect_is_for_new_transports_only(connected):
    _, transport, client = connected
    with pytest.raises(StateError, match="connected, not new"):
        transport.connect(client.parameters())


def test_what_was_negotiated_goes_to_the_shard_in_its_words(world):
    transport, _ = fresh(world)
    rtp = RtpMap(
        (PayloadType(96, CodecId(CodecName.VP8), 90_000, 97), PayloadType(111, CodecId(CodecName.OPUS), 48_000)),
        ((1, ExtensionKind.MID), (3, ExtensionKind.TRANSPORT_CC)),
    )
    transport.set_rtp(rtp, RtpMap(), True)
    assert world.shard.told("set_rtp") == [
        [
            transport.id,
            ([(96, ("vp8", 0), 90_000, 97), (111, ("opus", 0), 48_000, None)], [(1, "mid"), (3, "transport_cc")]),
            ([], []),
            True,
        ]
    ]


def test_egress_ssrcs_are_fresh_and_video_has_one_more(world):
    transport, _ = fresh(world)
    transport.produce(Kind.AUDIO, "0", (EncodingParameters(ssrc=5),))
    drawn = [ssrc for _ in range(100) for ssrc in transport.allocate_egress(Kind.VIDEO)]
    assert len(set(drawn)) == 200
    assert transport.allocate_egress(Kind.AUDIO)[1] is None


def test_debug_state_has_no_secret(connected):
    _, transport, _ = connected
    assert transport.local.pwd not in str(transport.debug_state())
