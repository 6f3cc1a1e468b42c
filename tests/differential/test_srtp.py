"""Our SRTP (Rust) against libsrtp: both directions, every profile, sizes, wraps, reordering, replays, forgeries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Error, Policy, Session
from tests.properties.packets import rtcp_packet, rtp_packet

from sfu._native import SrtpContext
from sfu.rtcp.compound import serialize_compound
from sfu.rtp.packet import RtpPacket

REPLAY_WINDOW = 1024
"""Of ours for RTP; libsrtp is told to have the same."""


@dataclass(frozen=True)
class Profile:
    name: str
    key_bytes: int
    salt_bytes: int
    libsrtp: int


PROFILES = [
    Profile("AEAD_AES_128_GCM", 16, 12, Policy.SRTP_PROFILE_AEAD_AES_128_GCM),
    Profile("AEAD_AES_256_GCM", 32, 12, Policy.SRTP_PROFILE_AEAD_AES_256_GCM),
    Profile("AES128_CM_HMAC_SHA1_80", 16, 14, Policy.SRTP_PROFILE_AES128_CM_SHA1_80),
]
profiles = st.sampled_from(PROFILES)
# A packet of nothing but its head has no SSRC to protect it under.
rtcp_datagram = (
    st.lists(rtcp_packet, min_size=1, max_size=4).map(serialize_compound).filter(lambda wire: len(wire) >= 8)
)
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
KEYS = bytes(range(64))


class Pair:
    """Our context and libsrtp's two sessions under one master key."""

    def __init__(self, profile: Profile, keys: bytes = KEYS) -> None:
        key, salt = keys[: profile.key_bytes], keys[32 : 32 + profile.salt_bytes]
        self.ours = SrtpContext(profile.name, key, salt)
        self.sender = self._session(profile, key + salt, Policy.SSRC_ANY_OUTBOUND)
        self.receiver = self._session(profile, key + salt, Policy.SSRC_ANY_INBOUND)

    @staticmethod
    def _session(profile: Profile, key: bytes, ssrc_type: int) -> Session:
        policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile.libsrtp)
        policy.window_size = REPLAY_WINDOW
        return Session(policy)


def outcome(unprotect: Callable[[bytes], bytes], packet: bytes) -> bytes | None:
    """The plaintext; None when it is refused."""
    try:
        return unprotect(packet)
    except (Error, ValueError):
        return None


def stream(first_seq: int, count: int, payload: bytes = b"x", ssrc: int = 7) -> Iterator[bytes]:
    """``count`` packets in order; the sequence number wraps."""
    for index in range(count):
        yield bytes(RtpPacket(96, (first_seq + index) & 0xFFFF, 90 * index, ssrc, payload=payload))


@given(profiles, st.binary(min_size=64, max_size=64), rtp_packet)
def test_both_encrypt_and_decrypt_rtp_alike(profile: Profile, keys: bytes, packet: RtpPacket) -> None:
    pair, plain = Pair(profile, keys), bytes(packet)
    protected = pair.ours.protect_rtp(plain)
    assert protected == pair.sender.protect(plain)
    assert pair.receiver.unprotect(protected) == plain
    assert pair.ours.unprotect_rtp(protected) == plain


@given(profiles, st.binary(min_size=64, max_size=64), rtcp_datagram)
def test_both_encrypt_and_decrypt_rtcp_alike(profile: Profile, keys: bytes, plain: bytes) -> None:
    pair = Pair(profile, keys)
    for _ in range(3):  # the index grows by one each time
        protected = pair.ours.protect_rtcp(plain)
        assert protected == pair.sender.protect_rtcp(plain)
        assert pair.receiver.unprotect_rtcp(protected) == plain
        assert pair.ours.unprotect_rtcp(protected) == plain


@each_profile
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 100, 1200, 1340])
def test_every_size_around_the_cipher_blocks(profile: Profile, size: int) -> None:
    pair = Pair(profile)
    for plain in stream(0, 3, (bytes(range(256)) * 6)[:size]):
        protected = pair.ours.protect_rtp(plain)
        assert protected == pair.sender.protect(plain)
        assert pair.ours.unprotect_rtp(protected) == pair.receiver.unprotect(protected) == plain


