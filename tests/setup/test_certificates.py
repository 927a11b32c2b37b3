"""The certificates, judged by others: OpenSSL's command, and the TLS of Python on a real socket."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.setup.made import NOW, prepared

from fencepost.setup.certificates import (
    certificate_pem,
    key_pem,
    names_of,
    new_authority,
    new_key,
    new_server,
    read_certificate,
    read_key,
)
from fencepost.setup.installation import Installation

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")

ASKED = ("fencepost.example.com", "*.plant.example", "xn--mnchen-3ya.example", "192.0.2.7", "2001:db8::7")
REACHED_AS = (
    *("localhost", "127.0.0.1", "::1", "fencepost.example.com", "a.plant.example"),
    *("xn--mnchen-3ya.example", "192.0.2.7", "2001:db8::7"),
)
NOT_REACHED_AS = ("other.example", "plant.example", "a.b.plant.example", "192.0.2.8", "::2")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return prepared(tmp_path_factory.mktemp("data") / "data", *ASKED)


def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def verified_as(installation: Installation, name: str) -> subprocess.CompletedProcess[str]:
    check = "-verify_ip" if name.replace(".", "").isdecimal() or ":" in name else "-verify_hostname"
    return openssl(
        *("verify", "-x509_strict", "-purpose", "sslserver", check, name),
        *("-CAfile", installation.ca_file, installation.certificate),
    )


@needs_openssl
@pytest.mark.parametrize("name", REACHED_AS)
def test_openssl_verifies_the_chain_strictly_for_every_name(installation: Installation, name: str) -> None:
    assert verified_as(installation, name).stdout.endswith(": OK\n")


@needs_openssl
@pytest.mark.parametrize("name", NOT_REACHED_AS)
def test_openssl_verifies_it_for_no_other_name(installation: Installation, name: str) -> None:
    done = verified_as(installation, name)
    assert done.returncode != 0
    assert "mismatch" in done.stderr


@needs_openssl
def test_openssl_refuses_a_certificate_that_the_server_key_signs(
    installation: Installation, tmp_path: Path
) -> None:
    server = x509.load_pem_x509_certificate(installation.certificate.read_bytes())
    key = read_key(installation.key.read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    forged = new_server(server, key, new_key().public_key(), ["localhost"], NOW)
    (tmp_path / "forged.pem").write_bytes(certificate_pem(forged))
    done = openssl(
        *("verify", "-CAfile", installation.ca_file),
        *("-untrusted", installation.certificate, tmp_path / "forged.pem"),
    )
    assert "invalid CA certificate" in done.stderr


@pytest.fixture(scope="module")
def port(installation: Installation) -> Iterator[int]:
    """A TLS server on the loopback interface that greets whoever it trusts to have understood."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(installation.certificate, installation.key)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(serve, server, context)
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def serve(server: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(b"hello")


def greeted(installation: Installation, port: int, name: str, version: ssl.TLSVersion) -> bytes:
    context = ssl.create_default_context(cafile=installation.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return tls.recv(5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", REACHED_AS)
def test_a_client_of_the_authority_shakes_hands_under_every_name(
    installation: Installation, port: int, name: str, version: ssl.TLSVersion
) -> None:
    assert greeted(installation, port, name, version) == b"hello"


@pytest.mark.parametrize("name", NOT_REACHED_AS)
def test_a_client_that_asks_for_another_name_ends_the_handshake(
    installation: Installation, port: int, name: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        greeted(installation, port, name, ssl.TLSVersion.TLSv1_3)


def test_a_client_that_does_not_know_the_authority_ends_the_handshake(port: int) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in certificate chain"),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_the_authority_signs_servers_only_and_for_ten_years(installation: Installation) -> None:
    assert installation.ca_file is not None
    authority = x509.load_pem_x509_certificate(installation.ca_file.read_bytes())
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert authority.not_valid_after_utc == NOW + timedelta(days=3650)


def test_keys_are_on_p_256_and_serial_numbers_are_random(installation: Installation) -> None:
    chain = x509.load_pem_x509_certificates(installation.certificate.read_bytes())
    assert len(chain) == 2
    for certificate in chain:
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert certificate.serial_number.bit_length() > 100
    assert chain[0].serial_number != chain[1].serial_number


def test_a_server_certificate_lasts_no_longer_than_825_days_and_than_its_authority() -> None:
    key = new_key()
    authority = new_authority(key, NOW)
    for now in (NOW, NOW + timedelta(days=3000)):
        made = new_server(authority, key, new_key().public_key(), ["localhost"], now)
        assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(days=825)
        assert made.not_valid_after_utc <= authority.not_valid_after_utc
        assert made.not_valid_before_utc < now < made.not_valid_after_utc


def test_names_are_read_back_as_they_were_given() -> None:
    key = new_key()
    names = ("localhost", "*.plant.example", "192.0.2.7", "2001:db8::7")
    certificate = new_server(new_authority(key, NOW), key, key.public_key(), names, NOW)
    assert names_of(read_certificate(certificate_pem(certificate))) == names
    assert names_of(new_authority(key, NOW)) == ()


def test_a_key_is_read_back_and_one_with_a_passphrase_is_refused() -> None:
    key = new_key()
    assert read_key(key_pem(key)).public_key() == key.public_key()
    sealed = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ValueError, match="passphrase"):
        read_key(sealed)


@pytest.mark.parametrize(
    "pem", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_pem_is_refused_in_words(pem: bytes) -> None:
    with pytest.raises(ValueError, match="not a certificate in PEM"):
        read_certificate(pem)
    with pytest.raises(ValueError, match="not a private key in PEM"):
        read_key(pem)
