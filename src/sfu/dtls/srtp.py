"""SRTP keys out of DTLS keying material (RFC 5764 §4.2, RFC 7714 §12). Knows no session and no packet."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class SrtpProfile(StrEnum):
    """SRTP protection profiles; values are the words of ``sfu._native``."""

    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AES128_CM_HMAC_SHA1_80 = "AES128_CM_HMAC_SHA1_80"


_LENGTHS: dict[SrtpProfile, tuple[int, int]] = {
    SrtpProfile.AEAD_AES_128_GCM: (16, 12),
    SrtpProfile.AEAD_AES_256_GCM: (32, 12),
    SrtpProfile.AES128_CM_HMAC_SHA1_80: (16, 14),
}
"""(master key, master salt) in bytes: RFC 7714 §14.2, RFC 5764 §4.1.2."""


@dataclass(frozen=True, slots=True)
class SrtpKeyMaterial:
    """Master keys and salts of both directions, as seen from this side."""

    profile: SrtpProfile
    send_key: bytes = field(repr=False)
    send_salt: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_salt: bytes = field(repr=False)

    @classmethod
    def split(cls, profile: SrtpProfile, keying_material: bytes, *, is_client: bool) -> SrtpKeyMaterial:
        """Cuts what the exporter gave, in the order of RFC 5764 §4.2.

        client_write_SRTP_master_key, server_write_SRTP_master_key, client_write_SRTP_master_salt,
        server_write_SRTP_master_salt. ``is_client``: this side is the DTLS client. ValueError when the length is
        not that of the profile.
        """
        key, salt = _LENGTHS[profile]
        if len(keying_material) != 2 * (key + salt):
            raise ValueError(f"keying material of {profile} has {2 * (key + salt)} bytes, not {len(keying_material)}")
        client_key, server_key = keying_material[:key], keying_material[key : 2 * key]
        client_salt, server_salt = keying_material[2 * key : 2 * key + salt], keying_material[2 * key + salt :]
        if is_client:
            return cls(profile, client_key, client_salt, server_key, server_salt)
        return cls(profile, server_key, server_salt, client_key, client_salt)
