"""The clients' handshake, by OpenSSL, with ours of the server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sfu.bench.dtls import ClientContext, DtlsClient, DtlsError
from sfu.dtls.certificate import Certificate
from sfu.dtls.session import DtlsConnected, DtlsHandshake
from sfu.dtls.srtp import SrtpProfile

PROFILES = [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80]
NOW = 0.0


def shake_hands(context: ClientContext, certificate: Certificate, promised: Certificate) -> tuple[DtlsClient, object]:
    """The client, and what the server says of it."""
    server = DtlsHandshake(certificate)
    server.expect([context.fingerprint], NOW)
    fingerprint = promised.fingerprint()
    client = DtlsClient(context, (fingerprint.algorithm, fingerprint.value))
    flight = client.start()
    while flight:
        for datagram in flight:
            server.handle_datagram(datagram, NOW)
        flight = []
        while (datagram := server.poll_transmit()) is not None:
            flight += client.handle_datagram(datagram)
    return client, server.poll_event()


@pytest.mark.parametrize("profile", PROFILES)
def test_both_sides_have_the_same_keys(profile: SrtpProfile) -> None:
    certificate = Certificate.generate(datetime.now(UTC))
    client, event = shake_hands(ClientContext(profile), certificate, certificate)
    keys = client.keys()
    assert isinstance(event, DtlsConnected)
    assert keys is not None
    assert (keys.profile, keys.send_key, keys.send_salt) == (
        event.keys.profile,
        event.keys.receive_key,
        event.keys.receive_salt,
    )


def test_a_server_with_another_certificate_than_it_promised_is_refused() -> None:
    certificate, promised = (Certificate.generate(datetime.now(UTC)) for _ in range(2))
    with pytest.raises(DtlsError, match="not the one that its answer promised"):
        shake_hands(ClientContext(PROFILES[0]), certificate, promised)
