"""DTLS against OpenSSL: versions, roles, keys and every SRTP profile with an implementation that is not ours."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Literal

import pytest
from tests.support.dtls import BadLink, certificate, events
from tests.support.openssl_dtls import OpenSslEndpoint

from sfu.dtls.session import DtlsClosed, DtlsConnected, DtlsFailed, DtlsHandshake
from sfu.dtls.srtp import SrtpKeyMaterial, SrtpProfile

OURS, THEIRS = certificate(), certificate()
ALL = tuple(SrtpProfile)


def handshake(
    role: Literal["client", "server"], profiles: tuple[SrtpProfile, ...]
) -> tuple[DtlsHandshake, OpenSslEndpoint]:
    """Ours in ``role``, after everything that wants to happen has happened."""
    ours = DtlsHandshake(OURS)
    theirs = OpenSslEndpoint(THEIRS, is_client=role == "server", profiles=profiles)
    ours.expect([THEIRS.fingerprint()], 0.0, role=role)
    BadLink(random.Random(0)).run(ours, theirs, until_s=60.0)
    return ours, theirs


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("profile", ALL)
def test_each_profile_that_the_peer_insists_on_is_used(role: Literal["client", "server"], profile: SrtpProfile) -> None:
    ours, theirs = handshake(role, (profile,))
    (event,) = events(ours)
    assert isinstance(event, DtlsConnected)
    assert theirs.connected
    assert (theirs.connection.get_protocol_version_name(), event.version) == ("DTLSv1.2", "DTLS 1.2")
    assert event.profile is theirs.srtp_profile is profile
    size = 2 * (len(event.keys.send_key) + len(event.keys.send_salt))
    assert event.keys == SrtpKeyMaterial.split(profile, theirs.exported(size), is_client=role == "client")
    assert theirs.peer_certificate_der() == OURS.certificate_der


@pytest.mark.parametrize("offered", list(permutations(ALL)))
def test_as_server_of_dtls_1_2_the_strongest_offered_profile_wins(offered: tuple[SrtpProfile, ...]) -> None:
    """The order is the library's: 256 bit first, whatever the client prefers."""
    ours, _ = handshake("server", offered)
    event = ours.poll_event()
    assert isinstance(event, DtlsConnected)
    assert event.profile is SrtpProfile.AEAD_AES_256_GCM


def test_a_peer_with_another_certificate_than_described_gets_no_keys() -> None:
    ours = DtlsHandshake(OURS)
    theirs = OpenSslEndpoint(THEIRS, is_client=True, profiles=ALL)
    ours.expect([certificate().fingerprint()], 0.0)
    BadLink(random.Random(0)).run(ours, theirs, until_s=60.0)
    (event,) = events(ours)
    assert isinstance(event, DtlsFailed)
    assert not theirs.connected


def test_the_goodbye_of_openssl_is_understood() -> None:
    ours, theirs = handshake("server", ALL)
    events(ours)
    theirs.connection.shutdown()
    BadLink(random.Random(0)).run(ours, theirs, until_s=60.0)
    assert events(ours) == [DtlsClosed()]