@each_profile
def test_the_rollover_counter_follows_through_several_wraps(profile: Profile) -> None:
    pair = Pair(profile)
    in_order = [65_000 + index for index in range(700)]
    # Leaps of less than half the circle take both round it quickly.
    leaps = [65_700 + step * 30_000 for step in range(1, 12)]
    for ext_seq in in_order + leaps:
        plain = bytes(RtpPacket(96, ext_seq & 0xFFFF, ext_seq, 7, payload=b"wrap"))
        protected = pair.ours.protect_rtp(plain)
        assert protected == pair.sender.protect(plain)
        assert pair.ours.unprotect_rtp(protected) == pair.receiver.unprotect(protected) == plain


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[int, list[int]]:
    """A first sequence number, and indices of packets as a bad network delivers them: late, twice, not at all."""
    count = draw(st.integers(1, 60))
    order = sorted(range(count), key=lambda index: index + draw(st.integers(0, 12)))
    repeats = draw(st.lists(st.integers(0, count - 1), max_size=15))
    lost = draw(st.sets(st.integers(1, count), max_size=10))
    return draw(st.integers(30_000, 65_535)), [index for index in order if index not in lost] + repeats


@given(profiles, deliveries())
def test_both_let_in_the_same_packets_whatever_the_network_does(
    profile: Profile, delivery: tuple[int, list[int]]
) -> None:
    first_seq, order = delivery
    pair = Pair(profile)
    protected = [pair.sender.protect(plain) for plain in stream(first_seq, 80)]
    for index in order:
        assert outcome(pair.ours.unprotect_rtp, protected[index]) == outcome(pair.receiver.unprotect, protected[index])


@each_profile
def test_a_packet_is_let_in_once_and_never_after_it_left_the_window(profile: Profile) -> None:
    pair = Pair(profile)
    protected = [pair.sender.protect(plain) for plain in stream(64_000, 3_000)]
    for packet in protected[1:]:
        assert pair.ours.unprotect_rtp(packet)
        assert pair.receiver.unprotect(packet)
    for late in (0, 1, 1_975, 1_976, 1_977, 2_999):
        ours, theirs = (
            outcome(pair.ours.unprotect_rtp, protected[late]),
            outcome(pair.receiver.unprotect, protected[late]),
        )
        assert ours is theirs is None


@each_profile
@pytest.mark.parametrize("missing", [1_975, 1_976, 1_977, 2_500])
def test_the_edge_of_the_window_is_where_libsrtp_has_it(profile: Profile, missing: int) -> None:
    pair = Pair(profile)
    protected = [pair.sender.protect(plain) for plain in stream(64_000, 3_000)]
    for index, packet in enumerate(protected):
        if index != missing:
            pair.ours.unprotect_rtp(packet)
            pair.receiver.unprotect(packet)
    is_inside = missing > 2_999 - REPLAY_WINDOW
    assert (outcome(pair.ours.unprotect_rtp, protected[missing]) is not None) is is_inside
    assert (outcome(pair.receiver.unprotect, protected[missing]) is not None) is is_inside


@given(profiles, rtp_packet, st.data())
def test_both_refuse_what_was_changed_on_the_way(profile: Profile, packet: RtpPacket, data: st.DataObject) -> None:
    pair = Pair(profile)
    protected = bytearray(pair.ours.protect_rtp(bytes(packet)))
    position = data.draw(st.integers(0, len(protected) - 1))
    protected[position] ^= data.draw(st.integers(1, 255))
    assert outcome(pair.ours.unprotect_rtp, bytes(protected)) is None
    assert outcome(pair.receiver.unprotect, bytes(protected)) is None


@given(profiles, rtcp_datagram, st.data())
def test_both_refuse_rtcp_that_was_changed_on_the_way(profile: Profile, plain: bytes, data: st.DataObject) -> None:
    pair = Pair(profile)
    protected = bytearray(pair.sender.protect_rtcp(plain))
    position = data.draw(st.integers(0, len(protected) - 1))
    protected[position] ^= data.draw(st.integers(1, 255))
    assert outcome(pair.ours.unprotect_rtcp, bytes(protected)) is None
    assert outcome(pair.receiver.unprotect_rtcp, bytes(protected)) is None


@each_profile
def test_rtcp_is_let_in_once(profile: Profile) -> None:
    pair = Pair(profile)
    report = bytes.fromhex("80c90001 00000001")
    protected = [pair.sender.protect_rtcp(report) for _ in range(200)]
    for order in (50, 49, 50, 199, 100, 100, 199, 72, 71, 70, 49):
        ours = outcome(pair.ours.unprotect_rtcp, protected[order])
        assert ours == outcome(pair.receiver.unprotect_rtcp, protected[order]), order


@given(profiles, st.binary(max_size=80))
def test_no_bytes_do_worse_than_an_error(profile: Profile, data: bytes) -> None:
    pair = Pair(profile)
    assert outcome(pair.ours.unprotect_rtp, data) is None
    assert outcome(pair.ours.unprotect_rtcp, data) is None
