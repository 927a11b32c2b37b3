"""X.509 certificates of a local authority and of its servers (RFC 5280), and keys: ECDSA over P-256, or RSA."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificatePublicKeyTypes,
    PrivateKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fencepost.setup.hostnames import is_address

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=820)
"""With the backdating below the 825 days that the strictest clients accept."""
AUTHORITY_BITS, SERVER_BITS = 3072, 2048
"""The sizes of RSA keys: an authority's is in use for ten years."""
BACKDATED = timedelta(days=1)
"""How far a client's clock may be behind ours when a certificate is new."""

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def is_rsa(key: PrivateKeyTypes | CertificatePublicKeyTypes) -> bool:
    return isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey)


def key_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def read_key(pem: bytes) -> PrivateKeyTypes:
    """Return a private key; raises ValueError with a reason."""
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("the key is protected by a passphrase: store it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is not a private key in PEM") from None


def read_certificate(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a chain; raises ValueError with a reason."""
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        names_of(certificate)
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is not a certificate in PEM") from None
    return certificate


def new_authority(key: SigningKey, now: datetime) -> x509.Certificate:
    """Return the certificate of a local authority, which signs servers and no further authorities."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"Fencepost local CA {identifier.digest.hex()[:8]}")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return (
        _builder(name, name, key.public_key(), now)
        .not_valid_after(_seconds(now + AUTHORITY_LIFE))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def new_server(
    authority: x509.Certificate,
    authority_key: SigningKey,
    key: CertificatePublicKeyTypes,
    names: Iterable[str],
    now: datetime,
) -> x509.Certificate:
    """Return a TLS server's certificate for the names; it ends with that of the authority at the latest."""
    ends = min(now + SERVER_LIFE, authority.not_valid_after_utc)
    return (
        _builder(_name("Fencepost server"), authority.subject, key, now)
        .not_valid_after(_seconds(ends))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, key_encipherment=is_rsa(key)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(_identifier_of(authority), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = (one for one in found if isinstance(one, x509.DNSName | x509.IPAddress))
    return tuple(str(one.value).lower() for one in names)


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def belong(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether a certificate is for this key."""
    return certificate.public_key() == key.public_key()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_seconds(now - BACKDATED))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _identifier_of(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        known = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
