"""The certificate that this server shows in DTLS, and the fingerprints that stand for certificates in SDP.

ECDSA over P-256, because every browser takes it and it keeps the handshake in few datagrams. Nobody checks who signed
it: the fingerprint in the signaling vouches for it (RFC 8122).
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sfu.errors import ConfigError
from sfu.rtp.codecs import Fingerprint

FINGERPRINT_ALGORITHMS: tuple[str, ...] = ("sha-512", "sha-384", "sha-256")
"""Hash functions of RFC 8122 §5 that we take, strongest first. SHA-1 and MD5 prove nothing any more."""

_HASHES = {"sha-512": hashlib.sha512, "sha-384": hashlib.sha384, "sha-256": hashlib.sha256}

_VALIDITY = datetime.timedelta(days=365)
_CLOCK_SKEW = datetime.timedelta(days=1)
"""Clients whose clocks run behind take the certificate too."""

_CERTIFICATE_KEY = "dtls.certificate"
_PRIVATE_KEY_KEY = "dtls.private_key"
_MAX_FILE_BYTES = 65_536


def fingerprint_of(certificate_der: bytes, algorithm: str = "sha-256") -> Fingerprint:
    """Fingerprint of a certificate (RFC 8122 §5). KeyError for an algorithm that is not in the list above."""
    return Fingerprint(algorithm, _HASHES[algorithm](certificate_der).digest().hex(":").upper())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both DER (the key as PKCS#8)."""

    certificate_der: bytes = field(repr=False)
    private_key_der: bytes = field(repr=False)
    not_after: datetime.datetime

    def fingerprint(self, algorithm: str = "sha-256") -> Fingerprint:
        """What goes into ``a=fingerprint``."""
        return fingerprint_of(self.certificate_der, algorithm)

    @classmethod
    def generate(cls, now: datetime.datetime) -> Certificate:
        """A new self-signed certificate, valid for a year from ``now`` (aware)."""
        key = ec.generate_private_key(ec.SECP256R1())
        # The name is seen by everyone who connects; it says nothing, as RFC 8827 §6.5 wants of generated ones.
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "WebRTC")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _VALIDITY)
            .sign(key, SHA256())
        )
        return cls._from_objects(certificate, key)

    @classmethod
    def load(cls, certificate_path: Path, private_key_path: Path, now: datetime.datetime) -> Certificate:
        """Reads PEM files. ConfigError that names the key and the file when they cannot serve."""
        certificate = _load_certificate(certificate_path, now)
        key = _load_private_key(private_key_path)
        if _public_bytes(key.public_key()) != _public_bytes(_ec_public_key(certificate, certificate_path)):
            raise ConfigError(
                _PRIVATE_KEY_KEY,
                f"{private_key_path} is not the key of {certificate_path}",
                "give the two files that belong together",
            )
        return cls._from_objects(certificate, key)

    @classmethod
    def _from_objects(cls, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
        return cls(
            certificate.public_bytes(Encoding.DER),
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            certificate.not_valid_after_utc,
        )


def _load_certificate(path: Path, now: datetime.datetime) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(_read(_CERTIFICATE_KEY, path))
    except ValueError as error:
        raise ConfigError(_CERTIFICATE_KEY, f"{path} holds no certificate", "accepted is PEM") from error
    _ec_public_key(certificate, path)
    if now > certificate.not_valid_after_utc:
        raise ConfigError(
            _CERTIFICATE_KEY,
            f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}",
            "renew it, or leave the setting empty to have one made at start",
        )
    if now < certificate.not_valid_before_utc:
        raise ConfigError(_CERTIFICATE_KEY, f"{path} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    return certificate


def _load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(_read(_PRIVATE_KEY_KEY, path), password=None)
    except TypeError as error:
        raise ConfigError(_PRIVATE_KEY_KEY, f"{path} is encrypted", "accepted is an unencrypted PEM") from error
    except ValueError as error:
        raise ConfigError(_PRIVATE_KEY_KEY, f"{path} holds no private key", "accepted is unencrypted PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(_PRIVATE_KEY_KEY, f"{path} is not an ECDSA key of P-256", "RSA is not accepted")
    return key


def _ec_public_key(certificate: x509.Certificate, path: Path) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(_CERTIFICATE_KEY, f"{path} is not for an ECDSA key of P-256", "RSA is not accepted")
    return key


def _public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(key: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(key, f"cannot read {path}: {error.strerror}", "accepted is the path of a PEM file") from error
