"""OpenSSL's DTLS 1.2 as a sans-IO endpoint: an implementation that shares nothing with ours."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from OpenSSL import SSL

from sfu.dtls.certificate import Certificate
from sfu.dtls.srtp import SrtpProfile

_OPENSSL_NAMES = {
    SrtpProfile.AEAD_AES_128_GCM: b"SRTP_AEAD_AES_128_GCM",
    SrtpProfile.AEAD_AES_256_GCM: b"SRTP_AEAD_AES_256_GCM",
    SrtpProfile.AES128_CM_HMAC_SHA1_80: b"SRTP_AES128_CM_SHA1_80",
}
_RECORD_HEADER_BYTES = 13


class OpenSslEndpoint:
    """A DTLS peer that offers ``profiles``. Its timers are OpenSSL's own, on the real clock, and not used."""

    def __init__(self, certificate: Certificate, *, is_client: bool, profiles: Sequence[SrtpProfile]) -> None:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        key = load_der_private_key(certificate.private_key_der, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        with warnings.catch_warnings():
            # Whether these take pyOpenSSL's or cryptography's objects changes from version to version.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.use_certificate(x509.load_der_x509_certificate(certificate.certificate_der))
            context.use_privatekey(key)
        context.set_tlsext_use_srtp(b":".join(_OPENSSL_NAMES[profile] for profile in profiles))
        self.connection = SSL.Connection(context, None)
        self.connection.set_ciphertext_mtu(1200)
        if is_client:
            self.connection.set_connect_state()
        else:
            self.connection.set_accept_state()
        self.connected = False
        self._pending = b""
        self._advance()

    def handle_datagram(self, data: bytes, now: float) -> None:
        self.connection.bio_write(data)
        self._advance()

    def handle_timeout(self, now: float) -> None:
        pass

    def poll_timeout(self) -> float | None:
        return None

    def poll_transmit(self) -> bytes | None:
        """One record a datagram: the memory buffer has forgotten where datagrams ended."""
        with contextlib.suppress(SSL.WantReadError):
            self._pending += self.connection.bio_read(65_536)
        if not self._pending:
            return None
        end = _RECORD_HEADER_BYTES + int.from_bytes(self._pending[11:13])
        record, self._pending = self._pending[:end], self._pending[end:]
        return record

    def exported(self, length: int) -> bytes:
        """Keying material of RFC 5764 §4.2."""
        return self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", length)

    @property
    def srtp_profile(self) -> SrtpProfile:
        selected = self.connection.get_selected_srtp_profile()
        return next(profile for profile, name in _OPENSSL_NAMES.items() if name == selected)

    def peer_certificate_der(self) -> bytes:
        certificate = self.connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.public_bytes(Encoding.DER)

    def _advance(self) -> None:
        try:
            if self.connected:
                self.connection.recv(1)
            else:
                self.connection.do_handshake()
                self.connected = True
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
