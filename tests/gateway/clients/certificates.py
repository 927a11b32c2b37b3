"""Certificates that devices show: of an authority of devices, and signed by themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Shown(NamedTuple):
    """What a device shows: certificate and key as files, and its thumbprints as the registry writes them."""

    certificate_file: Path
    key_file: Path
    sha1: str
    sha256: str


class Authority:
    """An authority of devices; `file` is its certificate in PEM, and stays where the folder is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("An authority of devices")
        certificate = _certificate(self._name, self._name, self._key, self._key, is_authority=True)
        self.file = folder / "devices-ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def signed(self, device_id: str) -> Shown:
        """Return what the authority signed for a device."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _shown(
            self._folder, device_id, key, _certificate(_name(device_id), self._name, key, self._key)
        )


def self_signed(folder: Path, device_id: str) -> Shown:
    """Return what a device signed itself: nobody else knows it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(device_id)
    return _shown(folder, device_id, key, _certificate(name, name, key, key))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _shown(
    folder: Path, device_id: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> Shown:
    shown = Shown(
        folder / f"{device_id}.pem",
        folder / f"{device_id}.key",
        certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - as IoT Hub names certificates
        certificate.fingerprint(hashes.SHA256()).hex().upper(),
    )
    shown.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    shown.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return shown


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
