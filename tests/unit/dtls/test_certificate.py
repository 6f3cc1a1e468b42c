"""Certificates made and loaded, and what is said about those that cannot serve."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from sfu.dtls.certificate import Certificate
from sfu.errors import ConfigError

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def write(
    folder: Path,
    key: PrivateKey,
    *,
    signed_key: PrivateKey | None = None,
    valid_days: tuple[int, int] = (-10, 10),
    encryption: KeySerializationEncryption | None = None,
) -> tuple[Path, Path]:
    """A certificate for ``signed_key`` (else ``key``) and the file of ``key``, both PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "media.example.com")])
    signer = signed_key or key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(7)
        .not_valid_before(NOW + dt.timedelta(days=valid_days[0]))
        .not_valid_after(NOW + dt.timedelta(days=valid_days[1]))
        .sign(signer, SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return certificate_path, key_path


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_generated_certificate_is_a_year_valid_and_unlike_any_other() -> None:
    one, other = Certificate.generate(NOW), Certificate.generate(NOW)
    parsed = x509.load_der_x509_certificate(one.certificate_der)
    assert parsed.not_valid_before_utc < NOW < parsed.not_valid_after_utc == one.not_after
    assert one.not_after - NOW == dt.timedelta(days=365)
    assert isinstance(parsed.public_key(), ec.EllipticCurvePublicKey)
    assert parsed.serial_number != x509.load_der_x509_certificate(other.certificate_der).serial_number
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
def test_a_fingerprint_is_upper_case_hex_with_colons(algorithm: str) -> None:
    certificate = Certificate.generate(NOW)
    digest = hashlib.new(algorithm.replace("-", ""), certificate.certificate_der).digest()
    fingerprint = certificate.fingerprint(algorithm)
    assert fingerprint.algorithm == algorithm
    assert fingerprint.value == ":".join(f"{byte:02X}" for byte in digest)


def test_the_private_key_does_not_show_in_logs() -> None:
    assert "der" not in repr(Certificate.generate(NOW))


def test_files_that_belong_together_are_loaded(tmp_path: Path) -> None:
    certificate_path, key_path = write(tmp_path, p256())
    certificate = Certificate.load(certificate_path, key_path, NOW)
    assert certificate.certificate_der == x509.load_pem_x509_certificate(certificate_path.read_bytes()).public_bytes(
        Encoding.DER
    )


def missing_certificate(folder: Path) -> tuple[Path, Path]:
    return folder / "none.pem", write(folder, p256())[1]


def missing_key(folder: Path) -> tuple[Path, Path]:
    return write(folder, p256())[0], folder / "none.pem"


def swapped(folder: Path) -> tuple[Path, Path]:
    certificate, key = write(folder, p256())
    return key, certificate


def key_is_text(folder: Path) -> tuple[Path, Path]:
    certificate, key = write(folder, p256())
    key.write_text("hunter2")
    return certificate, key


def a_folder(folder: Path) -> tuple[Path, Path]:
    return folder, write(folder, p256())[1]


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)

WRONG: list[tuple[Callable[[Path], tuple[Path, Path]], str, str]] = [
    (missing_certificate, "dtls.certificate", "cannot read .*none.pem: No such file"),
    (missing_key, "dtls.private_key", "cannot read .*none.pem: No such file"),
    (a_folder, "dtls.certificate", "cannot read"),
    (swapped, "dtls.certificate", "holds no certificate"),
    (key_is_text, "dtls.private_key", "holds no private key"),
    (lambda folder: write(folder, RSA), "dtls.certificate", "not for an ECDSA key of P-256"),
    (lambda folder: write(folder, RSA, signed_key=p256()), "dtls.private_key", "not an ECDSA key of P-256"),
    (lambda folder: write(folder, ec.generate_private_key(ec.SECP384R1())), "dtls.certificate", "P-256"),
    (lambda folder: write(folder, p256(), signed_key=p256()), "dtls.private_key", "is not the key of"),
    (lambda folder: write(folder, p256(), valid_days=(-20, -1)), "dtls.certificate", "expired on 2026-05-31"),
    (lambda folder: write(folder, p256(), valid_days=(1, 2)), "dtls.certificate", "not valid before 2026-06-02"),
    (
        lambda folder: write(folder, p256(), encryption=BestAvailableEncryption(b"secret")),
        "dtls.private_key",
        "is encrypted",
    ),
]


@pytest.mark.parametrize(("make", "key", "message"), WRONG)
def test_files_that_cannot_serve_are_named_with_the_reason(
    tmp_path: Path, make: Callable[[Path], tuple[Path, Path]], key: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        Certificate.load(*make(tmp_path), NOW)
    assert raised.value.key == key
    assert "\n" not in str(raised.value)
