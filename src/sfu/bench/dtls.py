"""The clients' DTLS: OpenSSL's 1.2, so that the server's handshake is met by an implementation that is not its own.

OpenSSL also lets a client offer one SRTP profile alone, which decides what the server encrypts with.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from OpenSSL import SSL

from sfu.dtls.certificate import Certificate
from sfu.dtls.srtp import SrtpKeyMaterial, SrtpProfile

_AS_BROWSERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DEFAULT"
"""OpenSSL itself would rather have keys of 256 bits and SHA-384."""
_OPENSSL_NAMES = {
    SrtpProfile.AEAD_AES_128_GCM: b"SRTP_AEAD_AES_128_GCM",
    SrtpProfile.AES128_CM_HMAC_SHA1_80: b"SRTP_AES128_CM_SHA1_80",
}
_MATERIAL_BYTES = {SrtpProfile.AEAD_AES_128_GCM: 56, SrtpProfile.AES128_CM_HMAC_SHA1_80: 60}
_RECORD_HEADER_BYTES = 13
_MTU = 1200


class DtlsError(Exception):
    """The handshake cannot succeed. The text is for people."""


class ClientContext:
    """What the clients share: one certificate and the one profile that they offer."""

    def __init__(self, profile: SrtpProfile) -> None:
        certificate = Certificate.generate(datetime.now(UTC))
        self.profile = profile
        self.fingerprint = certificate.fingerprint()
        self.openssl = SSL.Context(SSL.DTLS_METHOD)
        self.openssl.set_cipher_list(_AS_BROWSERS)
        # Who signed it says nothing; the fingerprint in the signaling does (RFC 8122), see `_check_peer`. A client that
        # does not verify looks at the certificate as well and goes on, without asking Python for each fault.
        self.openssl.set_verify(SSL.VERIFY_NONE)
        key = load_der_private_key(certificate.private_key_der, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the generated key is not an EC key")
        with warnings.catch_warnings():
            # Whether these take pyOpenSSL's or cryptography's objects changes from version to version.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.openssl.use_certificate(x509.load_der_x509_certificate(certificate.certificate_der))
            self.openssl.use_privatekey(key)
        self.openssl.set_tlsext_use_srtp(_OPENSSL_NAMES[profile])


class DtlsClient:
    """One association, sans-IO but for OpenSSL's timer, which reads the real clock."""

    def __init__(self, context: ClientContext, peer_fingerprint: tuple[str, str]) -> None:
        """``peer_fingerprint``: hash function and value, as in ``a=fingerprint``."""
        self._context = context
        self._peer_fingerprint = peer_fingerprint
        self._connection = SSL.Connection(context.openssl, None)
        self._connection.set_ciphertext_mtu(_MTU)
        self._connection.set_connect_state()
        self._connected = False

    def start(self) -> list[bytes]:
        """The first flight."""
        self._advance()
        return self._waiting()

    def handle_datagram(self, datagram: bytes) -> list[bytes]:
        """What is to be sent in return. DtlsError when it is over."""
        self._connection.bio_write(datagram)
        self._advance()
        return self._waiting()

    def timeout_s(self) -> float | None:
        """How long until ``handle_timeout`` has to be called; None: no timer runs."""
        return None if self._connected else self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> list[bytes]:
        """The last flight again, when its time is over."""
        with contextlib.suppress(SSL.WantReadError):
            self._connection.DTLSv1_handle_timeout()
        return self._waiting()

    def keys(self) -> SrtpKeyMaterial | None:
        """Once connected."""
        if not self._connected:
            return None
        profile = self._context.profile
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", _MATERIAL_BYTES[profile])
        return SrtpKeyMaterial.split(profile, material, is_client=True)

    def close(self) -> list[bytes]:
        """The alert that ends the association, as a client that leaves sends it."""
        with contextlib.suppress(SSL.Error):
            self._connection.shutdown()
        return self._waiting()

    def _advance(self) -> None:
        if self._connected:
            return
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise DtlsError(f"DTLS handshake: {error}") from error
        self._check_peer()
        self._connected = True

    def _check_peer(self) -> None:
        algorithm, promised = self._peer_fingerprint
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise DtlsError("the server showed no certificate")
        der = certificate.public_bytes(Encoding.DER)
        if hashlib.new(algorithm.replace("-", ""), der).digest().hex(":").upper() != promised.upper():
            raise DtlsError("the server's certificate is not the one that its answer promised")
        if self._connection.get_selected_srtp_profile() != _OPENSSL_NAMES[self._context.profile]:
            raise DtlsError(f"the server does not take {self._context.profile}")

    def _waiting(self) -> list[bytes]:
        """One record a datagram: the memory buffer has forgotten where datagrams ended."""
        pending = b""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                pending += self._connection.bio_read(65_536)
        records = []
        while pending:
            end = _RECORD_HEADER_BYTES + int.from_bytes(pending[11:13])
            records.append(pending[:end])
            pending = pending[end:]
        return records
