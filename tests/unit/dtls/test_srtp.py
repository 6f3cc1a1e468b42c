"""Cutting keying material."""

from __future__ import annotations

import pytest

from sfu.dtls.srtp import SrtpKeyMaterial, SrtpProfile

LENGTHS = [
    (SrtpProfile.AEAD_AES_128_GCM, 16, 12),
    (SrtpProfile.AEAD_AES_256_GCM, 32, 12),
    (SrtpProfile.AES128_CM_HMAC_SHA1_80, 16, 14),
]


@pytest.mark.parametrize(("profile", "key", "salt"), LENGTHS)
def test_the_parts_come_in_the_order_of_the_rfc(profile: SrtpProfile, key: int, salt: int) -> None:
    material = b"K" * key + b"k" * key + b"S" * salt + b"s" * salt
    client = SrtpKeyMaterial.split(profile, material, is_client=True)
    assert (client.send_key, client.send_salt) == (b"K" * key, b"S" * salt)
    assert (client.receive_key, client.receive_salt) == (b"k" * key, b"s" * salt)
    server = SrtpKeyMaterial.split(profile, material, is_client=False)
    assert (server.send_key, server.receive_key) == (client.receive_key, client.send_key)
    assert (server.send_salt, server.receive_salt) == (client.receive_salt, client.send_salt)


@pytest.mark.parametrize(("profile", "key", "salt"), LENGTHS)
@pytest.mark.parametrize("off_by", [-1, 1])
def test_another_length_is_refused(profile: SrtpProfile, key: int, salt: int, off_by: int) -> None:
    with pytest.raises(ValueError, match=str(2 * (key + salt))):
        SrtpKeyMaterial.split(profile, bytes(2 * (key + salt) + off_by), is_client=True)


def test_keys_do_not_show_in_logs() -> None:
    material = SrtpKeyMaterial.split(SrtpProfile.AEAD_AES_128_GCM, b"secret__" * 7, is_client=True)
    assert "secret" not in repr(material)
